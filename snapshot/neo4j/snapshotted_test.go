//go:build linux

package neo4j

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
	"github.com/snapferry/snapferry/snapshot/neo4j/drill"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// mountBtrfs mounts a file system of its own and returns a subvolume of it.
func mountBtrfs(t *testing.T) string {
	t.Helper()
	testenv.Tool(t, "btrfs")
	if os.Geteuid() != 0 {
		testenv.Missing(t, "root, to mount a file system")
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 2<<30), os.Mkdir(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, at}, {"btrfs", "subvolume", "create", filepath.Join(at, "neo4j")}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			if command[0] == "mount" {
				testenv.Missing(t, "a kernel that mounts btrfs: "+string(out))
			}
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
		if command[0] == "mount" {
			t.Cleanup(func() {
				if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", "-l", at).CombinedOutput(); err != nil {
					t.Errorf("umount: %v\n%s", err, out)
				}
			})
		}
	}
	return filepath.Join(at, "neo4j")
}

// onBtrfs starts a server whose data is on a subvolume.
func onBtrfs(t *testing.T, version string) *daemon {
	t.Helper()
	volume := mountBtrfs(t)
	d := prepareDaemon(t, version)
	d.data = filepath.Join(volume, "data")
	if err := os.Mkdir(d.data, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(d.home.Home, "conf", "neo4j.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, []byte("\n"+d.in.Version.Name(install.DataDirectory)+"="+d.data+"\n")...)
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	return d
}

func (d *daemon) snapshotSource(more string) *source {
	d.Helper()
	u, err := url.Parse(SnapshotScheme + ":///neo4j?home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch) + "&memory=512" + more)
	if err != nil {
		d.Fatal(err)
	}
	s, err := Open(u, Options{Host: "test-host", Now: time.Now, Log: testenv.Log(d.T)})
	if err != nil {
		d.Fatal(err)
	}
	return s.(*source)
}

// client commits one transaction after the other.
type client struct {
	acknowledged atomic.Int64
	commits      []commit // to be read once it has stopped
	stop         func()
}

type commit struct {
	began time.Time
	took  time.Duration
}

func (d *daemon) client() *client {
	c := &client{}
	server, err := bolt.Open(bolt.Address{At: "127.0.0.1:" + strconv.Itoa(d.home.BoltPort)})
	if err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := int64(1); ctx.Err() == nil; i++ {
			began := time.Now()
			if _, err := server.Execute(ctx, "neo4j", "CREATE (:Commit {n: $n})", map[string]any{"n": i}); err != nil {
				if ctx.Err() == nil {
					d.Errorf("commit %d: %v", i, err)
				}
				return
			}
			c.commits = append(c.commits, commit{began, time.Since(began)})
			c.acknowledged.Store(i)
		}
	}()
	c.stop = func() {
		cancel()
		<-done
		_ = server.Close(context.WithoutCancel(ctx))
	}
	return c
}

// p99 is the latency that 99 of 100 commits did not exceed, of those that were
// under way between two instants.
func (c *client) p99(from, to time.Time) (latency time.Duration, commits int) {
	var all []time.Duration
	for _, x := range c.commits {
		if x.began.Add(x.took).After(from) && x.began.Before(to) {
			all = append(all, x.took)
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)*99/100].Round(time.Millisecond / 10), len(all)
}

// Under writes, a backup of a snapshot holds every transaction that was
// acknowledged before it was taken, and the server goes on as if nothing were.
func TestSnapshot(t *testing.T) {
	for _, version := range testenv.SampleNeo4jVersions() {
		if version == testenv.Neo4j35 {
			continue // its database has another name
		}
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := onBtrfs(t, version)
			pid, _, err := install.RunningOn(d.data)
			if err != nil {
				t.Fatal(err)
			}
			c := d.client()
			began, times := time.Now(), []time.Time{}
			backups := 1
			if version == testenv.Neo4jLTS {
				backups = testenv.Effort(1, 20)
			}
			for range backups {
				await(t, func() bool { return c.acknowledged.Load() > 1000 }) // and warm
				// The clock is asked right before and after the snapshot.
				var marks []int64
				s := d.snapshotSource("&via=btrfs&check=yes")
				s.options.Now = func() time.Time {
					now := time.Now()
					marks, times = append(marks, c.acknowledged.Load()), append(times, now)
					return now
				}
				taken, err := s.Capture(t.Context())
				if err != nil {
					t.Fatalf("%v\n%s", err, d.log())
				}
				times = append(times, time.Now())
				d.drilled(taken, marks[0])
				if err := taken.Check(t.Context()); err != nil {
					t.Error(err)
				}
				closeCapture(t, taken)
				d.wantNoClone()
			}
			if version == testenv.Neo4jLTS {
				testSnapshotRaw(d, c.acknowledged.Load)
			}
			c.stop()
			logLatencies(t, c, began, times)
			if now, _, err := install.RunningOn(d.data); err != nil || now != pid {
				t.Errorf("the server was stopped: process %d, then %d, %v", pid, now, err)
			}
			want := map[string]string{"installation": "good", "database": "good", "server": "good", "snapshot": "good", "scratch": "good"}
			if got := d.verdicts(SnapshotScheme, "&via=btrfs&scratch="+url.QueryEscape(d.scratch), Options{}); !maps.Equal(got, want) {
				t.Errorf("examined: %v", got)
			}
			if got := d.several(SnapshotScheme, "", "&via=btrfs"); len(got) != 2 || got["neo4j"] == "" || got["neo4j"] != got[install.System] {
				t.Errorf("snapshots %v", got)
			}
			d.wantNoClone()
			if version == testenv.Neo4jLTS {
				testSnapshotRefused(d)
				testSnapshotKilled(d)
				testSnapshotCommand(d)
				testCleanup(d)
			}
		})
	}
}

// 3.5 has other names, and does not tell whether a store needs recovery: its own
// dump does.
func TestSnapshotOld(t *testing.T) {
	t.Parallel()
	d := onBtrfs(t, testenv.Neo4j35)
	d.home.WaitServing()
	d.home.Query("UNWIND range(1, 2000) AS i CREATE (:Commit {n: i})")
	u, err := url.Parse(SnapshotScheme + ":///graph.db?via=btrfs&memory=512&home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(u, Options{Host: "test-host", Now: time.Now, Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Capture(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, d.log())
	}
	d.drilled(c, 2000)
	closeCapture(t, c)
	d.wantNoClone()
}

// logLatencies tells what a backup costs who commits: times are, of each backup,
// before and after its snapshot, and its end.
func logLatencies(t *testing.T, c *client, began time.Time, times []time.Time) {
	t.Helper()
	before, n := c.p99(began, times[0])
	t.Logf("p99 of %d commits before the first backup: %s", n, before)
	for i := 0; i+2 < len(times); i += 3 {
		at, m := c.p99(times[i], times[i+1])
		after, n := c.p99(times[i+1], times[i+2])
		t.Logf("p99 of %d commits during a snapshot that took %s: %s; of %d while the clone was recovered and dumped: %s",
			m, times[i+1].Sub(times[i]).Round(time.Millisecond), at, n, after)
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for range 18_000 { // three minutes: the machine may be busy
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited for too long")
}

// drilled loads the dump of a capture and asks how many commits it holds.
func (d *daemon) drilled(c snapshot.Capture, before int64) {
	d.Helper()
	image := c.Images()[0]
	dir := d.TempDir()
	raw, err := io.ReadAll(io.NewSectionReader(image.Data, 0, image.Size))
	if err != nil {
		d.Fatal(err)
	}
	if _, err := artifact.Verify(strings.NewReader(string(raw))); err != nil {
		d.Fatal(err)
	}
	database := c.Info().Identity.ID
	if err := os.WriteFile(filepath.Join(dir, database+".dump"), raw, 0o600); err != nil {
		d.Fatal(err)
	}
	result, err := drill.Run(d.Context(), drill.Request{Live: d.in, Dir: dir, Database: database, Facts: c.Info().Facts, Memory: home.LeastMemory, Quick: true,
		Checks: []drill.Check{{Cypher: "MATCH (c:Commit) RETURN count(c)", Expect: fmt.Sprintf(">= %d", before)}, {Cypher: "MATCH (c:Commit) WITH max(c.n) - count(c) AS gaps RETURN gaps", Expect: "0"}},
		Now:    time.Now, Log: testenv.Log(d.T)})
	if err != nil || !result.Good() {
		d.Errorf("acknowledged %d: %+v, %v", before, result, err)
		return
	}
	d.Logf("%s: %d acknowledged before, %s in the backup; %s", d.in.Version, before, result.Answers[0].Got, c.Info().Facts["snapshot"])
}

// wantNoClone looks that no snapshot and no scratch server is left.
func (d *daemon) wantNoClone() {
	d.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(d.data), ".snapferry-*"))
	if err != nil || len(left) > 0 {
		d.Errorf("clones are left: %v, %v", left, err)
	}
	entries, err := os.ReadDir(d.scratch)
	if err != nil || len(entries) > 0 {
		out, _ := exec.CommandContext(d.Context(), "find", d.scratch).CombinedOutput()
		d.Errorf("left in scratch: %s, %v", out, err)
	}
	if pids := d.processes(func(line string) bool { return strings.Contains(line, d.scratch) }); len(pids) > 0 {
		for _, pid := range pids {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			d.Errorf("process %d is left: %s, %v", pid, strings.ReplaceAll(string(line), "\x00", " "), err)
		}
	}
}

// What one snapshot cannot hold is refused, file by file.
func testSnapshotRefused(d *daemon) {
	store := filepath.Join(d.data, "databases", "neo4j")
	elsewhere := d.TempDir()
	for name, c := range map[string]struct {
		more    string
		prepare func() error
		undo    func() error
		want    error
		hint    string
	}{
		"not lvm": {"&via=lvm", nil, nil, nil, ""},
		"not zfs": {"&via=zfs", nil, nil, nil, ""},
		"a link": {"&via=btrfs", func() error { return os.Symlink(elsewhere, filepath.Join(store, "link")) },
			func() error { return os.Remove(filepath.Join(store, "link")) }, clone.ErrNotAtomic, "without links"},
		"a nested subvolume": {"&via=btrfs", func() error {
			return exec.CommandContext(d.Context(), "btrfs", "subvolume", "create", filepath.Join(store, "nested")).Run()
		},
			func() error {
				return exec.CommandContext(d.Context(), "btrfs", "subvolume", "delete", filepath.Join(store, "nested")).Run()
			}, clone.ErrNotAtomic, "one file system"},
		"the live folder": {"&via=command&program=/bin/echo", nil, nil, clone.ErrTool, ""},
	} {
		if c.prepare != nil {
			if err := c.prepare(); err != nil {
				d.Fatal(err)
			}
		}
		_, err := d.snapshotSource(c.more).Capture(d.Context())
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(hintOf(err), c.hint) {
			d.Errorf("%s: %v (%q)", name, err, hintOf(err))
		}
		if c.undo != nil {
			if err := c.undo(); err != nil {
				d.Fatal(err)
			}
		}
		d.wantNoClone()
	}
}

// A run that is killed leaves a clone and perhaps a scratch server; the next run,
// or recover, removes both.
func testSnapshotKilled(d *daemon) {
	for i := range 2 {
		cmd := exec.CommandContext(d.Context(), os.Args[0], asSnapshot, d.home.Home, d.scratch)
		if err := cmd.Start(); err != nil {
			d.Fatal(err)
		}
		for range 3000 { // until the scratch server has opened the clone
			if paths, err := filepath.Glob(filepath.Join(filepath.Dir(d.data), ".snapferry-*", "data")); err == nil && len(paths) == 1 {
				if _, running, err := install.RunningOn(paths[0]); err == nil && running {
					break
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		s := d.snapshotSource("&via=btrfs")
		if i == 0 {
			u, err := url.Parse(SnapshotScheme + ":///neo4j?via=btrfs&home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch))
			if err != nil {
				d.Fatal(err)
			}
			testCleanupOpened(d)
			if found, err := Recover(d.Context(), u, Options{Host: "test-host", Now: time.Now, Log: testenv.Log(d.T)}); err != nil || !found {
				d.Errorf("%t, %v", found, err)
			}
			d.wantNoClone()
			continue
		}
		c, err := s.Capture(d.Context())
		if err != nil {
			d.Fatal(err)
		}
		if err := c.Check(d.Context()); err != nil {
			d.Error(err)
		}
		closeCapture(d.T, c)
		d.wantNoClone()
	}
}

// A program of the user's own does the same.
func testSnapshotCommand(d *daemon) {
	program := filepath.Join(d.TempDir(), "snap")
	volume := filepath.Dir(d.data)
	script := fmt.Sprintf(`#!/bin/sh
set -e
case $1 in
take) btrfs subvolume snapshot %[1]s %[1]s/.$2 >&2; echo "%[1]s/.$2${4#%[1]s}" ;;
remove) [ ! -e %[1]s/.$2 ] || btrfs subvolume delete %[1]s/.$2 ;;
esac
`, volume)
	syscall.ForkLock.Lock() // a script that is open for writing anywhere cannot be run
	err := os.WriteFile(program, []byte(script), 0o755)
	syscall.ForkLock.Unlock()
	if err != nil {
		d.Fatal(err)
	}
	c, err := d.snapshotSource("&via=command&program=" + url.QueryEscape(program)).Capture(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	d.drilled(c, 1)
	if err := c.Check(d.Context()); err != nil {
		d.Error(err)
	}
	closeCapture(d.T, c)
	d.wantNoClone()
}
