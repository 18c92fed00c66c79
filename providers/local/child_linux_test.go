package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

// mountEnv makes the child work on a small tmpfs of its own: full, read-only.
const mountEnv = "SNAPFERRY_TEST_MOUNT"

func childContext() context.Context { return context.Background() }

func prepareChild(dir string) error {
	kind := os.Getenv(mountEnv)
	if kind == "" {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	flags := uintptr(0)
	if kind == "read-only" {
		flags = unix.MS_RDONLY
	}
	return unix.Mount("tmpfs", dir, "tmpfs", flags, "size=256k")
}

// inspectChild fails if a file is left below dir, which after the child is
// unmounted nobody could see.
func inspectChild(dir string) error {
	if os.Getenv(mountEnv) == "" {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = errors.New(path)
		}
		return err
	})
}

// TestFullAndReadOnly runs Put on real file systems that refuse it.
func TestFullAndReadOnly(t *testing.T) {
	for kind, want := range map[string]string{"full": "no space: put a/b/c: no space left", "read-only": "denied: put a/b/c: access denied"} {
		t.Run(kind, func(t *testing.T) {
			cmd := childCommand(t, t.TempDir(), "a/b/c", "x")
			cmd.Env = append(cmd.Env, mountEnv+"="+kind)
			// A user namespace lets anybody mount, within it.
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			}
			out, err := cmd.Output()
			if err != nil || strings.HasPrefix(string(out), "cannot prepare") {
				testenv.Missing(t, fmt.Sprintf("user namespaces with mounts (%v: %s)", err, out))
			}
			got := string(out)
			if !strings.HasPrefix(got, want) || !strings.Contains(got, "hint: ") || strings.Contains(got, "leftover:") {
				t.Errorf("child says %q", got)
			}
		})
	}
}

// TestKilled kills writers at every stage; what is visible is whole.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	const rounds = 25
	for i := range rounds {
		cmd := childCommand(t, dir, fmt.Sprintf("k/%02d", i), "x")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Spread over the life of a child, however long that is here.
		timer := time.AfterFunc(time.Duration(i)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // killed or not
		timer.Stop()
	}
	whole := bytes.Repeat([]byte("x"), 1<<20)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%s has %d bytes, %v", path, len(got), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	if err := open(t, dir).Put(t.Context(), "a/b", providers.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range []string{dir, dir + "/a", dir + "/a/b"} {
		fi, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fi.Mode().String())
	}
	if want := []string{"drwx------", "drwx------", "-rw-------"}; !slices.Equal(got, want) {
		t.Errorf("modes %q, want %q", got, want)
	}
}
