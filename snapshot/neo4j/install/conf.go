package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrCommand says that a value of the configuration is a command, and
// that nobody said that commands are to be run.
var ErrCommand = errors.New("a command stands in the place of a value")

// Conf is what the configuration of an installation says.
type Conf struct {
	version Version
	home    string
	values  map[string]string
	// expand runs the commands that stand in the place of values, as
	// --expand-commands does.
	expand bool
}

// ReadConf reads the configuration below dir for one command of neo4j-admin,
// as the tool itself does: neo4j.conf, neo4j-admin.conf, and that of the command
// (neo4j-admin-database-dump.conf; before 5 there is the first alone). What is
// said later counts. A file that is not there says nothing, but for the first.
func (in *Installation) ReadConf(command string) (*Conf, error) {
	c := &Conf{version: in.Version, home: in.Home, values: map[string]string{}, expand: in.Expand}
	files := []string{"neo4j.conf"}
	if in.Version.Major >= 5 {
		files = append(files, "neo4j-admin.conf", "neo4j-admin-database-"+command+".conf")
	}
	for i, name := range files {
		path := filepath.Join(in.Conf, name)
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && i > 0 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		all, err := parseProperties(string(raw))
		if err != nil {
			return nil, fmt.Errorf("read configuration %s: %w", path, err)
		}
		for _, p := range all {
			c.values[p.name] = strings.TrimSpace(p.value)
		}
	}
	return c, nil
}

// Value returns what is configured; empty: nothing is.
func (c *Conf) Value(ctx context.Context, s Setting) (string, error) {
	name := c.version.Name(s)
	value := c.values[name]
	if name == "" || !strings.HasPrefix(value, "$(") || !strings.HasSuffix(value, ")") {
		return value, nil
	}
	if !c.expand {
		return "", fmt.Errorf("%w: %s=%s", ErrCommand, name, value)
	}
	command := strings.TrimSuffix(strings.TrimPrefix(value, "$("), ")")
	args := strings.Fields(command)
	if len(args) == 0 {
		return "", fmt.Errorf("%s: the command is empty", name)
	}
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: run %s: %w", name, args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// folder is the absolute path of a setting that names a folder.
func (c *Conf) folder(ctx context.Context, s Setting, base, byDefault string) (string, error) {
	value, err := c.Value(ctx, s)
	switch {
	case err != nil:
		return "", err
	case value == "":
		return byDefault, nil
	case !filepath.IsAbs(value):
		return filepath.Join(base, value), nil
	}
	return filepath.Clean(value), nil
}

// Data is the folder below which the databases are.
func (c *Conf) Data(ctx context.Context) (string, error) {
	return c.folder(ctx, DataDirectory, c.home, filepath.Join(c.home, "data"))
}

// Dumps is the folder into which dumps go where none is named.
func (c *Conf) Dumps(ctx context.Context) (string, error) {
	data, err := c.Data(ctx)
	if err != nil {
		return "", err
	}
	return c.folder(ctx, DumpsDirectory, data, filepath.Join(data, "dumps"))
}

// Store is where the files of one database are.
type Store struct {
	Data string // its folder below databases
	Logs string // of its transaction logs; in 3.5 the same, unless it is configured
}

// Store returns where the files of a database are, or would be.
func (c *Conf) Store(ctx context.Context, database string) (Store, error) {
	data, err := c.Data(ctx)
	if err != nil {
		return Store{}, err
	}
	s := Store{Data: filepath.Join(data, "databases", database)}
	if c.version.Major < 4 {
		s.Logs, err = c.folder(ctx, LogsDirectory, s.Data, s.Data)
		return s, err
	}
	logs, err := c.folder(ctx, LogsDirectory, data, filepath.Join(data, "transactions"))
	s.Logs = filepath.Join(logs, database)
	return s, err
}

// Moved reports whether an internal setting puts the stores elsewhere.
func (c *Conf) Moved() bool {
	for _, name := range []string{"internal.server.directories.databases.root", "unsupported.dbms.directories.databases.root"} {
		if _, ok := c.values[name]; ok {
			return true
		}
	}
	return false
}
