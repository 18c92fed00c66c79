//go:build linux || darwin

package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// rawFile is a file of a directory, opened for reading. It is a bare
// descriptor because small files come by the million, and an *os.File costs
// two more system calls and a finalizer each.
type rawFile struct{ fd int }

// openRaw never follows a symbolic link, and never waits for the other end of
// a pipe that took the place of a file. The access time is left alone where
// the system lets us.
func openRaw(path string) (rawFile, error) {
	var fd int
	open := func(flags int) error {
		return sys.Retry(func() (err error) {
			fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|flags, 0)
			return err
		})
	}
	err := open(noAtime)
	if errors.Is(err, unix.EPERM) && noAtime != 0 { // the file belongs to somebody else
		err = open(0)
	}
	if err != nil {
		return rawFile{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return rawFile{fd}, nil
}

func (f rawFile) readAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		var m int
		err = sys.Retry(func() (err error) {
			m, err = unix.Pread(f.fd, p[n:], off+int64(n))
			return err
		})
		if err != nil || m == 0 {
			return n, err
		}
		n += m
	}
	return n, nil
}

func (f rawFile) inode() (inode, error) {
	var st unix.Stat_t
	if err := sys.Retry(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return inode{}, err
	}
	return newInode(&st), nil
}

func (f rawFile) close() { _ = unix.Close(f.fd) }

// openRegular opens a file for reading as openRaw does, as an *os.File.
func openRegular(path string) (*os.File, error) {
	f, err := openRaw(path)
	if err != nil {
		return nil, err
	}
	// Harmless on a regular file, but os would take it for something to poll.
	if err := unix.SetNonblock(f.fd, false); err != nil {
		f.close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(f.fd), path), nil
}
