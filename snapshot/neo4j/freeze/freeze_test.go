//go:build linux

package freeze_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/freeze"
)

// The words that make this test program something else.
const (
	asThawer = "be-a-thawer"
	asFreeze = "be-a-freezer"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case asThawer:
			if err := freeze.Stand(os.Stdin, os.Stdout); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case asFreeze:
			err := freeze.While(context.Background(), freeze.Request{Folder: os.Args[2], Thawer: []string{os.Args[0], asThawer}}, func(ctx context.Context) error {
				fmt.Println("frozen")
				<-ctx.Done()
				return nil
			})
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// mount mounts a file system of its own.
func mount(t *testing.T) string {
	t.Helper()
	testenv.Tool(t, "mkfs.ext4")
	if os.Geteuid() != 0 {
		testenv.Missing(t, "root, to mount a file system")
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20), os.Mkdir(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", "-l", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return at
}

// write writes to the file system, and tells when that is done.
func write(t *testing.T, at string) <-chan time.Time {
	t.Helper()
	done := make(chan time.Time, 1)
	go func() {
		if err := os.WriteFile(filepath.Join(at, "file"), []byte("x"), 0o600); err != nil {
			t.Error(err)
		}
		done <- time.Now()
	}()
	return done
}

// A file system takes no write while it is frozen, and all of them afterwards.
func TestWhile(t *testing.T) {
	t.Parallel()
	at := mount(t)
	request := freeze.Request{Folder: at, Thawer: []string{os.Args[0], asThawer}}
	var wrote <-chan time.Time
	var ended time.Time
	began := time.Now()
	err := freeze.While(t.Context(), request, func(context.Context) error {
		wrote = write(t, at)
		time.Sleep(300 * time.Millisecond) // in which it would be done
		ended = time.Now()
		return nil
	})
	if took := time.Since(began); err != nil || took > freeze.Limit {
		t.Fatalf("after %s: %v", took, err)
	}
	if when := <-wrote; when.Before(ended) {
		t.Error("it was written to while it was frozen")
	}
	failed := errors.New("the work failed")
	if err := freeze.While(t.Context(), request, func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	<-write(t, at)
}

// Work that takes too long is too late, and nobody waits for it.
func TestLate(t *testing.T) {
	t.Parallel()
	at := mount(t)
	began := time.Now()
	err := freeze.While(t.Context(), freeze.Request{Folder: at, Thawer: []string{os.Args[0], asThawer}}, func(context.Context) error {
		<-write(t, at) // which nothing but the thawer lets end
		return nil
	})
	if took := time.Since(began); !errors.Is(err, freeze.ErrLate) || took < freeze.Limit || took > 2*freeze.Limit {
		t.Errorf("after %s: %v", took, err)
	}
}

// Whoever is killed leaves a file system that is thawed.
func TestKilled(t *testing.T) {
	t.Parallel()
	at := mount(t)
	for range testenv.Effort(3, 50) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], asFreeze, at)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "frozen" {
			t.Fatalf("%q, %v", line, err)
		}
		killed := time.Now()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if took := (<-write(t, at)).Sub(killed); took > freeze.Limit {
			t.Errorf("it was frozen for %s", took)
		}
	}
}

// Freezing itself may take longer than the time that there is; what is frozen only
// then is thawed as well.
func TestFrozenLate(t *testing.T) {
	t.Parallel()
	tool := testenv.Tool(t, "fsfreeze")
	at := mount(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], asThawer)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = fmt.Fprintf(in, "{\"folder\": %q, \"limit\": 1000000}\nfreezing\n", at) // a millisecond
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // its time is over
	if out, err := exec.CommandContext(t.Context(), tool, "--freeze", at).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	frozen := time.Now()
	if took := (<-write(t, at)).Sub(frozen); took > freeze.Limit {
		t.Errorf("it was frozen for %s", took)
	}
	if err := errors.Join(cmd.Wait(), in.Close()); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// What is needed while it is frozen must not be on it.
func TestRefused(t *testing.T) {
	t.Parallel()
	at := mount(t)
	for name, request := range map[string]freeze.Request{
		"the root":  {Folder: "/"},
		"the logs":  {Folder: at, Avoid: []string{at}},
		"this":      {Folder: filepath.Dir(os.Args[0])},
		"a thawer":  {Folder: at, Thawer: []string{at}},
		"not there": {Folder: filepath.Join(at, "nothing")},
	} {
		err := freeze.While(t.Context(), request, func(context.Context) error {
			t.Errorf("%s: it was frozen", name)
			return nil
		})
		if err == nil || name != "not there" && (!errors.Is(err, snapshot.ErrUnsafe) || !errors.Is(err, freeze.ErrNeeded)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no order is refused, and an order that is not followed thaws nothing.
func FuzzStand(f *testing.F) {
	f.Add([]byte(`{"folder":"/nothing","limit":1000000000}` + "\n"))
	f.Add([]byte(`{"folder":"/","limit":1}` + "\n"))
	f.Add([]byte("x\nfreezing\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if strings.Contains(string(in), "freezing") {
			return // somebody else may have frozen what it names
		}
		var out strings.Builder
		if err := freeze.Stand(strings.NewReader(string(in)), &out); err == nil && out.Len() == 0 {
			t.Error("it was no order")
		}
	})
}
