package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/providers"
)

// putUnnamed writes a file that has no name until it is complete and durable,
// so that a process killed on the way leaves nothing behind. It returns
// errUnnamed if the file system cannot do that.
func (b *Bucket) putUnnamed(ctx context.Context, root *os.Root, key string, body providers.Body) (err error) {
	folder, err := root.Open(path.Dir(key))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // opened for reading
	f, err := openUnnamed(folder)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := b.write(ctx, f, body); err != nil {
		return err
	}
	return linkUnnamed(folder, f, path.Base(key))
}

func openUnnamed(folder *os.File) (*os.File, error) {
	fd, err := -1, error(nil)
	cerr := control(folder, func(dir int) {
		for {
			fd, err = unix.Openat(dir, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, fileMode)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return nil, cerr
	case isAny(err, []error{unix.EOPNOTSUPP, unix.ENOTSUP, unix.EISDIR, unix.EINVAL, unix.ENOSYS}):
		// An old kernel takes the flag for an attempt to write a folder.
		return nil, errUnnamed
	case err != nil:
		return nil, &fs.PathError{Op: "create", Path: folder.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), folder.Name()+"/(unnamed)"), nil
}

func linkUnnamed(folder, f *os.File, name string) error {
	var err error
	cerr := control(folder, func(dir int) {
		ferr := control(f, func(fd int) {
			// AT_EMPTY_PATH would need a capability; /proc needs none.
			err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), dir, name, unix.AT_SYMLINK_FOLLOW)
		})
		err = errors.Join(err, ferr)
	})
	if cerr != nil {
		return cerr
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) || isAny(err, noLinkErrors()) {
		// No /proc, or no hard links.
		return errUnnamed
	}
	return &fs.PathError{Op: "link", Path: folder.Name() + "/" + name, Err: err}
}

// renameNew moves a file to a name that is not taken, for file systems without
// hard links.
func renameNew(root *os.Root, from, to string) error {
	source, err := root.Open(path.Dir(from))
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // opened for reading
	target, err := root.Open(path.Dir(to))
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }() // opened for reading
	cerr := control(source, func(olddir int) {
		ferr := control(target, func(newdir int) {
			err = unix.Renameat2(olddir, path.Base(from), newdir, path.Base(to), unix.RENAME_NOREPLACE)
		})
		err = errors.Join(err, ferr)
	})
	if cerr != nil {
		return cerr
	}
	if isAny(err, []error{unix.EINVAL, unix.ENOSYS, unix.ENOTSUP}) {
		return errNoCreate(to)
	}
	return err
}

func control(f *os.File, do func(fd int)) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return c.Control(func(fd uintptr) { do(int(fd)) })
}
