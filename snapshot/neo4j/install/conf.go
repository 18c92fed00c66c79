package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
	as     func(*exec.Cmd)
}

// ReadConf reads the configuration below dir for one command of neo4j-admin,
// as the tool itself does: neo4j.conf, neo4j-admin.conf, and that of the command
// (neo4j-admin-database-dump.conf; before 5 there is the first alone). What is
// said later counts. A file that is not there says nothing, but for the first.
func (in *Installation) ReadConf(command string) (*Conf, error) {
	c := &Conf{version: in.Version, home: in.Home, values: map[string]string{}, expand: in.Expand, as: in.As}
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
		if err == nil && in.Expand {
			err = ownersOnly(path)
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
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if c.as != nil {
		c.as(cmd)
	}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: run %s: %w", name, args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// ErrOpenConf says that others may change the commands that would be run.
var ErrOpenConf = errors.New("commands of a configuration are not run that others than its owner may change")

// ownersOnly refuses a configuration that others may write, as Neo4j does where
// commands are expanded.
func ownersOnly(path string) error {
	const othersWrite = 0o022
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&othersWrite != 0 {
		return fmt.Errorf("%w: %s", ErrOpenConf, path)
	}
	return nil
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

// Lib is the folder of Neo4j's jars.
func (c *Conf) Lib(ctx context.Context) (string, error) {
	return c.folder(ctx, LibDirectory, c.home, filepath.Join(c.home, "lib"))
}

// Bolt is the address at which this machine reaches the server's Bolt connector,
// and whether it wants TLS. Empty: the connector is off.
func (c *Conf) Bolt(ctx context.Context) (address string, tls bool, err error) {
	values := map[Setting]string{}
	for _, s := range []Setting{boltEnabled, boltListen, boltTLS, defaultListen} {
		if values[s], err = c.Value(ctx, s); err != nil {
			return "", false, err
		}
	}
	if strings.EqualFold(values[boltEnabled], "false") {
		return "", false, nil
	}
	host, port, found := cutLast(values[boltListen], ":")
	if !found { // a port or nothing
		host, port = "", host
	}
	host = cmp.Or(strings.Trim(host, "[]"), strings.Trim(values[defaultListen], "[]"))
	if ip := net.ParseIP(host); host == "" || host == "localhost" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, cmp.Or(port, defaultBoltPort)), strings.EqualFold(values[boltTLS], "REQUIRED"), nil
}

// BackupPort is where an Enterprise server takes online backups, and whether
// other machines can reach it. Empty: backups are off.
func (c *Conf) BackupPort(ctx context.Context) (address string, open bool, err error) {
	enabled, err := c.Value(ctx, backupEnabled)
	if err != nil || strings.EqualFold(enabled, "false") {
		return "", false, err
	}
	if address, err = c.Value(ctx, backupListen); err != nil {
		return "", false, err
	}
	if address == "" {
		return "127.0.0.1:6362", false, nil
	}
	host, _, found := cutLast(address, ":")
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback()
	return address, found && !local, nil
}

const defaultBoltPort = "7687"

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// DefaultDatabase is the database that a server serves besides system, unless it
// was called otherwise when it was made.
func (c *Conf) DefaultDatabase(ctx context.Context) (string, error) {
	name, err := c.Value(ctx, defaultDatabase)
	return strings.ToLower(cmp.Or(name, c.version.DefaultDatabase())), err
}

// Enterprise reports whether the jars are those of the Enterprise edition.
func (c *Conf) Enterprise(ctx context.Context) (bool, error) {
	lib, err := c.Lib(ctx)
	if err != nil {
		return false, err
	}
	entries, err := os.ReadDir(lib)
	if err != nil {
		return false, fmt.Errorf("look for the edition: %w", err)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.Contains(e.Name(), "enterprise") }), nil
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
