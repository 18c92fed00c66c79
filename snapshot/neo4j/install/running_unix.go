//go:build unix

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// locked reports whether another process holds a lock on a file, and which,
// where the system tells: 0 if it is in another container.
func locked(path string) (pid int, held bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look for a running server: %w", err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock)
	// Closing it gives up locks of this process on it; there are none.
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, false, fmt.Errorf("look for a running server: %w", err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, false, nil
	}
	return max(int(lock.Pid), 0), true, nil
}
