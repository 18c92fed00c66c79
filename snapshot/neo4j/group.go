package neo4j

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// Several reports whether the URL of a source means several databases, each of
// which is a series of its own.
func Several(u *url.URL) bool {
	req, err := parseURL(u)
	return err == nil && req.several
}

// Named are the databases that the URL of several names; empty: it means those that
// there are.
func Named(u *url.URL) []string {
	req, err := parseURL(u)
	if err != nil {
		return nil
	}
	return req.databases
}

// OpenGroup is Open for a URL that means several databases.
func OpenGroup(u *url.URL, options Options) (snapshot.Group, error) {
	req, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	lead, err := newSource(req, options)
	if err != nil {
		return nil, err
	}
	return &group{lead: lead}, nil
}

// openAll opens the sources of a URL, be it one or several.
func openAll(ctx context.Context, u *url.URL, options Options) ([]*source, error) {
	req, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	lead, err := newSource(req, options)
	if err != nil {
		return nil, err
	}
	if !req.several {
		return []*source{lead}, lead.look(ctx)
	}
	return lead.members(ctx)
}

// group is several databases of one installation.
type group struct {
	lead *source // has no database of its own
	all  []*source
}

// Members are the databases, the one that is served before system.
func (g *group) Members(ctx context.Context) ([]snapshot.Source, error) {
	var err error
	if g.all, err = g.lead.members(ctx); err != nil {
		return nil, err
	}
	members := make([]snapshot.Source, len(g.all))
	for i, s := range g.all {
		members[i] = s.captured()
	}
	return members, nil
}

// members are the sources of the databases that a source of several means.
func (s *source) members(ctx context.Context) ([]*source, error) {
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	names := s.databases
	var err error
	switch {
	case len(s.online.from) > 0 && len(names) == 0:
		names, err = s.servedDatabases(ctx)
	case s.every:
		names, err = s.admin.allDatabases(ctx)
	case len(names) == 0:
		names, err = s.admin.defaultDatabases(ctx)
	}
	if err != nil {
		return nil, s.admin.fail("look for databases", err)
	}
	var all []*source
	for _, name := range names {
		one, a := *s, *s.admin
		one.database, one.admin, a.database = name, &a, name
		one.at = a.locateStore(ctx)
		all = append(all, &one)
	}
	return all, nil
}

// defaultDatabases are those that a server of the Community edition serves:
// one, and since 4.0 system besides, in which the users are.
func (a *admin) defaultDatabases(ctx context.Context) ([]string, error) {
	conf, err := a.ReadConf("")
	if err != nil {
		return nil, err
	}
	name, err := conf.DefaultDatabase(ctx)
	if err != nil {
		return nil, err
	}
	if hint, err := checkDatabase(name); err != nil {
		return nil, &snapshot.Error{Op: "look for databases", Name: name, Err: err, Hint: hint}
	}
	if a.Version.Major < 4 {
		return []string{name}, nil
	}
	return []string{name, install.System}, nil
}

// servedDatabases asks a server which databases it serves, system at the end.
func (s *source) servedDatabases(ctx context.Context) ([]string, error) {
	refuse := func(err error) error {
		return &snapshot.Error{Op: "look for databases", Name: s.online.bolt, Err: err,
			Hint: "Name the databases with commas between them; or let the server be asked: NEO4J_PASSWORD (and NEO4J_USERNAME), and bolt=HOST:PORT if it is not at " +
				s.online.bolt + "."}
	}
	server, err := bolt.Open(bolt.Address{At: s.online.bolt, User: s.options.User, Password: s.options.Password})
	if err != nil {
		return nil, refuse(err)
	}
	rows, err := server.Read(ctx, install.System, s.admin.Version.Online(), nil)
	if err = errors.Join(err, server.Close(context.WithoutCancel(ctx))); err != nil {
		return nil, refuse(err)
	}
	// One that should be online and is not counts: its backup fails, and that is
	// told.
	var names []string
	online := map[string]bool{}
	for _, row := range rows {
		if len(row) == 2 && row[1] == true {
			online[fmt.Sprint(row[0])] = true
		} else {
			s.options.Log.Warn("a database was stopped and is not backed up", "database", fmt.Sprint(row[0]))
		}
	}
	for name := range online {
		if _, wrong := checkDatabase(name); wrong != nil {
			return nil, refuse(wrong)
		}
		if name != install.System {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if online[install.System] {
		names = append(names, install.System)
	}
	if len(names) == 0 {
		return nil, refuse(ErrNoDatabase)
	}
	return names, nil
}

// allDatabases are those that have files, system at the end.
func (a *admin) allDatabases(ctx context.Context) ([]string, error) {
	conf, err := a.ReadConf("")
	if err != nil {
		return nil, err
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(data, "databases"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	system := false
	for _, e := range entries {
		_, wrong := checkDatabase(e.Name())
		switch {
		case !e.IsDir():
		case e.Name() == install.System:
			system = true
		case wrong != nil:
			a.log.Warn("a folder among the databases has no name of a database; it is left out", "folder", e.Name())
		default:
			names = append(names, e.Name())
		}
	}
	if system {
		names = append(names, install.System)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoDatabase, data)
	}
	return names, nil
}

// Prepare dumps all databases, in one stop of the server or of one snapshot.
// Dumps that are streams, and online backups, are made one after the other, as
// they are shipped.
func (g *group) Prepare(ctx context.Context) error {
	if g.lead.scratch == "" || len(g.lead.online.from) > 0 {
		return nil
	}
	return prepare(ctx, g.all)
}

// Close gives up the dumps that were not captured; they stay where they can be
// resumed.
func (g *group) Close() error {
	var err error
	for _, s := range g.all {
		if s.ready != nil && s.ready.err == nil {
			err = errors.Join(err, s.ready.folder.leave(s.ready.dump.State != ""))
		}
		s.ready = nil
	}
	return err
}
