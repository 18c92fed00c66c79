//go:build linux

package drill_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact/artifacttest"
	"github.com/snapferry/snapferry/snapshot/neo4j/drill"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// rig is a dump of a real server, and what is in it.
type rig struct {
	*testing.T
	in       *install.Installation
	database string
	dump     []byte
	last     string // its last transaction, where the version tells
}

func newRig(t *testing.T, version string) *rig {
	t.Helper()
	live := testenv.Neo4j(t, version)
	in, err := install.Find(live.Home, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if in.Version, err = install.ParseVersion(version); err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, in: in, database: in.Version.DefaultDatabase()}
	live.Start()
	live.Query("UNWIND range(1, 500) AS i CREATE (p:Person {id: i})-[:KNOWS]->(:Friend)")
	if in.Version.Major < 5 {
		live.Query("CREATE CONSTRAINT ON (p:Person) ASSERT p.id IS UNIQUE")
	} else {
		live.Query("CREATE CONSTRAINT person FOR (p:Person) REQUIRE p.id IS UNIQUE")
	}
	live.Stop()
	dir := t.TempDir()
	if out, err := live.Run(in.Version.DumpTo(r.database, dir)...); err != nil {
		t.Fatalf("dump: %v\n%s", err, out)
	}
	if r.dump, err = os.ReadFile(filepath.Join(dir, r.database+".dump")); err != nil {
		t.Fatal(err)
	}
	if in.Version.Major > 3 {
		conf, err := in.ReadConf("")
		if err != nil {
			t.Fatal(err)
		}
		at, err := conf.Store(t.Context(), r.database)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := process.Output(t.Context(), process.Command{Path: in.Admin, Args: in.Version.Info(r.database, at.Data),
			Env: in.Environ(os.Environ(), ""), Lines: process.NewLines("test", testenv.Log(t), nil)})
		if err != nil {
			t.Fatal(err)
		}
		info, err := in.Version.ParseInfo(out)
		if err != nil {
			t.Fatal(err)
		}
		r.last = info.LastTransaction
	}
	return r
}

func (r *rig) request(dump []byte) drill.Request {
	r.Helper()
	dir := r.TempDir()
	if err := os.WriteFile(filepath.Join(dir, r.database+".dump"), dump, 0o600); err != nil {
		r.Fatal(err)
	}
	return drill.Request{Live: r.in, Dir: dir, Database: r.database, Memory: home.LeastMemory, Now: time.Now, Log: testenv.Log(r.T),
		Facts: map[string]string{drill.FactVersion: r.in.Version.Text, install.FactTransaction: r.last}}
}

// run holds a drill, of which nothing may be left.
func (r *rig) run(req drill.Request) (*drill.Result, error) {
	r.Helper()
	result, err := drill.Run(r.Context(), req)
	entries, readErr := os.ReadDir(req.Dir)
	if readErr != nil || len(entries) != 1 {
		r.Errorf("left behind: %v, %v", entries, readErr)
	}
	return result, err
}

func TestDrill(t *testing.T) {
	for _, version := range testenv.SampleNeo4jVersions(testenv.Neo4j35) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, version)
			good := testGood(r)
			if version != testenv.Neo4jLTS {
				return
			}
			testBackup(r)
			testWrongAnswers(r, good)
			testBadDumps(r)
			testOtherVersions(r)
		})
	}
}

// A full backup of the Enterprise edition is drilled with the Community edition.
func testBackup(r *rig) {
	b := artifacttest.Backup{Database: r.database, ID: strings.Repeat("0a", 16), Time: time.Now(), Lowest: 1, Highest: 9, Full: true, Recovered: true}
	var out bytes.Buffer
	if err := b.WriteDump(&out, bytes.NewReader(r.dump)); err != nil {
		r.Fatal(err)
	}
	dir := r.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.backup"), out.Bytes(), 0o600); err != nil {
		r.Fatal(err)
	}
	req := r.request(r.dump)
	req.Dir, req.Checks = dir, []drill.Check{{"MATCH (p:Person) RETURN count(p)", "500"}}
	if result, err := r.run(req); err != nil || !result.Good() {
		r.Errorf("%+v, %v", result, err)
	}
	// Community has no command for chains.
	req.Last = "x.backup"
	if result, err := r.run(req); err == nil || result.Good() {
		r.Errorf("%+v", result)
	}
}

func testGood(r *rig) *drill.Graph {
	req := r.request(r.dump)
	req.Checks = []drill.Check{{"MATCH (p:Person) RETURN count(p)", "500"}, {"MATCH (p:Person) RETURN max(p.id)", ">= 500"}, {"RETURN 'x'", "x"}}
	result, err := r.run(req)
	if err != nil || !result.Good() {
		r.Fatalf("%+v, %v", result, err)
	}
	want := &drill.Graph{Nodes: 1000, Relationships: 500, Labels: map[string]int64{"Person": 500, "Friend": 500}, Types: map[string]int64{"KNOWS": 500}}
	got := *result.Graph
	if len(got.Constraints) != 1 || len(got.Indexes) == 0 || len(result.Warnings) != 0 {
		r.Errorf("%+v, warnings %q", got, result.Warnings)
	}
	got.Constraints, got.Indexes = nil, nil
	if !reflect.DeepEqual(&got, want) {
		r.Errorf("got %+v, want %+v", got, want)
	}
	for i, name := range []string{drill.StepLoad, drill.StepCheck, drill.StepStart, drill.StepCompare, drill.StepAsk} {
		if i >= len(result.Steps) || result.Steps[i].Name != name {
			r.Fatalf("steps: %+v", result.Steps)
		}
	}
	if len(result.Answers) != 3 || result.Answers[0].Got != "500" {
		r.Errorf("answers: %+v", result.Answers)
	}
	return result.Graph
}

// What a backup does not hold, or holds in another way, fails its drill.
func testWrongAnswers(r *rig, good *drill.Graph) {
	other := *good
	other.Labels = map[string]int64{"Person": 499, "Friend": 500}
	for name, c := range map[string]struct {
		change func(*drill.Request)
		step   string
		words  string
	}{
		"count":       {func(q *drill.Request) { q.Checks = []drill.Check{{"MATCH (n) RETURN count(n)", "> 1000"}} }, drill.StepAsk, "1 of 1"},
		"syntax":      {func(q *drill.Request) { q.Checks = []drill.Check{{"MATCH (n RETURN n", "1"}} }, drill.StepAsk, "1 of 1"},
		"writes":      {func(q *drill.Request) { q.Checks = []drill.Check{{"CREATE (n) RETURN 1", "1"}} }, drill.StepAsk, "1 of 1"},
		"rows":        {func(q *drill.Request) { q.Checks = []drill.Check{{"MATCH (n:Person) RETURN n.id", "1"}} }, drill.StepAsk, "1 of 1"},
		"transaction": {func(q *drill.Request) { q.Facts[install.FactTransaction] = "12345" }, drill.StepLoad, "12345"},
		"before":      {func(q *drill.Request) { q.Before = &other }, drill.StepCompare, "nodes with label Person: 500, and 499 before"},
	} {
		r.Run(name, func(t *testing.T) {
			r := &rig{T: t, in: r.in, database: r.database, dump: r.dump, last: r.last}
			req := r.request(r.dump)
			req.Quick = true
			c.change(&req)
			result, err := r.run(req)
			if !errors.Is(err, drill.ErrFailed) || result.Good() || !strings.Contains(err.Error(), c.words) {
				t.Fatalf("%+v, %v", result, err)
			}
			if last := result.Steps[len(result.Steps)-1]; last.Name != c.step || last.Problem == "" {
				t.Errorf("last step: %+v", last)
			}
		})
	}
}

func testBadDumps(r *rig) {
	for name, dump := range map[string][]byte{
		"cut":     r.dump[:len(r.dump)*2/3],
		"no dump": []byte("version https://git-lfs.github.com/spec/v1\n"),
	} {
		result, err := r.run(r.request(dump))
		if !errors.Is(err, drill.ErrFailed) || result.Good() || result.Steps[0].Problem == "" {
			r.Errorf("%s: %+v, %v", name, result, err)
		}
	}
}

// A drill that cannot be held says nothing of the backup.
func testOtherVersions(r *rig) {
	for version, words := range map[string]string{"2026.09.0": "is of Neo4j 2026.09.0", "5.99.0": "5.99.0", "4.4.44": "migrate"} {
		req := r.request(r.dump)
		req.Facts[drill.FactVersion] = version
		if _, err := r.run(req); !errors.Is(err, snapshot.ErrUsage) || errors.Is(err, drill.ErrFailed) || !strings.Contains(err.Error(), words) {
			r.Errorf("%s: %v", version, err)
		}
	}
	req := r.request(r.dump)
	req.Facts[drill.FactVersion] = "5.26.0"
	req.Quick = true
	if result, err := r.run(req); err != nil || len(result.Warnings) != 1 {
		r.Errorf("%+v, %v", result, err)
	}
	req = r.request(r.dump)
	missing := *r.in
	missing.Admin = filepath.Join(req.Dir, "..", "missing")
	req.Live = &missing
	if _, err := r.run(req); err == nil || errors.Is(err, drill.ErrFailed) {
		r.Errorf("without a program: %v", err)
	}
}
