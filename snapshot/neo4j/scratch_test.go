//go:build unix

package neo4j

import (
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// scratchRig is a scratch source over a script that copies a dump and counts
// how often it did.
type scratchRig struct {
	*source
	home, dir string
}

func newScratchRig(t *testing.T, more string) scratchRig {
	t.Helper()
	f := fakeHome{dump: `for arg in "$@"; do case $arg in --to-path=*) cp ` + testdataPath(t) +
		` "${arg#--to-path=}/neo4j.dump";; esac; done; echo run >>"$NEO4J_HOME/runs"` + "\n" + more}
	home, dir := f.write(t), t.TempDir()
	return scratchRig{openSource(t, home, "&scratch="+url.QueryEscape(dir), Options{}), home, dir}
}

func (r scratchRig) capture(t *testing.T) *scratchCapture {
	t.Helper()
	c, err := r.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.(*scratchCapture)
}

func (r scratchRig) runs(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.home, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "run")
}

func (r scratchRig) wantEmpty(t *testing.T) {
	t.Helper()
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func closeCapture(t *testing.T, c snapshot.Capture) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestScratchResumes(t *testing.T) {
	rig := newScratchRig(t, "")
	first := rig.capture(t)
	closeCapture(t, first)
	second := rig.capture(t)
	if rig.runs(t) != 1 || second.Info().Fingerprint != first.Info().Fingerprint || !second.Info().Resumable {
		t.Errorf("%d dumps were made, want 1 that is resumed", rig.runs(t))
	}
	want, err := os.ReadFile("artifact/testdata/neo4j-5.26.31.dump")
	if err != nil {
		t.Fatal(err)
	}
	image := second.Images()[0]
	got, err := io.ReadAll(io.NewSectionReader(image.Data, 0, image.Size))
	if err != nil || string(got) != string(want) {
		t.Errorf("read %d bytes, %v; want those of the dump", len(got), err)
	}
	if err := second.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeCapture(t, second)
	rig.wantEmpty(t)
}

// Each change makes the finished dump one that must not be offered again.
func TestScratchDumpsAgain(t *testing.T) {
	touch := func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }
	for name, change := range map[string]func(r scratchRig, folder *scratch) error{
		"store touched": func(r scratchRig, _ *scratch) error {
			return touch(filepath.Join(r.home, "data/databases/neo4j/neostore"))
		},
		"transaction added": func(r scratchRig, _ *scratch) error {
			return os.WriteFile(filepath.Join(r.home, "data/transactions/neo4j/neostore.transaction.db.1"), []byte("1"), 0o600)
		},
		"store file gone": func(r scratchRig, _ *scratch) error {
			return os.Remove(filepath.Join(r.home, "data/databases/neo4j/neostore"))
		},
		"dump touched":         func(_ scratchRig, f *scratch) error { return touch(f.dump) },
		"dump cut":             func(_ scratchRig, f *scratch) error { return os.Truncate(f.dump, 100) },
		"dump gone":            func(_ scratchRig, f *scratch) error { return os.Remove(f.dump) },
		"marker gone":          func(_ scratchRig, f *scratch) error { return os.Remove(f.marker()) },
		"marker cut":           func(_ scratchRig, f *scratch) error { return os.Truncate(f.marker(), 40) },
		"marker of the future": func(_ scratchRig, f *scratch) error { return os.WriteFile(f.marker(), []byte(`{"version":2}`), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			rig := newScratchRig(t, "")
			first := rig.capture(t)
			closeCapture(t, first)
			if err := change(rig, first.folder); err != nil {
				t.Fatal(err)
			}
			second := rig.capture(t)
			if rig.runs(t) != 2 {
				t.Errorf("%d dumps were made, want 2", rig.runs(t))
			}
			if err := second.Check(t.Context()); err != nil {
				t.Error(err)
			}
			closeCapture(t, second)
			rig.wantEmpty(t)
		})
	}
}

func TestScratchNotResumable(t *testing.T) {
	for name, rig := range map[string]scratchRig{
		"the store changes beside the dump": newScratchRig(t, `echo x >>"$NEO4J_HOME/data/databases/neo4j/neostore"`),
		"the store's place is a command":    newScratchRig(t, ""),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "command") {
				conf := filepath.Join(rig.home, "conf", "neo4j-admin.conf")
				if err := os.WriteFile(conf, []byte("server.directories.data=$(where)\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			first := rig.capture(t)
			closeCapture(t, first)
			rig.wantEmpty(t)
			second := rig.capture(t)
			closeCapture(t, second)
			if first.Info().Resumable || first.Info().Fingerprint == second.Info().Fingerprint {
				t.Error("it claims to be resumable")
			}
		})
	}
}

func TestScratchChecksTheFile(t *testing.T) {
	rig := newScratchRig(t, "")
	c := rig.capture(t)
	if err := os.Truncate(c.folder.dump, 100); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); !errors.Is(err, snapshot.ErrChanged) {
		t.Errorf("%v, want %v", err, snapshot.ErrChanged)
	}
	closeCapture(t, c)
}

func TestScratchRefusesABadDump(t *testing.T) {
	rig := newScratchRig(t, `: >"${4#--to-path=}/neo4j.dump"; exit 0`)
	if _, err := rig.Capture(t.Context()); !errors.Is(err, artifact.ErrBad) {
		t.Errorf("%v, want %v", err, artifact.ErrBad)
	}
	rig.wantEmpty(t)
}

func TestScratchRefusesFoldersOfOthers(t *testing.T) {
	rig := newScratchRig(t, "")
	closeCapture(t, rig.capture(t)) // leaves the folder
	entries, err := os.ReadDir(rig.dir)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	ours := filepath.Join(rig.dir, entries[0].Name())
	if err := os.Chmod(ours, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := rig.Capture(t.Context()); !errors.Is(err, snapshot.ErrUnsafe) {
		t.Errorf("a folder that all may write to: %v", err)
	}
	if err := errors.Join(os.RemoveAll(ours), os.Symlink(t.TempDir(), ours)); err != nil {
		t.Fatal(err)
	}
	if _, err := rig.Capture(t.Context()); !errors.Is(err, snapshot.ErrUnsafe) {
		t.Errorf("a symlink: %v", err)
	}
	rig.scratch = filepath.Join(rig.dir, "nowhere")
	if _, err := rig.Capture(t.Context()); !errors.Is(err, snapshot.ErrUsage) {
		t.Errorf("no scratch folder: %v", err)
	}
}

func TestLocateStore(t *testing.T) {
	home, elsewhere := fakeHome{}.write(t), t.TempDir()
	for _, dir := range []string{"databases/neo4j", "logs/neo4j", "transactions/neo4j"} {
		if err := os.MkdirAll(filepath.Join(elsewhere, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in := func(base string, names ...string) string { return filepath.Join(append([]string{base}, names...)...) }
	for name, c := range map[string]struct {
		conf string
		want store
	}{
		"defaults":      {"# nothing\n", store{in(home, "data/databases/neo4j"), in(home, "data/transactions/neo4j")}},
		"data moved":    {" server.directories.data = " + elsewhere + " \n", store{in(elsewhere, "databases/neo4j"), in(elsewhere, "transactions/neo4j")}},
		"both moved":    {"server.directories.data=" + elsewhere + "\nserver.directories.transaction.logs.root=logs\n", store{in(elsewhere, "databases/neo4j"), in(elsewhere, "logs/neo4j")}},
		"the last wins": {"server.directories.data=/nowhere\nserver.directories.data=data\n", store{in(home, "data/databases/neo4j"), in(home, "data/transactions/neo4j")}},
		"not there":     {"server.directories.data=/nowhere\n", store{}},
		"a command":     {"server.directories.transaction.logs.root=$(echo x)\n", store{}},
		"databases":     {"internal.server.directories.databases.root=/x\n", store{}},
	} {
		if err := os.WriteFile(filepath.Join(home, "conf/neo4j.conf"), []byte(c.conf), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := located(t, home, filepath.Join(home, "conf")); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if got := located(t, home, elsewhere); got != (store{}) {
		t.Errorf("without a configuration: %+v", got)
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add([]byte(`{"version":1,"size":19836,"modified_ns":1,"sha256":"` + strings.Repeat("a", 64) + `","store_state":"x"}`))
	f.Add([]byte(`{"version":1,"size":-1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseMarker(raw)
		if (err == nil) != (m != nil) {
			t.Fatalf("%v with error %v", m, err)
		}
		if m != nil && m.Size <= 0 {
			t.Fatalf("accepted a size of %d", m.Size)
		}
	})
}

// located is where the store of database neo4j is, by that configuration.
func located(t *testing.T, home, conf string) store {
	t.Helper()
	a := &admin{Installation: &install.Installation{Home: home, Conf: conf, Version: install.Version{Major: 5}}, database: "neo4j"}
	return a.locateStore(t.Context())
}
