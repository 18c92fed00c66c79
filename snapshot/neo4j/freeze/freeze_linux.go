package freeze

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot"
)

// The requests of linux/fs.h, as amd64 and arm64 have them.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// Check refuses file systems that must not be frozen: the root, and any that has
// our program, the working folder, what we print to, or what is to be avoided.
func (r Request) Check() error {
	device, err := deviceOf(r.Folder)
	if err != nil {
		return err
	}
	needed := append([]string{"/", ".", "/proc/self/fd/1", "/proc/self/fd/2"}, r.Avoid...)
	if self, err := os.Executable(); err == nil {
		needed = append(needed, self)
	}
	if len(r.Thawer) > 0 {
		needed = append(needed, r.Thawer[0])
	}
	for _, path := range needed {
		if path == "" {
			continue
		}
		other, err := deviceOf(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if other == device {
			return fmt.Errorf("%w: %w: %s is on it", snapshot.ErrUnsafe, ErrNeeded, path)
		}
	}
	return nil
}

func deviceOf(path string) (uint64, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, err
	}
	var stat unix.Stat_t
	if err := unix.Stat(resolved, &stat); err != nil {
		return 0, &os.PathError{Op: "stat", Path: resolved, Err: err}
	}
	return stat.Dev, nil
}

func open(folder string) (*os.File, error) { return os.Open(folder) }

// flush writes what is dirty, so that freezing takes a moment alone.
func flush(folder string) error {
	return onFolder(folder, func(file *os.File) error { return unix.Syncfs(int(file.Fd())) })
}

func set(folder string) error {
	err := onFolder(folder, func(file *os.File) error { return unix.IoctlSetInt(int(file.Fd()), fiFreeze, 0) })
	if err != nil {
		return fmt.Errorf("freeze %s: %w", folder, err)
	}
	return nil
}

func release(folder string) error { return onFolder(folder, thaw) }

func onFolder(folder string, do func(*os.File) error) error {
	file, err := open(folder)
	if err != nil {
		return err
	}
	return errors.Join(do(file), file.Close())
}

func thaw(file *os.File) error {
	err := unix.IoctlSetInt(int(file.Fd()), fiThaw, 0)
	if errors.Is(err, unix.EINVAL) {
		return errNotFrozen
	}
	return err
}

// detach gives the thawer a session of its own: a signal to ours does not reach
// it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
