//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
)

// outcome is how a process ended.
type outcome struct {
	code           int
	stdout, stderr string
	rss            int64 // bytes at most; weigh alone tells
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	return begin(t, cmd)()
}

// begin starts a command. The returned function waits for its end.
func begin(t *testing.T, cmd *exec.Cmd) (wait func() outcome) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() outcome {
		_ = cmd.Wait() // the code tells; -1 for a signal
		o := outcome{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
		return o
	}
}

// weigh runs a command to its end and tells how much memory it had at most.
// What a process weighs begins with what the one weighed that started it, and
// this test may be heavy: so another starts it.
func weigh(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	result := filepath.Join(t.TempDir(), "weight")
	starter, err := exec.LookPath("weigh")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args = starter, append([]string{"weigh", result, cmd.Path}, cmd.Args[1:]...)
	o := finish(t, cmd)
	text, err := os.ReadFile(result)
	if err != nil {
		t.Fatalf("%v: %s", err, o.stderr)
	}
	if o.rss, err = strconv.ParseInt(string(text), 10, 64); err != nil {
		t.Fatal(err)
	}
	return o
}

// weighMain is the program "weigh RESULT COMMAND [ARG...]".
func weighMain() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = cmd.Run() // its code is passed on
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok || os.WriteFile(os.Args[1], fmt.Append(nil, maxRSS(usage)), 0o600) != nil {
		os.Exit(99)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// A source that may not be read is named, and nothing shows in the vault.
func TestUnreadableSource(t *testing.T) {
	dir := t.TempDir()
	source, vault := filepath.Join(dir, "secret"), filepath.Join(dir, "vault")
	if err := errors.Join(os.WriteFile(source, []byte("data"), 0o600), os.Chmod(source, 0), os.Mkdir(vault, 0o777), os.Chmod(vault, 0o777)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "backup", source, vault)
	cmd.Env, cmd.Dir = environ(t, nil), dir
	if os.Getuid() == 0 {
		// Root reads everything; somebody else does not.
		for p := dir; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
			if err := os.Chmod(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	o := finish(t, cmd)
	if o.code != exitFailed || checkErrorLines(o.stderr) != "" || !strings.Contains(o.stderr, source+": permission denied") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if left, err := os.ReadDir(vault); err != nil || len(left) > 0 {
		t.Errorf("the vault holds %v, %v", left, err)
	}
}

// The first signal ends a run that waits for its source, with code 130, and
// leaves nothing visible.
func TestInterrupt(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			vault := filepath.Join(t.TempDir(), "vault")
			cmd := exec.Command(program(t), "backup", "-", vault, "--segment", "64KiB", "--chunk", "64KiB", "--json")
			cmd.Env = environ(t, nil)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			if _, err := in.Write(make([]byte, 200_000)); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "a segment", func() bool { return len(segmentsOf(t, vault, "stdin")) > 0 })
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // its code is looked at
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || checkErrorLines(stderr.String()) != "" || stdout.Len() > 0 {
				t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
			}
			list := exec.Command(program(t), "list", vault)
			list.Env = environ(t, nil)
			if o := finish(t, list); o.code != 0 || o.stdout != "" {
				t.Errorf("list: %+v", o)
			}
		})
	}
}

// waitFor polls until the condition holds.
func waitFor(t *testing.T, what string, ready func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// segmentsOf returns the segments of a series in a vault whose objects are
// files, with what changes if one is written again: inode and time.
func segmentsOf(t *testing.T, vault, series string) map[string]string {
	t.Helper()
	found := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(vault, "*", "data", series, "*", "*", "*.zst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		found[p] = inode(info) + info.ModTime().String()
	}
	return found
}

// serverVault is a vault on a local folder or on an S3 server whose objects
// are files, too.
type serverVault struct {
	url string
	dir string // its objects are files below it
	env []string
}

func vaults(t *testing.T) map[string]func(t *testing.T) serverVault {
	t.Helper()
	return map[string]func(t *testing.T) serverVault{
		"local": func(t *testing.T) serverVault {
			dir := filepath.Join(t.TempDir(), "vault")
			return serverVault{url: dir, dir: dir, env: environ(t, nil)}
		},
		"s3": func(t *testing.T) serverVault {
			s := testenv.S3(t)
			s.MakeBucket("bucket")
			return serverVault{url: s.URL("bucket", "vault"), dir: filepath.Join(s.Dir, "bucket", "vault"), env: environ(t, s)}
		},
	}
}

func (v serverVault) run(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Env = v.env
	return finish(t, cmd)
}
