//go:build linux

package home_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// installation is the installation of a test home, with its version.
func installation(t *testing.T, h *testenv.Neo4jHome) *install.Installation {
	t.Helper()
	in, err := install.Find(h.Home, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	err = in.AskVersion(t.Context(), func(ctx context.Context, args ...string) ([]byte, error) {
		out, _, err := process.Output(ctx, process.Command{Path: in.Admin, Args: args, Env: in.Environ(os.Environ(), ""), Lines: process.NewLines("test", testenv.Log(t), nil)})
		return out, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// A dump is loaded into a home of its own, found consistent, started and asked;
// the files of a server that was killed are recovered by one that nobody can
// connect to. Drills and snapshots do the same with the versions in between.
func TestHomes(t *testing.T) {
	for _, version := range []string{testenv.Neo4j35, testenv.Neo4jLTS} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			live := testenv.Neo4j(t, version)
			in := installation(t, live)
			database := in.Version.DefaultDatabase()
			live.Start()
			live.Query("UNWIND range(1, 1000) AS i CREATE (:Person {id: i})")
			testUnsafe(t, in, database, true)
			live.Kill()
			copied := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(copied, os.DirFS(filepath.Join(live.Home, "data"))); err != nil {
				t.Fatal(err)
			}
			testRecover(t, in, database, copied)
			live.Start()
			live.Stop()
			testUnsafe(t, in, database, false)
			dumps := t.TempDir()
			if out, err := live.Run(in.Version.DumpTo(database, dumps)...); err != nil {
				t.Fatalf("dump: %v\n%s", err, out)
			}
			live.Start()
			testLoad(t, live, in, dumps)
		})
	}
}

func testLoad(t *testing.T, live *testenv.Neo4jHome, in *install.Installation, dumps string) {
	database := in.Version.DefaultDatabase()
	h := newHome(t, home.Options{Live: in, Database: database, Connect: true})
	if err := h.Load(t.Context(), dumps); err != nil {
		t.Fatal(err)
	}
	info, err := h.Info(t.Context())
	if err != nil || info.InUse || info.RecoveryRequired || in.Version.Major > 3 && info.LastTransaction == "" {
		t.Errorf("info: %+v, %v", info, err)
	}
	if err := h.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	testPortTaken(t, h, live)
	s, err := h.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Kill(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	addressed := in.Version.Addressed(database)
	// 3.5 lets a question write; it is rolled back there.
	if _, err := s.Read(t.Context(), addressed, "CREATE (p:Person) RETURN p", nil); err == nil && in.Version.Major > 3 {
		t.Error("a question wrote")
	}
	rows, err := s.Read(t.Context(), addressed, "MATCH (p:Person) RETURN count(p)", nil)
	if err != nil || len(rows) != 1 || rows[0][0] != int64(1000) {
		t.Errorf("%v, %v", rows, err)
	}
	for _, question := range []string{in.Version.Graph(), in.Version.Indexes(), in.Version.Constraints(), in.Version.AwaitIndexes()} {
		if _, err := s.Read(t.Context(), addressed, question, nil); err != nil {
			t.Errorf("%s: %v", question, err)
		}
	}
}

// A port that was taken since it was chosen is replaced, whether somebody is
// silent there, or a server that has another folder.
func testPortTaken(t *testing.T, h *home.Home, other *testenv.Neo4jHome) {
	t.Helper()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for name, taken := range map[string]string{"silent": mute.Addr().String(), "server": fmt.Sprintf("127.0.0.1:%d", other.BoltPort)} {
		if err := h.MoveTo(taken); err != nil {
			t.Fatal(err)
		}
		s, err := h.Start(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h.Address() == taken {
			t.Errorf("%s: the server is at %s", name, taken)
		}
		if err := s.Kill(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func testRecover(t *testing.T, in *install.Installation, database, data string) {
	h := newHome(t, home.Options{Live: in, Database: database, Data: data})
	if info, err := h.Info(t.Context()); err != nil || in.Version.Major > 3 && !info.RecoveryRequired {
		t.Errorf("before: %+v, %v", info, err)
	}
	info, err := h.Recover(t.Context())
	if err != nil || info.RecoveryRequired {
		t.Fatalf("recover: %+v, %v", info, err)
	}
	if err := h.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

// A home never opens what the live server has, whatever the way there.
func testUnsafe(t *testing.T, in *install.Installation, database string, running bool) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(in.Home, "data"), link); err != nil {
		t.Fatal(err)
	}
	pieces := filepath.Join(t.TempDir(), "pieces")
	if err := os.MkdirAll(filepath.Join(pieces, "databases"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(in.Home, "data", "databases", database), filepath.Join(pieces, "databases", database)); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{filepath.Join(in.Home, "data"), link, filepath.Join(link, "databases"), in.Home, pieces} {
		dir := filepath.Join(t.TempDir(), "home")
		_, err := home.Make(t.Context(), home.Options{Live: in, Dir: dir, Database: database, Data: data})
		if !errors.Is(err, snapshot.ErrUnsafe) {
			t.Errorf("%s: %v", data, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something is left: %v", data, err)
		}
	}
	if pid, found, err := in.Running(t.Context()); err != nil || found != running || (pid > 0) != running {
		t.Errorf("running: %d, %t, %v, want %t", pid, found, err, running)
	}
}

func newHome(t *testing.T, o home.Options) *home.Home {
	t.Helper()
	o.Dir, o.Memory, o.Log = filepath.Join(t.TempDir(), "home"), home.LeastMemory, testenv.Log(t)
	h, err := home.Make(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(o.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the home is open to others: %v, %v", info, err)
	}
	t.Cleanup(func() {
		if err := h.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(o.Dir); !strings.Contains(err.Error(), "no such file") {
			t.Errorf("the home is left: %v", err)
		}
	})
	return h
}
