//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/mix"
	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
)

// killSegment is the segment size of what is killed: small, so that there are
// many moments between two segments.
const killSegment = 1 << 20

// killed is a backup that is killed and run again.
type killed struct {
	store
	vault   string // through the proxy, if there is one
	source  string
	content []byte
	proxy   *proxy // nil for a local vault
}

func newKilled(t *testing.T, name string, segments int) *killed {
	t.Helper()
	k := &killed{store: stores()[name](t), source: filepath.Join(t.TempDir(), "source")}
	k.env = append(environ(t, nil), k.env...)
	k.vault = k.url("vault")
	if k.endpoint != "" {
		k.proxy = newProxy(t, k.endpoint)
		k.vault = k.proxy.through(k.vault)
	}
	r, err := mix.New("noise", 1)
	if err != nil {
		t.Fatal(err)
	}
	k.content = make([]byte, segments*killSegment)
	if _, err := io.ReadFull(r, k.content); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.source, k.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// segments returns the segments of a series, with what changes if one is
// written again where its object is a file; the proxy tells of the others.
func (k *killed) segments(t *testing.T, series string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, key := range k.bucket.Keys(storeBucket) {
		if match, err := path.Match("vault/*/data/"+series+"/*/*/*.zst", key); err != nil || !match {
			continue
		}
		found[key] = ""
		if f, ok := k.bucket.(folder); ok {
			info, err := os.Stat(f.path(storeBucket, key))
			if err != nil {
				t.Fatal(err)
			}
			found[key] = inode(info) + info.ModTime().String()
		}
	}
	return found
}

func (k *killed) run(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Env = k.env
	return finish(t, cmd)
}

func (k *killed) backup(series string) []string {
	return []string{"backup", k.source, k.vault, "--job", series, "--segment", "1MiB", "--chunk", "256KiB", "--uploads", "2", "--json"}
}

// start starts a backup. The returned function kills it and waits for its end;
// it reports whether it had ended by itself before.
func (k *killed) start(t *testing.T, series string) (kill func() bool) {
	t.Helper()
	cmd := exec.Command(program(t), k.backup(series)...)
	cmd.Env = k.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		_ = cmd.Process.Kill() // an error means that it has ended
		_ = cmd.Wait()         // so does this
		if cmd.ProcessState.Success() {
			return true
		}
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("the backup failed by itself: %s", stderr.String())
		}
		return false
	}
}

// list returns the complete backups, after each of those with the prefix was
// found to be good in every byte.
func (k *killed) list(t *testing.T, series string) []job.Backup {
	t.Helper()
	o := k.run(t, "list", k.vault, "--json", "--series", series)
	var report job.ListReport
	if err := json.Unmarshal([]byte(o.stdout), &report); o.code != 0 || err != nil {
		t.Fatalf("list: %+v, %v", o, err)
	}
	for _, b := range report.Backups {
		if o := k.run(t, "verify", k.vault+"#"+b.Name, "--deep"); o.code != 0 {
			t.Fatalf("%s is listed and cannot be restored: %s", b.Name, o.stderr)
		}
	}
	return report.Backups
}

// again runs a killed backup to its end and checks that it is complete, that
// nothing durable was sent twice, and that it is the only one.
func (k *killed) again(t *testing.T, series string) {
	t.Helper()
	before := k.list(t, series)
	durable := k.segments(t, series)
	if k.proxy != nil {
		k.proxy.reset(nil)
	}
	o := k.run(t, k.backup(series)...)
	var report job.BackupReport
	if err := json.Unmarshal([]byte(o.stdout), &report); o.code != 0 || err != nil || !report.Complete {
		t.Fatalf("the second run: %+v, %v", o, err)
	}
	if len(before) == 0 && report.ReusedBytes < int64(len(durable))*killSegment {
		t.Errorf("%d bytes were reused of %d segments", report.ReusedBytes, len(durable))
	}
	if k.proxy != nil {
		for _, key := range k.proxy.keys() {
			if _, twice := durable[key]; twice {
				t.Errorf("%s was durable and was sent again", key)
			}
		}
	}
	after := k.segments(t, series)
	for path, is := range durable {
		if after[path] != is {
			t.Errorf("%s was written again", path)
		}
	}
	if n := len(after) - len(k.content)/killSegment*max(1, len(before)); n != 0 && len(before) == 0 {
		t.Errorf("%d segments too many", n)
	}
	if listed := k.list(t, series); len(listed) < 1 || len(before) == 0 && len(listed) != 1 {
		t.Errorf("%d backups are listed", len(listed))
	}
	target := filepath.Join(t.TempDir(), "restored")
	if o := k.run(t, "restore", k.vault+"#"+series+"/latest", target); o.code != 0 {
		t.Fatalf("restore: %s", o.stderr)
	}
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, k.content) {
		t.Errorf("the restored file differs: %v", err)
	}
}

// TestKillAtRandom kills at moments that nobody chose.
func TestKillAtRandom(t *testing.T) {
	// A server serves so many kills: one that keeps everything in memory would
	// fill it.
	const batch = 25
	for name := range stores() {
		for kills := testenv.Effort(15, 200); kills > 0; kills -= batch {
			t.Run(name, func(t *testing.T) { killAtRandom(t, name, min(kills, batch)) })
		}
	}
}

func killAtRandom(t *testing.T, name string, kills int) {
	k := newKilled(t, name, 24)
	whole := time.Hour
	for i := range 3 { // the first run of a program takes longer
		began := time.Now()
		if o := k.run(t, k.backup(fmt.Sprintf("whole-%d", i))...); o.code != 0 {
			t.Fatal(o.stderr)
		}
		whole = min(whole, time.Since(began))
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d, a whole run takes %v", seed, whole)
	late := 0
	for i := range kills {
		series := fmt.Sprintf("kill-%d", i)
		kill := k.start(t, series)
		k.waitAtRandom(t, series, random, whole)
		if kill() {
			late++
		}
		k.again(t, series)
	}
	t.Logf("%d of %d kills came too late", late, kills)
}

// waitAtRandom waits until some of the segments are stored, and a moment
// longer. Half of the time it waits for nothing but a moment of the time that
// a whole run takes: time alone would mostly be too early or too late, since no
// two runs take the same.
func (k *killed) waitAtRandom(t *testing.T, series string, random *rand.Rand, whole time.Duration) {
	t.Helper()
	longest := whole
	if n := random.IntN(2 * len(k.content) / killSegment); n < len(k.content)/killSegment {
		waitFor(t, "segments", func() bool { return len(k.segments(t, series)) >= n })
		longest = whole / 10
	}
	<-time.After(time.Duration(random.Float64() * float64(longest)))
}

// TestKillAtEveryPut kills at every step of the protocol on each server: once
// before each object is stored, and once when it is stored and nobody has been
// told.
func TestKillAtEveryPut(t *testing.T) {
	for name := range stores() {
		if name == "local" {
			continue // TestKillAtEveryFile
		}
		t.Run(name, func(t *testing.T) {
			k := newKilled(t, name, 3)
			if o := k.run(t, k.backup("whole")...); o.code != 0 {
				t.Fatal(o.stderr)
			}
			steps := k.proxy.keys()
			if len(steps) < 8 || !strings.HasSuffix(steps[0], "/capture.json") || !strings.HasSuffix(steps[len(steps)-1], "/manifest.json") {
				t.Fatalf("the steps are %q", steps)
			}
			for n := range steps {
				for _, stored := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d-%s-%v", n+1, path.Base(steps[n])[:7], stored), func(t *testing.T) { k.killAtPut(t, n+1, stored) })
				}
			}
		})
	}
}

// killAtPut kills a backup at its nth object: before it is stored, or after.
func (k *killed) killAtPut(t *testing.T, n int, stored bool) {
	k.proxy.reset(func(i int, _ string) action {
		switch {
		case i != n:
			return pass
		case stored:
			return mute
		}
		return drop
	})
	series := fmt.Sprintf("step-%d-%v", n, stored)
	kill := k.start(t, series)
	select {
	case <-k.proxy.held:
	case <-time.After(time.Minute):
		t.Fatal("the step did not come")
	}
	if kill() {
		t.Fatal("it ended without an answer to a PUT")
	}
	k.again(t, series)
}

// TestKillAtEveryFile kills as soon as each object shows in a local vault.
func TestKillAtEveryFile(t *testing.T) {
	k := newKilled(t, "local", 8)
	for i, pattern := range []string{
		"catalog/*/*/capture.json", "catalog/*/*/*.extents.zst", "data/*/*/*/00000000.*", "data/*/*/*/00000003.*", "data/*/*/*/00000007.*",
		"catalog/*/*/*.table.zst", "catalog/*/*/RESTORE.md", "catalog/*/*/manifest.json",
	} {
		t.Run(filepath.Base(pattern), func(t *testing.T) {
			series := fmt.Sprintf("file-%d", i)
			parts := strings.Split(pattern, "/")
			parts[1] = series
			pattern := filepath.Join(append([]string{k.vault, "manual"}, parts...)...)
			kill := k.start(t, series)
			waitFor(t, pattern, func() bool {
				found, err := filepath.Glob(pattern)
				return err == nil && len(found) > 0
			})
			kill()
			k.again(t, series)
		})
	}
}

// TestTwoAtOnce runs the same backup in two processes. All that they do until
// both have begun is forced to overlap.
func TestTwoAtOnce(t *testing.T) {
	for name := range stores() {
		for _, at := range []string{"", "2026-11-22T03:00:00Z"} {
			t.Run(name+at, func(t *testing.T) {
				k := newKilled(t, name, 24)
				args := k.backup("both")
				if at != "" {
					args = append(args, "--time", at)
				}
				if k.proxy != nil {
					// The first capture waits for the second.
					k.proxy.reset(func(_ int, key string) action {
						if strings.HasSuffix(key, "capture.json") {
							return gate
						}
						return pass
					})
				}
				first, second := exec.Command(program(t), args...), exec.Command(program(t), args...)
				first.Env, second.Env = k.env, k.env
				var outcomes [2]outcome
				if k.proxy == nil {
					wait := begin(t, first)
					stopAfterFirstSegment(t, k, first)
					outcomes[1] = finish(t, second)
					if err := first.Process.Signal(syscall.SIGCONT); err != nil {
						t.Fatal(err)
					}
					outcomes[0] = wait()
				} else {
					waitFirst, waitSecond := begin(t, first), begin(t, second)
					<-k.proxy.held
					<-k.proxy.held
					k.proxy.reset(nil)
					outcomes[0], outcomes[1] = waitFirst(), waitSecond()
				}
				for _, o := range outcomes {
					if o.code != 0 {
						t.Errorf("exit code %d: %s", o.code, o.stderr)
					}
				}
				if listed := k.list(t, "both"); len(listed) != 1 {
					t.Errorf("%d backups are listed", len(listed))
				}
			})
		}
	}
}

// stopAfterFirstSegment stops a process as soon as it has stored something.
func stopAfterFirstSegment(t *testing.T, k *killed, cmd *exec.Cmd) {
	t.Helper()
	waitFor(t, "the first segment", func() bool { return len(k.segments(t, "both")) > 0 })
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if n := len(k.segments(t, "both")); n == len(k.content)/killSegment {
		t.Log("it had stored everything")
	}
}

// TestKilledStream: a stream cannot be resumed, and what is left of it is
// never mistaken for a backup.
func TestKilledStream(t *testing.T) {
	k := newKilled(t, "local", 4)
	cmd := exec.Command(program(t), "backup", "-", k.vault, "--segment", "1MiB", "--chunk", "256KiB")
	cmd.Env = k.env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(k.content); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "three segments", func() bool { return len(k.segments(t, "stdin")) >= 3 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if listed := k.list(t, "stdin"); len(listed) > 0 {
		t.Errorf("a killed stream is listed: %v", listed)
	}
	for _, unchecked := range [][]string{nil, {"--unchecked"}} {
		o := k.run(t, slices.Concat([]string{"finish", k.vault + "#stdin/2"}, unchecked)...)
		if o.code != exitRefused || checkErrorLines(o.stderr) != "" {
			t.Errorf("finish: %+v", o)
		}
	}
}
