//go:build linux || darwin

package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Retry repeats a system call that a signal interrupted.
func Retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// WithFD lends the descriptor of f to a system call that package os does not
// offer, and repeats the call if a signal interrupts it.
func WithFD(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(fd uintptr) {
		callErr = Retry(func() error { return call(int(fd)) })
	}); err != nil {
		return err
	}
	return callErr
}

// Place returns the file system that path lies on, and its number there,
// without following a symbolic link.
func Place(path string) (dev, ino uint64, err error) {
	var st unix.Stat_t
	if err := Retry(func() error { return unix.Lstat(path, &st) }); err != nil {
		return 0, 0, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return uint64(st.Dev), st.Ino, nil //nolint:unconvert // 32 bits on darwin
}

// IsNoSpace reports whether a file system or a quota is full.
func IsNoSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// IsNameTooLong reports whether a path, or a part of it, is.
func IsNameTooLong(err error) bool { return errors.Is(err, unix.ENAMETOOLONG) }

// IsBusy reports whether somebody else holds a device.
func IsBusy(err error) bool { return errors.Is(err, unix.EBUSY) }

// IsNotDir reports whether a path goes through what is not a folder.
func IsNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

// IsGone reports whether a file was removed, or became a symbolic link, or its
// folder did.
func IsGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// IsUnsupported reports whether the kernel or the file system cannot do what
// was asked.
func IsUnsupported(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}
