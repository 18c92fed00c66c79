//go:build linux

package neo4j

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact/artifacttest"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/swap"
)

func (d *daemon) target(more string, options LoadOptions) (snapshot.Target, error) {
	d.Helper()
	u, err := url.Parse(LoadScheme + ":///neo4j?memory=512&home=" + url.QueryEscape(d.home.Home) + more + d.more)
	if err != nil {
		d.Fatal(err)
	}
	options.Options = Options{Host: "test-host", Guardian: []string{os.Args[0], asGuardian}, Now: time.Now, Log: testenv.Log(d.T)}
	return OpenTarget(u, options)
}

// load restores a dump, and removes what it can after a failure.
func (d *daemon) restore(dump []byte, more string, options LoadOptions) error {
	d.Helper()
	name := "neo4j.dump"
	if bytes.HasPrefix(dump, []byte("BZ")) {
		name = "neo4j-2026-11-22T03-00-00.backup"
	}
	target, err := d.target(more, options)
	if err != nil {
		return err
	}
	err = feed(d.Context(), target, name, dump)
	if err != nil {
		if abortErr := target.Abort(); abortErr != nil {
			d.Errorf("abort: %v", abortErr)
		}
	}
	return err
}

func feed(ctx context.Context, target snapshot.Target, name string, dump []byte) error {
	sink, err := target.Create(ctx, snapshot.ImageInfo{Name: name, Form: snapshot.FormRaw, Size: int64(len(dump)), Sole: true})
	if err != nil {
		return err
	}
	switch sink := sink.(type) {
	case snapshot.RandomSink:
		_, err = sink.WriteAt(dump, 0)
	case snapshot.StreamSink:
		_, err = sink.Write(dump)
	}
	if err = errors.Join(err, sink.Close()); err != nil {
		return err
	}
	return target.Commit(ctx)
}

// A dump is loaded beside a database that is served, and put in its place while
// the server is stopped for a moment; what was there stays.
func TestLoad(t *testing.T) {
	for _, version := range testenv.SampleNeo4jVersions() {
		if version == testenv.Neo4j35 {
			continue // its database has another name
		}
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, version)
			dump := d.dumpNow()
			d.home.Query("CREATE (:Later)")
			if err := d.restore(dump, "", LoadOptions{}); !errors.Is(err, snapshot.ErrUnsafe) || !strings.Contains(hintOf(err), "stop=yes") {
				t.Errorf("a running server: %v", err)
			}
			if err := d.restore(dump, "&stop=yes", LoadOptions{}); !errors.Is(err, snapshot.ErrNotEmpty) || !strings.Contains(hintOf(err), "--overwrite") {
				t.Errorf("a database that is there: %v", err)
			}
			if err := d.restore(dump, "&stop=yes", LoadOptions{Overwrite: true}); err != nil {
				t.Fatalf("%v\n%s", err, d.log())
			}
			d.wantRestored(1)
			if version != testenv.Neo4jLTS {
				return
			}
			testLoadBackup(d, dump)
			testLoadFails(d, dump)
			testLoadCopy(d)
			testLoadKilled(d, dump)
			testLoadStopped(d, dump)
		})
	}
}

// A full backup of the Enterprise edition is loaded by the Community edition; what
// it does not take is refused, and the database stays as it is.
func testLoadBackup(d *daemon, dump []byte) {
	b := artifacttest.Backup{Database: "neo4j", ID: strings.Repeat("0a", 16), Time: time.Now(), Lowest: 1, Highest: 9, Full: true, Recovered: true}
	write := func(b artifacttest.Backup) []byte {
		d.Helper()
		var out bytes.Buffer
		if err := b.WriteDump(&out, bytes.NewReader(dump)); err != nil {
			d.Fatal(err)
		}
		return out.Bytes()
	}
	d.home.Query("CREATE (:Later)")
	other, diff := b, b
	other.Database, diff.Full, diff.Lowest = "another", false, 5
	for want, backup := range map[string][]byte{"neo4j+load:///another": write(other), "aggregate it": write(diff)} {
		if err := d.restore(backup, "&stop=yes", LoadOptions{Overwrite: true}); !errors.Is(err, snapshot.ErrUsage) || !strings.Contains(hintOf(err), want) {
			d.Errorf("%v, hint %q", err, hintOf(err))
		}
	}
	if err := d.restore(dump, "&stop=yes&until=2026-11-22T03:00:00Z", LoadOptions{Overwrite: true}); !errors.Is(err, snapshot.ErrUsage) {
		d.Errorf("%v", err)
	}
	if n := d.home.Count("MATCH (l:Later) RETURN count(l)"); n != 1 {
		d.Errorf("%d later nodes", n)
	}
	if err := d.restore(write(b), "&stop=yes", LoadOptions{Overwrite: true, DropOld: true}); err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	if n := d.home.Count("MATCH (l:Later) RETURN count(l)"); n != 0 {
		d.Errorf("%d later nodes", n)
	}
}

// dumpNow is a dump of what the server has.
func (d *daemon) dumpNow() []byte {
	d.Helper()
	c, err := d.source("").Capture(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	image := c.Images()[0]
	dump := make([]byte, image.Size)
	if _, err := image.Data.ReadAt(dump, 0); err != nil {
		d.Fatal(err)
	}
	if err := c.Check(d.Context()); err != nil {
		d.Error(err)
	}
	closeCapture(d.T, c)
	return dump
}

// wantRestored looks whether the server has what was dumped, and how many older
// databases lie beside.
func (d *daemon) wantRestored(olds int) {
	d.Helper()
	d.wantServing(time.Minute)
	if people, later := d.home.Count("MATCH (p:Person) RETURN count(p)"), d.home.Count("MATCH (l:Later) RETURN count(l)"); people != 2000 || later != 0 {
		d.Errorf("%d people, %d nodes that came after the dump", people, later)
	}
	entries, err := os.ReadDir(d.data)
	if err != nil {
		d.Fatal(err)
	}
	old := 0
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), stagePrefix):
			d.Errorf("%s is left", e.Name())
		case strings.HasPrefix(e.Name(), oldPrefix):
			old++
			for _, part := range []string{"databases", "transactions"} {
				if _, err := os.Stat(filepath.Join(d.data, e.Name(), part)); err != nil {
					d.Errorf("the old one is not whole: %v", err)
				}
			}
		}
	}
	if old != olds {
		d.Errorf("%d older databases lie beside, want %d", old, olds)
	}
}

// What fails leaves the database as it is.
func testLoadFails(d *daemon, dump []byte) {
	pid, _, err := install.RunningOn(d.data)
	if err != nil {
		d.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut": dump[:len(dump)/2], "text": []byte("no dump"), "empty": nil} {
		if err := d.restore(bad, "&stop=yes", LoadOptions{Overwrite: true}); err == nil || hintOf(err) == "" {
			d.Errorf("%s: %v", name, err)
		}
		d.wantRestored(1)
	}
	if now, _, err := install.RunningOn(d.data); err != nil || now != pid {
		d.Errorf("it was stopped: process %d, then %d, %v", pid, now, err)
	}
	// A folder that somebody else could have put there is not used.
	elsewhere := d.TempDir()
	precious := filepath.Join(elsewhere, "home")
	if err := errors.Join(os.Mkdir(precious, 0o755), os.Symlink(elsewhere, filepath.Join(d.data, stagePrefix+"neo4j"))); err != nil {
		d.Fatal(err)
	}
	if err := d.restore(dump, "&stop=yes", LoadOptions{Overwrite: true}); !errors.Is(err, snapshot.ErrUnsafe) {
		d.Errorf("a link in the place of our folder: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		d.Errorf("what it leads to is gone: %v", err)
	}
	if err := os.Remove(filepath.Join(d.data, stagePrefix+"neo4j")); err != nil {
		d.Fatal(err)
	}
	u, err := url.Parse(LoadScheme + ":///other?stop=yes&home=" + url.QueryEscape(d.home.Home))
	if err != nil {
		d.Fatal(err)
	}
	other, err := OpenTarget(u, LoadOptions{Options: Options{Guardian: []string{os.Args[0], asGuardian}, Now: time.Now, Log: testenv.Log(d.T)}})
	if err == nil {
		_, err = other.Create(d.Context(), snapshot.ImageInfo{Name: "x", Form: snapshot.FormRaw, Size: 1, Sole: true})
		err = errors.Join(err, other.Abort())
	}
	wantHint(d.T, err, snapshot.ErrUsage, "neo4j+load:///neo4j")
}

// A restore that is killed, anywhere, leaves the old database or the new one, and
// a server that serves it; the next restore makes it good.
func testLoadKilled(d *daemon, dump []byte) {
	file := filepath.Join(d.TempDir(), "dump")
	if err := os.WriteFile(file, dump, 0o600); err != nil {
		d.Fatal(err)
	}
	for i := range testenv.Effort(2, 20) {
		cmd := exec.CommandContext(d.Context(), os.Args[0], asRestore, d.home.Home, file)
		if err := cmd.Start(); err != nil {
			d.Fatal(err)
		}
		if i%2 == 0 { // around the swap
			await(d.T, func() bool {
				_, err := os.Stat(filepath.Join(d.data, stagePrefix+"neo4j", stoppedName))
				return err == nil
			})
		}
		time.Sleep(time.Duration(i%10) * time.Second)
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		await(d.T, func() bool { // until the guardian has ended
			_, err := os.Stat(filepath.Join(d.data, stagePrefix+"neo4j", stoppedName))
			return errors.Is(err, os.ErrNotExist)
		})
		d.wantServing(time.Minute)
		if people := d.home.Count("MATCH (p:Person) RETURN count(p)"); people != 2000 {
			d.Fatalf("%d people after kill %d\n%s", people, i, d.log())
		}
	}
	for _, old := range d.olds() {
		if err := os.RemoveAll(old); err != nil {
			d.Fatal(err)
		}
	}
	if err := d.restore(dump, "&stop=yes", LoadOptions{Overwrite: true, DropOld: true}); err != nil {
		d.Fatal(err)
	}
	d.wantRestored(0)
}

func (d *daemon) olds() []string {
	paths, err := filepath.Glob(filepath.Join(d.data, oldPrefix+"*"))
	if err != nil {
		d.Fatal(err)
	}
	return paths
}

// Without a server there is nothing to stop; a swap that was written down and not
// done is done by the next restore, or by recover.
func testLoadStopped(d *daemon, dump []byte) {
	d.stop()
	if err := d.restore(dump, "&check=no", LoadOptions{Overwrite: true}); err != nil {
		d.Fatal(err)
	}
	if n := len(d.olds()); n != 1 {
		d.Errorf("%d older databases", n)
	}
	// A restore that died between the two renames.
	stage := filepath.Join(d.data, stagePrefix+"neo4j")
	at, fresh := filepath.Join(d.data, "databases", "neo4j"), filepath.Join(stage, "home", "data", "databases", "neo4j")
	if err := errors.Join(os.MkdirAll(filepath.Dir(fresh), 0o700), os.WriteFile(filepath.Join(stage, "snapferry.lock"), nil, 0o600)); err != nil {
		d.Fatal(err)
	}
	if err := swap.Write(filepath.Join(stage, swapName), []swap.Move{{New: fresh, At: at, Old: filepath.Join(d.data, oldPrefix+"x", "databases")}}); err != nil {
		d.Fatal(err)
	}
	if err := os.Rename(at, fresh); err != nil {
		d.Fatal(err)
	}
	u, err := url.Parse(LoadScheme + ":///neo4j?home=" + url.QueryEscape(d.home.Home))
	if err != nil {
		d.Fatal(err)
	}
	if found, err := Recover(d.Context(), u, Options{Now: time.Now, Log: testenv.Log(d.T)}); err != nil || !found {
		d.Errorf("%t, %v", found, err)
	}
	if found, err := Recover(d.Context(), u, Options{Now: time.Now, Log: testenv.Log(d.T)}); err != nil || found {
		d.Errorf("again: %t, %v", found, err)
	}
	d.start()
	d.wantRestored(1)
}

// beARestore restores, and may be killed.
func beARestore(home, file string) error {
	u, err := url.Parse(LoadScheme + ":///neo4j?stop=yes&memory=512&check=no&home=" + url.QueryEscape(home))
	if err != nil {
		return err
	}
	target, err := OpenTarget(u, LoadOptions{Overwrite: true, Options: Options{Host: "test-host", Guardian: []string{os.Args[0], asGuardian}, Now: time.Now}})
	if err != nil {
		return err
	}
	dump, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return feed(context.Background(), target, "neo4j.dump", dump)
}

// A restore whose server does not serve leaves what makes it good later.
func TestAbortKeepsTheMarker(t *testing.T) {
	for _, name := range []string{stoppedName, swapName} {
		stage := filepath.Join(t.TempDir(), "stage")
		if err := errors.Join(os.Mkdir(stage, 0o700), os.WriteFile(filepath.Join(stage, name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		lock, err := os.Create(filepath.Join(stage, "snapferry.lock"))
		if err != nil {
			t.Fatal(err)
		}
		target := &loadTarget{source: &source{}, stage: stage, lock: lock}
		if err := target.Abort(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(stage, name)); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}
}

// An unshipped dump for which a server was stopped stands for what the database
// is now only where the server may be stopped.
func TestFreshDump(t *testing.T) {
	now := time.Now()
	folder := &scratch{dir: t.TempDir()}
	folder.dump = filepath.Join(folder.dir, "neo4j.dump")
	if err := os.WriteFile(folder.dump, []byte("dump"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder.dump)
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.mark(&marker{fileMark: markOf(info, strings.Repeat("0", 64)), Version: markerVersion, State: "then", Stopped: true}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		state string
		now   time.Time
		want  bool
	}{
		"stop=yes":         {"now", now.Add(time.Minute), true},
		"stop=no":          {"now", time.Time{}, false},
		"the next day":     {"now", now.Add(24 * time.Hour), false},
		"the same state":   {"then", time.Time{}, true},
		"a clock set back": {"now", now.Add(-time.Hour), false},
	} {
		if got := folder.resume(c.state, c.now) != nil; got != c.want {
			t.Errorf("%s: resumed %t", name, got)
		}
	}
}
