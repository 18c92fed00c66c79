package restore

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// freeSpace is what a user may still write to the file system of a folder, in
// bytes.
func freeSpace(folder string) (int64, bool) {
	var st unix.Statfs_t
	if err := sys.Retry(func() error { return unix.Statfs(folder, &st) }); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true //nolint:unconvert // 32 bits on some systems
}

// punchHole makes a range of a file read as zeros and frees its storage.
func punchHole(f *os.File, off, n int64) error {
	return fallocate(f, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// zeroRange makes a range of a device read as zeros, by whatever the device
// offers for it.
func zeroRange(f *os.File, off, n int64) error {
	const step = 1 << 30 // one call cannot be interrupted
	for ; n > 0; off, n = off+step, n-step {
		if err := fallocate(f, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, min(n, step)); err != nil {
			return err
		}
	}
	return nil
}

func fallocate(f *os.File, mode uint32, off, n int64) error {
	err := sys.WithFD(f, func(fd int) error { return unix.Fallocate(fd, mode, off, n) })
	if sys.IsUnsupported(err) {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// renameNew renames a file to a name that must not exist.
func renameNew(from, to string) error {
	err := sys.Retry(func() error { return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE) })
	if sys.IsUnsupported(err) { // an old kernel, or a network file system; the caller looked a moment ago
		return os.Rename(from, to)
	}
	if errors.Is(err, unix.EEXIST) {
		return notEmpty(to, "it appeared while the restore ran")
	}
	return err
}

// exchange swaps two paths in one step.
func exchange(a, b string) error {
	err := sys.Retry(func() error { return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) })
	if sys.IsUnsupported(err) {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// syncsTrees says that syncTree does its work here.
const syncsTrees = true

// syncTree makes everything below a folder durable: the whole file system, in
// one call, instead of one call a file.
func syncTree(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return sys.WithFD(f, unix.Syncfs)
}
