//go:build linux

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot"
)

func TestKinds(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		".": "directory", "sys.go": "regular file", pipe: "named pipe", "/dev/null": "character device", "/proc/self": "symbolic link",
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Kind(info.Mode()); got != want || IsBlockDevice(info.Mode()) {
			t.Errorf("%s is a %s", path, got)
		}
	}
	if mode := fs.ModeDevice | 0o660; !IsBlockDevice(mode) || Kind(mode) != "block device" {
		t.Error("a block device is not recognized")
	}
}

func TestCause(t *testing.T) {
	_, err := os.Open(filepath.Join(t.TempDir(), "missing"))
	if got := Cause(fmt.Errorf("outer: %w", err)); got != error(unix.ENOENT) { //nolint:errorlint // the very value is meant
		t.Errorf("got %v", got)
	}
	changed := fmt.Errorf("%w: %w", snapshot.ErrChanged, err)
	if got := Cause(changed); !errors.Is(got, snapshot.ErrChanged) {
		t.Errorf("lost what happened: %v", got)
	}
}

func TestRetry(t *testing.T) {
	calls := 0
	err := Retry(func() error {
		if calls++; calls < 4 {
			return unix.EINTR
		}
		return unix.EIO
	})
	if calls != 4 || !errors.Is(err, unix.EIO) {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestPlace(t *testing.T) {
	dev, ino, err := Place(".")
	if err != nil || ino == 0 {
		t.Errorf("%d, %d, %v", dev, ino, err)
	}
	if proc, _, err := Place("/proc"); err != nil || proc == dev {
		t.Errorf("/proc lies on the same file system: %v", err)
	}
	if _, _, err := Place("missing"); !IsGone(err) {
		t.Errorf("got %v", err)
	}
}
