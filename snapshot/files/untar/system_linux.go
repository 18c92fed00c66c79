package untar

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// setTime restores the modification time of an entry of the folder, to the
// nanosecond, a symbolic link's too; the access time is left alone.
func (f *folder) setTime(base string, h *tar.Header) error {
	mtime, err := unix.TimeToTimespec(h.ModTime)
	if err != nil {
		return fmt.Errorf("set time: %w", err)
	}
	err = f.call(func(fd int) error {
		return unix.UtimesNanoAt(fd, base, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return fmt.Errorf("set time: %w", err)
	}
	return nil
}

// makeSpecial makes a device node or a named pipe.
func (f *folder) makeSpecial(base string, h *tar.Header) error {
	kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[h.Typeflag]
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return f.call(func(fd int) error { return unix.Mknodat(fd, base, kind|0o600, int(dev)) })
}

// setLinkXattr goes through /proc, for there is no call that takes a folder
// and a name.
func (f *folder) setLinkXattr(base, name, value string) error {
	return f.call(func(fd int) error {
		return unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", fd, base), name, []byte(value), 0)
	})
}

func setXattr(f *os.File, name, value string) error {
	return control(f, func(fd int) error { return unix.Fsetxattr(fd, name, []byte(value), 0) })
}

func (f *folder) call(fn func(fd int) error) error { return control(f.dir, fn) }

func control(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if callErr = fn(int(fd)); !errors.Is(callErr, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return callErr
}

func isUnsupported(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}
