//go:build linux

package neo4j

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// The neo4j-admin and the server of these tests are stand-ins: see
// testdata/neo4j-admin.

// copies is a vault, as far as a source sees it.
type copies struct {
	*testing.T
	server *testenv.Enterprise
	dir    string
	later  time.Duration // of the clock
	log    logBuffer
	links  []snapshot.Link
	data   [][]byte
}

func newCopies(t *testing.T, version string) *copies {
	return &copies{T: t, server: testenv.NewEnterprise(t, version), dir: t.TempDir()}
}

func (v *copies) open(database, parameters string) *onlineSource {
	v.Helper()
	u, err := url.Parse(OnlineScheme + "://" + v.server.Address + "/" + database + "?home=" + url.QueryEscape(v.server.Home) + parameters)
	if err != nil {
		v.Fatal(err)
	}
	s, err := Open(u, Options{Log: newTextLog(&v.log), Now: v.now})
	if err != nil {
		v.Fatal(err)
	}
	return s.(*onlineSource)
}

func (v *copies) now() time.Time { return time.Now().Add(v.later) }

func (v *copies) inScratch() string { return "&scratch=" + url.QueryEscape(v.dir) }
func (v *copies) inChain() string   { return "&chain_dir=" + url.QueryEscape(v.dir) }

// capture captures, reads, and ships into the vault unless it is to break off.
func (v *copies) capture(s *onlineSource, ship bool) (snapshot.Info, error) {
	v.Helper()
	s.Extend(slices.Clone(v.links), nil, func(_ context.Context, i int, w io.Writer) error {
		_, err := w.Write(v.data[i])
		return err
	})
	c, err := s.Capture(v.Context())
	if err != nil {
		return snapshot.Info{}, err
	}
	image := c.Images()[0]
	data, err := io.ReadAll(io.NewSectionReader(image.Data, 0, image.Size))
	if err != nil {
		v.Fatal(err)
	}
	if _, err := artifact.Verify(bytes.NewReader(data)); err != nil {
		v.Error(err)
	}
	if !ship {
		return c.Info(), c.Close()
	}
	if err := c.Check(v.Context()); err != nil {
		v.Error(err)
	}
	info := c.Info()
	if info.Parent == "" {
		v.links, v.data = nil, nil
	}
	v.links = append(v.links, snapshot.Link{Fingerprint: hex.EncodeToString(info.Fingerprint[:8]), Title: image.Name, Time: v.now()})
	v.data = append(v.data, data)
	return info, c.Close()
}

func (v *copies) must(info snapshot.Info, err error) snapshot.Info {
	v.Helper()
	if err != nil {
		v.Fatalf("%v\n%s", err, v.log.String())
	}
	return info
}

// left are the files below our folder.
func (v *copies) left() (names []string) {
	v.Helper()
	err := filepath.WalkDir(v.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		v.Fatal(err)
	}
	return names
}

func TestOnlineFull(t *testing.T) {
	for _, version := range []string{"5.20.0", "5.26.31", "2026.09.0"} {
		t.Run(version, func(t *testing.T) {
			v := newCopies(t, version)
			for _, database := range []string{"neo4j", "system"} {
				s := v.open(database, v.inScratch()+"&memory=1024&include_metadata=all")
				s.options.TempDir = t.TempDir()
				info := v.must(v.capture(s, true))
				host, _, _ := net.SplitHostPort(v.server.Address)
				want := snapshot.Identity{Type: "neo4j", Host: host, Path: v.server.Address, ID: database}
				if info.Identity != want || info.Parent != "" || !info.Resumable || info.Facts["artifact"] != "full" || info.Facts["neo4j"] != version {
					t.Errorf("%+v", info)
				}
				if left := v.left(); len(left) != 0 {
					t.Errorf("left: %q", left)
				}
			}
		})
	}
}

// A differential builds on what the vaults have, wherever the files are.
func TestOnlineChain(t *testing.T) {
	v := newCopies(t, "2026.09.0")
	full := v.must(v.capture(v.open("neo4j", v.inChain()), true))
	v.server.Commit("neo4j", 5)
	next := func(what, transactions string, parent bool) snapshot.Info {
		t.Helper()
		before := len(v.links)
		info := v.must(v.capture(v.open("neo4j", v.inChain()), true))
		if info.Facts["transactions"] != transactions || (info.Parent != "") != parent || parent && info.Parent != v.links[before-1].Fingerprint {
			t.Errorf("%s: %+v", what, info)
		}
		if all, err := filepath.Glob(filepath.Join(v.dir, "*", "backups", "*.backup")); err != nil || len(all) != len(v.links) {
			t.Errorf("%s: %q, want %d", what, all, len(v.links))
		}
		return info
	}
	first := next("the first", "101-105", true)
	if first.Parent != hex.EncodeToString(full.Fingerprint[:8]) {
		t.Errorf("it builds on %s", first.Parent)
	}
	next("nothing has changed", "0-0", true)
	if !strings.Contains(v.log.String(), "nothing has changed") {
		t.Error("nobody says that nothing has changed")
	}
	v.server.Commit("neo4j", 5)
	next("behind an empty one", "106-110", true)

	// The folder is lost, in part and as a whole.
	all, err := filepath.Glob(filepath.Join(v.dir, "*", "backups", "*.backup"))
	if err != nil || os.Remove(all[0]) != nil {
		t.Fatal(err)
	}
	v.server.Commit("neo4j", 5)
	next("a part is lost", "111-115", true)
	ours, err := filepath.Glob(filepath.Join(v.dir, "snapferry-*"))
	if err != nil || os.RemoveAll(ours[0]) != nil {
		t.Fatal(err)
	}
	v.server.Commit("neo4j", 5)
	next("all is lost", "116-120", true)
	if err := os.RemoveAll(ours[0]); err != nil {
		t.Fatal(err)
	}
	v.data[0] = []byte("of another vault")
	next("what is fetched is wrong", "1-120", false)
	if len(v.links) != 1 || !strings.Contains(v.log.String(), "the backup will be full") {
		t.Errorf("%+v", v.links)
	}
	// What lies here is not what it was, and looks as if it were.
	v.server.Commit("neo4j", 1)
	all, err = filepath.Glob(filepath.Join(v.dir, "*", "backups", "*.backup"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	info, err := os.Stat(all[0])
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(all[0], make([]byte, info.Size()), 0o600), os.Chtimes(all[0], time.Time{}, info.ModTime()))
	if err != nil {
		t.Fatal(err)
	}
	next("a damaged chain", "1-121", false)
	// The logs of the server do not reach back any more.
	v.server.Change("neo4j", func(db *testenv.EnterpriseDatabase) { db.Highest, db.Oldest = 200, 190 })
	if info := next("the logs are pruned", "1-200", false); info.Facts["fallback"] == "" || !strings.Contains(v.log.String(), "made a full backup") {
		t.Errorf("%+v", info)
	}
	// The database is another one of the same name.
	v.server.Change("neo4j", func(db *testenv.EnterpriseDatabase) { db.ID = strings.Repeat("0a", 16) })
	next("dropped and made anew", "1-200", false)
	v.server.Commit("neo4j", 1)
	next("and on", "201-201", true)
	v.later = 8 * 24 * time.Hour
	if info := v.must(v.capture(v.open("neo4j", v.inChain()+"&full_every=7d"), true)); info.Parent != "" {
		t.Errorf("full_every: %+v", info)
	}
	v.server.Commit("neo4j", 1)
	if info := v.must(v.capture(v.open("neo4j", v.inChain()+"&type=full"), true)); info.Parent != "" {
		t.Errorf("type=full: %+v", info)
	}
	v.links = nil
	_, err = v.capture(v.open("neo4j", v.inChain()+"&type=diff"), true)
	wantHint(t, err, ErrFullIsDue, "type=auto")
}

// Aggregated backups are full, and no vault needs the chain that they are made of.
func TestOnlineAggregate(t *testing.T) {
	for _, version := range []string{"5.20.0", "5.26.31", "2026.09.0"} {
		v := newCopies(t, version)
		v.must(v.capture(v.open("neo4j", v.inChain()+"&aggregate=yes"), true))
		for i := range 3 {
			v.links, v.data = nil, nil
			v.server.Commit("neo4j", 5)
			info := v.must(v.capture(v.open("neo4j", v.inChain()+"&aggregate=yes"), true))
			if info.Parent != "" || info.Facts["artifact"] != "full" || !strings.HasPrefix(info.Facts["aggregated"], "with a differential") ||
				info.Facts["transactions"] != "1-"+strconv.Itoa(105+5*i) {
				t.Errorf("%s: %+v", version, info)
			}
			if all, err := filepath.Glob(filepath.Join(v.dir, "*", "backups", "*.backup")); err != nil || len(all) != 1 {
				t.Errorf("%s: %q, %v", version, all, err)
			}
		}
		// One that was not shipped is, by the next run.
		v.server.Commit("neo4j", 5)
		begun := v.must(v.capture(v.open("neo4j", v.inChain()+"&aggregate=yes"), false))
		if again := v.must(v.capture(v.open("neo4j", v.inChain()+"&aggregate=yes"), true)); again.Fingerprint != begun.Fingerprint {
			t.Errorf("%s: %+v", version, again)
		}
	}
}

// What was made and not shipped is shipped by the next run, and is not built upon
// if that comes too late.
func TestOnlineResumes(t *testing.T) {
	v := newCopies(t, "5.26.31")
	v.must(v.capture(v.open("neo4j", v.inChain()), true))
	v.server.Commit("neo4j", 5)
	begun := v.must(v.capture(v.open("neo4j", v.inChain()), false))
	v.server.Commit("neo4j", 5)
	if again := v.must(v.capture(v.open("neo4j", v.inChain()), false)); again.Fingerprint != begun.Fingerprint || again.Parent != begun.Parent {
		t.Errorf("%+v, then %+v", begun, again)
	}
	v.later = 13 * time.Hour
	if info := v.must(v.capture(v.open("neo4j", v.inChain()), true)); info.Facts["transactions"] != "101-110" || info.Parent != begun.Parent {
		t.Errorf("%+v", info)
	}
	if pending, err := filepath.Glob(filepath.Join(v.dir, "*", pendingName)); err != nil || len(pending) != 0 {
		t.Errorf("%q, %v", pending, err)
	}
	// Nor is it shipped if the vaults do not have what it builds on any more.
	v.server.Commit("neo4j", 5)
	if begun := v.must(v.capture(v.open("neo4j", v.inChain()), false)); begun.Parent == "" {
		t.Errorf("%+v", begun)
	}
	v.links, v.data = nil, nil
	if info := v.must(v.capture(v.open("neo4j", v.inChain()), true)); info.Parent != "" || info.Facts["transactions"] != "1-115" {
		t.Errorf("%+v", info)
	}
}

func TestOnlineFaults(t *testing.T) {
	v := newCopies(t, "5.26.31")
	fault := func(name string) {
		v.server.Change("neo4j", func(db *testenv.EnterpriseDatabase) { db.Fault = name })
	}
	for name, c := range map[string]struct {
		want error
		hint string
	}{
		"silent":         {ErrNoArtifact, "have this database"},
		"cut":            {artifact.ErrBad, ""},
		"other database": {artifact.ErrBad, ""},
		"killed":         {nil, "by hand"},
	} {
		fault(name)
		_, err := v.capture(v.open("neo4j", v.inScratch()), true)
		if c.want == nil {
			c.want = err
		}
		if err == nil || !errors.Is(err, c.want) || !strings.Contains(hintOf(err), c.hint) {
			t.Errorf("%s: %v, hint %q", name, err, hintOf(err))
		}
		if left := v.left(); len(left) != 0 {
			t.Errorf("%s: left: %q", name, left)
		}
	}
	fault("flood")
	v.must(v.capture(v.open("neo4j", v.inScratch()), true))
	// It fails, and the backup is whole: it counts, and is no full success.
	fault("unhappy")
	if info, err := v.capture(v.open("neo4j", v.inScratch()), true); !errors.Is(err, ErrProblems) || !strings.Contains(err.Error(), "did not answer") || info.Fingerprint == [32]byte{} {
		t.Errorf("%+v, %v", info, err)
	}
	fault("")
	_, err := v.capture(v.open("missing", v.inScratch()), true)
	if err == nil || !strings.Contains(err.Error(), "does not exist") || hintOf(err) == "" {
		t.Errorf("a database that is not there: %v, hint %q", err, hintOf(err))
	}
	fault("gap")
	v.links, v.data = nil, nil
	v.must(v.capture(v.open("neo4j", v.inChain()), true))
	v.server.Commit("neo4j", 2)
	if _, err := v.capture(v.open("neo4j", v.inChain()), true); !errors.Is(err, artifact.ErrBad) || !strings.Contains(err.Error(), "the chain ends with 100") {
		t.Errorf("a gap: %v", err)
	}
	fault("hang")
	s := v.open("neo4j", v.inScratch())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		await(t, func() bool { return len(processesOf(t, v.server.Home)) >= 2 })
	}()
	if _, err := s.Capture(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left := processesOf(t, v.server.Home); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
}

// processesOf are those that run the programs of a home.
func processesOf(t *testing.T, home string) (paths []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if program, err := os.Readlink(path); err == nil && strings.HasPrefix(program, home) {
			paths = append(paths, path)
		}
	}
	return paths
}

func TestOnlineServers(t *testing.T) {
	v := newCopies(t, "5.26.31")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// One of two servers is down: the other one is asked, and that is told.
	s := v.open("neo4j", v.inScratch()+"&also="+url.QueryEscape(down))
	s.online.from = []string{down, v.server.Address}
	if info, err := v.capture(s, true); !errors.Is(err, ErrProblems) || info.Facts["artifact"] != "full" {
		t.Errorf("one is down: %+v, %v", info, err)
	}
	s.online.from = []string{down}
	_, err = v.capture(s, true)
	wantHint(t, err, ErrUnreachable, "server.backup.enabled")
	// That of Community has no such command.
	community := testenv.Neo4j(t, testenv.Neo4jLTS)
	u, err := url.Parse(OnlineScheme + "://" + v.server.Address + "/neo4j?home=" + url.QueryEscape(community.Home) + v.inScratch())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(u, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Capture(t.Context()); err == nil || !strings.Contains(hintOf(err), "Enterprise edition") {
		t.Errorf("Community: %v, hint %q", err, hintOf(err))
	}
	// A server is asked which databases it has.
	community.Start()
	s = v.open("neo4j", v.inScratch())
	s.online.bolt, s.admin.Version = net.JoinHostPort("127.0.0.1", strconv.Itoa(community.BoltPort)), install.Version{Major: 5, Minor: 26}
	names, err := s.servedDatabases(t.Context())
	if err != nil || !slices.Equal(names, []string{"neo4j", install.System}) {
		t.Errorf("%q, %v", names, err)
	}
	examined := func(more string, options Options) map[string]string {
		t.Helper()
		u, err := url.Parse(OnlineScheme + "://" + v.server.Address + "/neo4j?home=" + url.QueryEscape(v.server.Home) + v.inChain() + more)
		if err != nil {
			t.Fatal(err)
		}
		findings, err := Examine(t.Context(), u, options)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range findings {
			if got[f.Name] = f.Detail; f.Bad || f.Doubt {
				got[f.Name] = "not good: " + f.Detail
			}
		}
		return got
	}
	at := "&bolt=127.0.0.1:" + strconv.Itoa(community.BoltPort)
	got := examined(at, Options{User: "neo4j", Password: "any", Now: time.Now})
	if got["logs"] != "transaction logs are kept for: 2 days" || got["clock"] != "that of the server differs by 0s" || got["server"] != v.server.Address+" listens" || got["scratch"] == "" {
		t.Errorf("%q", got)
	}
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	if got := examined(at, Options{User: "neo4j", Password: "any", Now: ahead}); got["clock"] != "not good: that of the server differs by 1h0m0s" {
		t.Errorf("%q", got)
	}
	if got := examined("&bolt="+down, Options{User: "neo4j", Password: "any", Now: time.Now}); !strings.HasPrefix(got["answer"], "not good") {
		t.Errorf("%q", got)
	}
	if got := examined("&also="+down, Options{}); !strings.HasPrefix(got["server"], "not good") || got["answer"] != "" {
		t.Errorf("%q", got)
	}
	s.online.bolt = down
	_, err = s.servedDatabases(t.Context())
	wantHint(t, err, err, "NEO4J_PASSWORD")
}

func TestFollows(t *testing.T) {
	member := func(id string, lowest, highest int64) artifact.Member {
		return artifact.Member{Header: artifact.Header{Backup: &artifact.Backup{DatabaseID: id, Lowest: lowest, Highest: highest}}}
	}
	full, diff, empty := member("a", 1, 10), member("a", 11, 20), member("a", 0, 0)
	for name, c := range map[string]struct {
		chain []artifact.Member
		next  artifact.Member
		good  bool
	}{
		"next":                {[]artifact.Member{full}, diff, true},
		"overlaps the full":   {[]artifact.Member{full}, member("a", 5, 20), true},
		"within the full":     {[]artifact.Member{full}, member("a", 5, 9), false},
		"overlaps later":      {[]artifact.Member{full, diff}, member("a", 15, 30), false},
		"empty":               {[]artifact.Member{full, diff}, empty, true},
		"behind an empty one": {[]artifact.Member{full, empty}, diff, true},
		"gap":                 {[]artifact.Member{full}, member("a", 12, 20), false},
		"another database":    {[]artifact.Member{full}, member("b", 11, 20), false},
	} {
		if err := artifact.Follows(c.chain, c.next); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseArtifactMark(f *testing.F) {
	f.Add([]byte(`{"version":2,"file":"a.backup","size":1,"sha256":"` + strings.Repeat("a", 64) + `","facts":{}}`))
	f.Add([]byte(`{"version":2,"file":"../a.backup"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseArtifactMark(raw)
		if err == nil && (!isArtifactName(m.File) || filepath.Base(m.File) != m.File) {
			t.Errorf("%q", m.File)
		}
	})
}

// Before 5 a backup is a folder, which is shipped as one tar.
func TestOnlineFolder(t *testing.T) {
	for version, database := range map[string]string{"3.5.35": "graph.db", "4.4.44": "neo4j"} {
		v := newCopies(t, version)
		v.server.Change(database, func(db *testenv.EnterpriseDatabase) { db.Missing, db.Content = false, "a store" })
		for _, where := range []string{v.inScratch(), v.inChain(), v.inChain()} {
			v.server.Commit(database, 1)
			c, err := v.open(database, where).Capture(t.Context())
			if err != nil {
				t.Fatalf("%s: %v\n%s", version, err, v.log.String())
			}
			image := c.Images()[0]
			data, err := io.ReadAll(io.NewSectionReader(image.Data, 0, image.Size))
			if err != nil || image.Form != snapshot.FormTar || image.Name != database+".tar" || !bytes.Contains(data, []byte("a store")) {
				t.Errorf("%s: %s %s, %v", version, image.Form, image.Name, err)
			}
			if info := c.Info(); info.Resumable || info.Parent != "" || info.Identity.ID != database || info.Facts["artifact"] != "folder" {
				t.Errorf("%s: %+v", version, info)
			}
			if err := errors.Join(c.Check(t.Context()), c.Close()); err != nil {
				t.Error(err)
			}
			if left := v.left(); (len(left) == 0) != (where == v.inScratch()) {
				t.Errorf("%s: left: %q", version, left)
			}
		}
		v.server.Change(database, func(db *testenv.EnterpriseDatabase) { db.Fault = "unhappy" })
		if _, err := v.open(database, v.inScratch()).Capture(t.Context()); err == nil || !strings.Contains(err.Error(), "Inconsistencies found") {
			t.Errorf("%s: %v", version, err)
		}
		_, err := v.open(database, v.inChain()+"&type=diff").Capture(t.Context())
		wantHint(t, err, snapshot.ErrUsage, "Leave out type")
		if version == "3.5.35" {
			_, err := v.open(database, v.inChain()+"&include_metadata=all").Capture(t.Context())
			wantHint(t, err, snapshot.ErrUsage, "Leave it out")
		}
	}
}
