package neo4j

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// store is where the files of one database are. Both fields are empty if that
// could not be found out.
type store struct {
	data         string // its folder below databases
	transactions string // its folder below transactions
}

// locateStore finds the files of a database by the configuration that
// neo4j-admin uses for a dump.
func locateStore(env []string, home, database string) store {
	conf := filepath.Join(home, "conf")
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, "NEO4J_CONF="); found {
			conf = value
		}
	}
	settings := map[string]string{}
	for _, name := range []string{"neo4j.conf", "neo4j-admin.conf", "neo4j-admin-database-dump.conf"} {
		err := readSettings(filepath.Join(conf, name), settings)
		if err != nil && (name == "neo4j.conf" || !errors.Is(err, fs.ErrNotExist)) {
			return store{}
		}
	}
	data, dataKnown := placeOf(settings, "server.directories.data", filepath.Join(home, "data"), home)
	logs, logsKnown := placeOf(settings, "server.directories.transaction.logs.root", filepath.Join(data, "transactions"), data)
	_, moved := settings["internal.server.directories.databases.root"]
	s := store{data: filepath.Join(data, "databases", database), transactions: filepath.Join(logs, database)}
	if !dataKnown || !logsKnown || moved || !isDir(s.data) || !isDir(s.transactions) {
		return store{}
	}
	return s
}

// placeOf returns the folder that a setting names. A command in its place is
// not run, so that the folder is not known.
func placeOf(settings map[string]string, setting, byDefault, base string) (string, bool) {
	value := settings[setting]
	switch {
	case value == "":
		return byDefault, true
	case strings.Contains(value, "$("):
		return "", false
	case !filepath.IsAbs(value):
		return filepath.Join(base, value), true
	}
	return value, true
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readSettings reads the lines NAME=VALUE of a configuration file; the last
// one of a name counts, as in Neo4j.
func readSettings(path string, into map[string]string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		if name, value, found := strings.Cut(line, "="); found {
			into[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return nil
}

// state sums up names, sizes and modification times of the store's files. It
// is empty if the store was not located. neo4j-admin itself changes none of
// them but the lock.
func (s store) state() (string, error) {
	if s.data == "" {
		return "", nil
	}
	sum := sha256.New()
	err := s.walk(func(path string, info fs.FileInfo) {
		sum.Write(fmt.Appendf(nil, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano()))
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// size is the number of bytes in the store's own files, without the
// transaction logs: those are preallocated and mostly empty.
func (s store) size() (int64, error) {
	var total int64
	err := s.walk(func(path string, info fs.FileInfo) {
		if !strings.Contains(filepath.Base(path), "neostore.transaction.db") {
			total += info.Size()
		}
	})
	return total, err
}

func (s store) walk(visit func(path string, info fs.FileInfo)) error {
	for _, root := range []string{s.data, s.transactions} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == "database_lock" {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			visit(path, info)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
