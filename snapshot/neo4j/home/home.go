// Package home makes scratch homes: Neo4j servers of our own on stores that are
// not the live one. Their configuration is generated and nothing of the live
// one is copied, so that no plug-in, procedure, certificate or address of it
// gets in. The programs and jars are those of the live installation.
//
// A home serves a dump that is loaded into it, or files that are somewhere
// else, such as the clone of a snapshot.
package home

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// DefaultMemory is what a home takes where nothing is said, and LeastMemory
// what it needs, in bytes.
const (
	DefaultMemory = 2 << 30
	LeastMemory   = 512 << 20
)

// Options say what a home is for.
type Options struct {
	// Live is the installation whose programs are used, with its version.
	Live *install.Installation
	// Dir is made, and must not exist. Remove removes it.
	Dir      string
	Database string
	// Data and Logs are the folders of stores that are elsewhere; empty: the
	// home has its own, which are empty.
	Data, Logs string
	// Connect lets the server be asked over Bolt, on a free port of the loopback
	// device; otherwise nobody can.
	Connect bool
	// Plugins is a folder of plug-ins to load; empty: none.
	Plugins string
	// Memory is shared by heap, page cache and what a check takes besides, in
	// bytes; 0: DefaultMemory.
	Memory int64
	// As is who runs everything, and owns the home; nil: who we are.
	As *process.Owner
	// Background gives way to everything else on the machine.
	Background bool
	TempDir    string // for temporary files of JVMs; empty: Java chooses
	Log        *slog.Logger
}

// Home is a scratch home.
type Home struct {
	own      install.Installation // the programs of the live one, on our folders
	database string
	data     string // where the stores are
	lib      string // the jars of the live one
	address  string // of Bolt; empty: nobody can connect
	password string // empty: nobody has to log in
	memory   int64
	options  Options
	env      []string
	log      *slog.Logger
}

// Make makes a home. It fails with snapshot.ErrUnsafe where its stores are
// those of the live server, or in use.
func Make(ctx context.Context, o Options) (_ *Home, err error) {
	h := &Home{database: o.Database, memory: cmp.Or(o.Memory, DefaultMemory), options: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	if h.memory < LeastMemory {
		return nil, fmt.Errorf("%w: %d bytes of memory are not enough for a server, %d are", snapshot.ErrUsage, h.memory, LeastMemory)
	}
	if o.Plugins != "" {
		if h.options.Plugins, err = install.RealFolder(o.Plugins); err != nil {
			return nil, fmt.Errorf("%w: open folder of plug-ins: %w", snapshot.ErrUsage, err)
		}
	}
	conf, err := o.Live.ReadConf("")
	if err != nil {
		return nil, err
	}
	if h.lib, err = conf.Lib(ctx); err != nil {
		return nil, err
	}
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make scratch home: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Remove())
		}
	}()
	dir, err := install.RealFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	h.own = install.Installation{Home: dir, Conf: filepath.Join(dir, "conf"), Admin: o.Live.Admin, Version: o.Live.Version}
	h.data = cmp.Or(o.Data, filepath.Join(dir, "data"))
	for _, name := range []string{"conf", "data/databases", "data/transactions", "import", "logs", "plugins", "run", "reports", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("make scratch home: %w", err)
		}
	}
	if err := h.apart(ctx, conf); err != nil {
		return nil, err
	}
	h.env = h.own.Environ(os.Environ(), cmp.Or(o.TempDir, filepath.Join(dir, "tmp")))
	if err := h.configure(ctx); err != nil {
		return nil, err
	}
	return h, h.lock(ctx)
}

// apart refuses stores that a live server uses, by their place and by its lock.
func (h *Home) apart(ctx context.Context, live *install.Conf) error {
	theirs, err := live.Data(ctx)
	if err != nil {
		return err
	}
	refuse := func(why string) error {
		return &snapshot.Error{Op: "make scratch home", Name: h.data, Err: fmt.Errorf("%w: %s", snapshot.ErrUnsafe, why),
			Hint: "A scratch server must never open the files of the live one; give another scratch folder."}
	}
	ours, err := install.RealFolder(h.data)
	if err != nil {
		return err
	}
	switch theirs, err = install.RealFolder(theirs); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	// A clone of a file system may lie within it, beside the live stores.
	case within(theirs, ours), within(ours, filepath.Join(theirs, "databases")), within(ours, filepath.Join(theirs, "transactions")):
		return refuse("it is the live data folder, or around it, or within the live stores: " + theirs)
	default:
		for _, part := range []string{"", filepath.Join("databases", h.database), filepath.Join("transactions", h.database)} {
			if same(filepath.Join(ours, part), filepath.Join(theirs, part)) {
				return refuse("it leads to the live data folder " + theirs)
			}
		}
	}
	if _, running, err := install.RunningOn(ours); err != nil {
		return err
	} else if running {
		return refuse("a server is using it")
	}
	return nil
}

func within(inner, outer string) bool {
	rel, err := filepath.Rel(outer, inner)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func same(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// configure writes the configuration, with another port each time.
func (h *Home) configure(ctx context.Context) error {
	heap, cache, _ := h.shares()
	conf := install.HomeConf{Lib: h.lib, Plugins: h.options.Plugins, Data: h.options.Data, Logs: h.options.Logs,
		Database: h.database, Heap: heap, PageCache: cache}
	if h.database == install.System {
		conf.Database = ""
	}
	if h.options.Connect {
		address, err := freeAddress(ctx)
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		h.address, conf.Bolt = address, address
		// What is in the database system decides who may log in.
		conf.Open = h.database == install.System
	}
	text, err := h.own.Version.HomeConf(conf)
	if err != nil {
		return fmt.Errorf("configure scratch home: %w", err)
	}
	if err := os.WriteFile(filepath.Join(h.own.Conf, "neo4j.conf"), text, 0o600); err != nil {
		return fmt.Errorf("configure scratch home: %w", err)
	}
	return h.give()
}

// OwnerOf is who programs of an installation should run as: the user that owns
// its data, if we are root and it is somebody else. Files of root would keep a
// server from starting, and its programs are no safer than who may change them.
// Where that cannot be found out it is nil, who we are.
func OwnerOf(ctx context.Context, live *install.Installation) *process.Owner {
	conf, err := live.ReadConf("dump")
	if err != nil {
		return nil
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return nil
	}
	owner, err := process.OwnerOf(data)
	if err != nil {
		return nil
	}
	return owner
}

// give gives the home to who runs it.
func (h *Home) give() error {
	if h.options.As == nil {
		return nil
	}
	return filepath.WalkDir(h.own.Home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return h.options.As.Give(path)
	})
}

// lock gives the server a password that is nowhere else, if anybody can connect
// to it and has to log in.
func (h *Home) lock(ctx context.Context) error {
	if h.address == "" || h.database == install.System {
		return nil
	}
	// The command line shows it to this machine for a moment; it opens nothing
	// but a copy, on the loopback device, for the minutes of a drill.
	password := rand.Text()
	if _, err := h.Admin(ctx, h.own.Version.SetPassword(password)...); err != nil {
		return err
	}
	h.password = password
	return nil
}

// shares parts the memory: what is left is for the JVMs themselves.
func (h *Home) shares() (heap, cache, check int64) {
	const mib = 1 << 20
	heap, cache = h.memory*2/5/mib*mib, h.memory*2/5/mib*mib
	return heap, cache, cache // a check runs while the server does not
}

// freeAddress finds a port that nobody has now. Somebody may take it before the
// server does; then Start tries another one.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Version is that of the installation.
func (h *Home) Version() install.Version { return h.own.Version }

// Remove removes the home and all that is in it. Stores that are elsewhere stay.
func (h *Home) Remove() error {
	if err := os.RemoveAll(h.options.Dir); err != nil {
		return fmt.Errorf("remove scratch home: %w", err)
	}
	return nil
}

func (h *Home) command(path string, args []string) process.Command {
	return process.Command{Path: path, Args: args, Env: h.env, Dir: h.own.Home, Background: h.options.Background, As: h.options.As}
}
