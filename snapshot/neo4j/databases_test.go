//go:build linux

package neo4j

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/swap"
)

const enterprisePassword = "correct horse"

// beAServer is a stand-in for a server of the Enterprise edition.
func beAServer(data, address string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	server := &testenv.EnterpriseServer{Data: data, Password: enterprisePassword, Out: os.Stdout}
	time.AfterFunc(0, func() {
		for { // until it has the locks
			if _, err := os.Stat(filepath.Join(data, "databases", "store_lock")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Println("serving")
	})
	return server.Serve(l, "neo4j", install.System)
}

// enterprise is a real store, real programs that look like those of the
// Enterprise edition, and a server that is a stand-in.
type enterprise struct {
	*testing.T
	home    *testenv.Neo4jHome
	scratch string

	mu    sync.Mutex
	heard []string // commands
}

func newEnterprise(t *testing.T) *enterprise {
	t.Helper()
	e := &enterprise{T: t, home: testenv.Neo4j(t, testenv.Neo4jLTS), scratch: t.TempDir()}
	e.home.Start()
	e.home.Query("UNWIND range(1, 2000) AS i CREATE (:Person {id: i})")
	e.home.Stop()
	lib := filepath.Join(e.home.Home, "lib")
	jars, err := os.ReadDir(lib)
	if err != nil {
		t.Fatal(err)
	}
	jarsAt, err := filepath.EvalSymlinks(lib)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(lib), os.Mkdir(lib, 0o755), os.WriteFile(filepath.Join(lib, "neo4j-enterprise-stand-in.txt"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, jar := range jars {
		path, err := filepath.EvalSymlinks(filepath.Join(jarsAt, jar.Name()))
		if err == nil {
			err = os.Symlink(path, filepath.Join(lib, jar.Name()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e.serve()
	return e
}

// serve starts the server, and returns once it has its locks.
func (e *enterprise) serve() {
	e.Helper()
	cmd := exec.CommandContext(e.Context(), os.Args[0], asServer, filepath.Join(e.home.Home, "data"), fmt.Sprintf("127.0.0.1:%d", e.home.BoltPort))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		e.Fatal(err)
	}
	serving := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if lines.Text() == "serving" {
				close(serving)
				continue
			}
			e.mu.Lock()
			e.heard = append(e.heard, lines.Text())
			e.mu.Unlock()
		}
	}()
	e.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	select {
	case <-serving:
	case <-time.After(time.Minute):
		e.Fatal("the stand-in does not serve")
	}
}

func (e *enterprise) commands() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

func (e *enterprise) source(more, password string) *source {
	e.Helper()
	s, err := openStopping(e.home.Home, e.scratch, more)
	if err != nil {
		e.Fatal(err)
	}
	s.options.Log, s.admin.log = testenv.Log(e.T), testenv.Log(e.T)
	s.options.User, s.options.Password = "neo4j", password
	return s
}

func (e *enterprise) store() install.Store {
	data := filepath.Join(e.home.Home, "data")
	return install.Store{Data: filepath.Join(data, "databases", "neo4j"), Logs: filepath.Join(data, "transactions", "neo4j")}
}

// A server of the Enterprise edition goes on: the database alone is stopped, by
// its own command, dumped, and started.
func TestStopDatabase(t *testing.T) {
	t.Parallel()
	e := newEnterprise(t)
	v, err := install.ParseVersion(testenv.Neo4jLTS)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.source("", "wrong").Capture(t.Context())
	wantHint(t, err, bolt.ErrAuth, "NEO4J_PASSWORD")
	if heard := e.commands(); len(heard) > 0 {
		t.Errorf("%v", heard)
	}
	if _, open, err := v.OpenedBy(e.store()); err != nil || !open {
		t.Errorf("it is open: %t, %v", open, err)
	}
	c, err := e.source("", enterprisePassword).Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Info().Facts["downtime"] == "" || c.Images()[0].Size == 0 {
		t.Errorf("%+v", c.Info())
	}
	if heard := e.commands(); !slices.Equal(heard, []string{"STOP neo4j", "START neo4j"}) {
		t.Errorf("%v", heard)
	}
	dump, err := io.ReadAll(io.NewSectionReader(c.Images()[0].Data, 0, c.Images()[0].Size))
	if err = errors.Join(err, c.Check(t.Context())); err != nil {
		t.Fatal(err)
	}
	closeCapture(t, c)
	testDatabaseKilled(e)
	testDatabaseRestored(e, dump)
	testDatabaseFinished(e)
}

// A run that is killed while the database is stopped leaves one that is started
// by the guardian.
func testDatabaseKilled(e *enterprise) {
	before := len(e.commands())
	cmd := exec.CommandContext(e.Context(), os.Args[0], asRun, e.home.Home, e.scratch)
	cmd.Env = append(os.Environ(), "NEO4J_PASSWORD="+enterprisePassword)
	if err := cmd.Start(); err != nil {
		e.Fatal(err)
	}
	await(e.T, func() bool { return len(e.commands()) > before }) // it is stopped
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	await(e.T, func() bool { return len(e.commands()) > before+1 })
	if heard := e.commands()[before:]; !slices.Equal(heard, []string{"STOP neo4j", "START neo4j"}) {
		e.Errorf("%v", heard)
	}
	await(e.T, func() bool {
		left, err := filepath.Glob(filepath.Join(e.scratch, "*", stoppedName))
		return err == nil && len(left) == 0
	})
}

// A restore stops the database that it replaces, and puts one that the server does
// not have where it will be found.
func testDatabaseRestored(e *enterprise, dump []byte) {
	before := len(e.commands())
	for _, database := range []string{"neo4j", "another"} {
		u, err := url.Parse(LoadScheme + ":///" + database + "?stop=yes&memory=512&check=no&home=" + url.QueryEscape(e.home.Home))
		if err != nil {
			e.Fatal(err)
		}
		target, err := OpenTarget(u, LoadOptions{Overwrite: true, DropOld: true, Options: Options{Host: "test-host", Guardian: []string{os.Args[0], asGuardian},
			Now: time.Now, Log: testenv.Log(e.T), User: "neo4j", Password: enterprisePassword}})
		if err != nil {
			e.Fatal(err)
		}
		if err := feed(e.Context(), target, "neo4j.dump", dump); err != nil {
			e.Fatal(errors.Join(err, target.Abort()))
		}
		if _, err := os.Stat(filepath.Join(e.home.Home, "data", "databases", database, "neostore")); err != nil {
			e.Errorf("it is not there: %v", err)
		}
	}
	if heard := e.commands()[before:]; !slices.Equal(heard, []string{"STOP neo4j", "START neo4j"}) {
		e.Errorf("%v", heard)
	}
}

// A restore that was killed between two renames is finished while the server goes
// on, if it has not the database open.
func testDatabaseFinished(e *enterprise) {
	data := filepath.Join(e.home.Home, "data")
	stage := filepath.Join(data, stagePrefix+"third")
	fresh, at := filepath.Join(stage, "home", "data", "databases", "third"), filepath.Join(data, "databases", "third")
	if err := errors.Join(os.MkdirAll(fresh, 0o700), os.WriteFile(filepath.Join(stage, "snapferry.lock"), nil, 0o600),
		swap.Write(filepath.Join(stage, swapName), []swap.Move{{New: fresh, At: at, Old: filepath.Join(data, oldPrefix+"x", "databases")}})); err != nil {
		e.Fatal(err)
	}
	u, err := url.Parse(LoadScheme + ":///third?stop=yes&home=" + url.QueryEscape(e.home.Home))
	if err != nil {
		e.Fatal(err)
	}
	found, err := Recover(e.Context(), u, Options{Now: time.Now, Log: testenv.Log(e.T)})
	if _, statErr := os.Stat(at); err != nil || !found || statErr != nil {
		e.Errorf("%t, %v, %v", found, err, statErr)
	}
}

// A server that does not do what it is asked for is told of.
func TestCompleted(t *testing.T) {
	if err := install.Completed([][]any{{"a:7687", "CaughtUp", "caught up", true}}); err != nil {
		t.Error(err)
	}
	err := install.Completed([][]any{{"a:7687", "CaughtUp", "caught up", true}, {"b:7687", "ServerUnavailable", "no answer", false}})
	if !errors.Is(err, install.ErrNotDone) || !strings.Contains(err.Error(), "b:7687") {
		t.Error(err)
	}
}
