package neo4j

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// store is where the files of one database are. Both fields are empty if that
// could not be found out.
type store struct {
	data         string // its folder below databases
	transactions string // its folder below transactions
}

// locateStore finds the files of a database by the configuration that
// neo4j-admin uses for a dump. A command in the place of a folder is not run,
// so that the folder is not known.
func (a *admin) locateStore(ctx context.Context) store {
	if len(a.exec) > 0 {
		return store{}
	}
	conf, err := a.ReadConf("dump")
	if err != nil || conf.Moved() {
		return store{}
	}
	at, err := conf.Store(ctx, a.database)
	s := store{data: at.Data, transactions: at.Logs}
	if err != nil || !install.IsFolder(s.data) || !install.IsFolder(s.transactions) {
		return store{}
	}
	return s
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
	roots := []string{s.data, s.transactions}
	if s.data == s.transactions { // as in 3.5
		roots = roots[:1]
	}
	for _, root := range roots {
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
