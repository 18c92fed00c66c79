package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// locked reports whether another process holds a lock on a file; the system does
// not tell which.
func locked(path string) (pid int, held bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look for a running server: %w", err)
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	closeErr := file.Close() // which gives the lock back
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return 0, true, nil
	}
	if err = errors.Join(err, closeErr); err != nil {
		return 0, false, fmt.Errorf("look for a running server: %w", err)
	}
	return 0, false, nil
}
