package install_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

func TestParseVersion(t *testing.T) {
	for printed, want := range map[string]string{
		"5.26.31\n": "5.26.31", "neo4j-admin 3.5.35\n": "3.5.35", "2026.09.0\n": "2026.09.0", "WARNING: x 1.2\n4.4.44\n": "4.4.44",
		"5.26.0-SNAPSHOT+abc\n": "5.26.0-SNAPSHOT+abc", "5.26.31\r\n": "5.26.31",
	} {
		if v, err := install.ParseVersion(printed); err != nil || v.Text != want {
			t.Errorf("%q: %q, %v", printed, v.Text, err)
		}
	}
	for _, printed := range []string{"", "neo4j-admin\n", "version 5.26\n", "99999999999999999999.1\n"} {
		if _, err := install.ParseVersion(printed); err == nil || errors.Is(err, install.ErrVersion) {
			t.Errorf("%q: %v", printed, err)
		}
	}
	for _, printed := range []string{"3.4.18\n", "2.3.0\n"} {
		if _, err := install.ParseVersion(printed); !errors.Is(err, install.ErrVersion) {
			t.Errorf("%q: %v", printed, err)
		}
	}
}

func version(t *testing.T, text string) install.Version {
	t.Helper()
	v, err := install.ParseVersion(text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every command line is one that neo4j-admin of that version understands: with
// a database that does not exist it fails for that, and not for its usage.
func TestCommands(t *testing.T) {
	for _, text := range testenv.AllNeo4jVersions() {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			home, v, dir := testenv.Neo4j(t, text), version(t, text), t.TempDir()
			if out, err := home.Run("--version"); err != nil || !strings.Contains(out, text) {
				t.Errorf("version: %q, %v", out, err)
			}
			in := &install.Installation{Home: home.Home, Admin: home.Admin}
			if !in.KnowVersion() || in.Version != v {
				t.Errorf("by the jars it is %q", in.Version)
			}
			commands := map[string][]string{
				"dump": v.DumpTo("missing", dir), "load": v.Load("missing", dir, false), "load over": v.Load("absent", dir, v.Major > 3), "check": v.Check("missing", dir, install.CheckLimits{OffHeap: 64 << 20, Threads: 1}),
				"info": v.Info("missing", filepath.Join(dir, "missing")),
			}
			if stream, err := v.DumpStream("missing"); err == nil {
				commands["stream"] = stream
			} else if v.Major > 3 || !errors.Is(err, install.ErrVersion) {
				t.Error(err)
			}
			for name, args := range commands {
				out, err := home.Run(args...)
				lower := strings.ToLower(out)
				known := strings.Contains(lower, "not exist") || strings.Contains(lower, "nosuchfile") || strings.Contains(lower, "could not find") || strings.Contains(lower, "must point to") ||
					strings.Contains(lower, "not found") || strings.Contains(lower, "does not contain") || strings.Contains(lower, "no matching") || strings.Contains(lower, "unable to find")
				if name == "info" && v.Major >= 5 {
					known = known || strings.TrimSpace(out) == "[]" || err != nil
				}
				if strings.Contains(lower, "usage") || strings.Contains(lower, "unmatched argument") || strings.Contains(lower, "unknown option") || !known {
					t.Errorf("%s: %q, %v", name, out, err)
				}
			}
		})
	}
}

// conf writes a configuration and returns an installation with it.
func conf(t *testing.T, text string, files map[string]string) *install.Installation {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &install.Installation{Home: "/opt/neo4j", Conf: dir, Version: version(t, text)}
}

func TestStore(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		files   map[string]string
		want    install.Store
	}{
		"defaults": {"5.26.31", map[string]string{"neo4j.conf": "# nothing\n"}, install.Store{Data: "/opt/neo4j/data/databases/db", Logs: "/opt/neo4j/data/transactions/db"}},
		"5":        {"2026.09.0", map[string]string{"neo4j.conf": "server.directories.data = /d\nserver.directories.transaction.logs.root=logs\n"}, install.Store{Data: "/d/databases/db", Logs: "/d/logs/db"}},
		"4":        {"4.4.44", map[string]string{"neo4j.conf": "dbms.directories.data: /d\nserver.directories.data=/wrong\n"}, install.Store{Data: "/d/databases/db", Logs: "/d/transactions/db"}},
		"3.5":      {"3.5.35", map[string]string{"neo4j.conf": "dbms.directories.data=/d\n"}, install.Store{Data: "/d/databases/db", Logs: "/d/databases/db"}},
		"3.5 logs": {"3.5.35", map[string]string{"neo4j.conf": "dbms.directories.data=/d\ndbms.directories.tx_log=/l\n"}, install.Store{Data: "/d/databases/db", Logs: "/l"}},
		"the tool's own": {"5.26.31", map[string]string{"neo4j.conf": "server.directories.data=/a\n", "neo4j-admin.conf": "server.directories.data=/b\n",
			"neo4j-admin-database-dump.conf": "server.directories.data=/c\n", "neo4j-admin-database-load.conf": "server.directories.data=/d\n"},
			install.Store{Data: "/c/databases/db", Logs: "/c/transactions/db"}},
		"before 5 it has none": {"4.4.44", map[string]string{"neo4j.conf": "dbms.directories.data=/a\n", "neo4j-admin.conf": "dbms.directories.data=/b\n"},
			install.Store{Data: "/a/databases/db", Logs: "/a/transactions/db"}},
	} {
		c2, err := conf(t, c.version, c.files).ReadConf("dump")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c2.Store(t.Context(), "db"); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

// A command in the place of a value is run if somebody says so, and never else.
func TestCommandsInTheConfiguration(t *testing.T) {
	in := conf(t, "5.26.31", map[string]string{"neo4j.conf": "server.directories.data=$(echo /from/command)\n"})
	c, err := in.ReadConf("dump")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Data(t.Context()); !errors.Is(err, install.ErrCommand) {
		t.Errorf("it was run: %v", err)
	}
	in.Expand = true
	if c, err = in.ReadConf("dump"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Data(t.Context()); err != nil || got != "/from/command" {
		t.Errorf("%q, %v", got, err)
	}
	if dumps, err := c.Dumps(t.Context()); err != nil || dumps != "/from/command/dumps" {
		t.Errorf("%q, %v", dumps, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Data(ctx); err == nil {
		t.Error("it was run after the end")
	}
}

// An installation is found by what is said, by the environment, or by the
// program on PATH; a home that was named brings its own configuration.
func TestFind(t *testing.T) {
	home, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{home, other} {
		for _, sub := range []string{"bin", "conf", "data"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "bin", "neo4j-admin"), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(home, link); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	environment := func(name string) string {
		return map[string]string{"NEO4J_HOME": other, "NEO4J_CONF": "/elsewhere"}[name]
	}
	t.Setenv("PATH", t.TempDir())
	for name, c := range map[string]struct {
		home   string
		getenv func(string) string
		want   install.Installation
	}{
		"named":       {home, none, install.Installation{Home: home, Conf: filepath.Join(home, "conf")}},
		"a link":      {link, none, install.Installation{Home: home, Conf: filepath.Join(home, "conf")}},
		"named, env":  {home, environment, install.Installation{Home: home, Conf: filepath.Join(home, "conf")}},
		"environment": {"", environment, install.Installation{Home: other, Conf: "/elsewhere"}},
	} {
		got, err := install.Find(c.home, c.getenv)
		if err != nil || got.Home != c.want.Home || got.Conf != c.want.Conf || got.Admin != filepath.Join(c.want.Home, "bin", "neo4j-admin") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := install.Find("", none); !errors.Is(err, install.ErrNoHome) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := install.Find(filepath.Join(home, "nowhere"), none); !errors.Is(err, install.ErrNoHome) {
		t.Errorf("nowhere: %v", err)
	}
	if _, err := install.Find(t.TempDir(), none); !errors.Is(err, install.ErrNoAdmin) {
		t.Errorf("an empty home: %v", err)
	}
	t.Setenv("PATH", filepath.Join(other, "bin"))
	if got, err := install.Find("", none); err != nil || got.Home != other {
		t.Errorf("on PATH: %+v, %v", got, err)
	}
}
