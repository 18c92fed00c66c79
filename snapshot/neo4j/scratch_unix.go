//go:build unix

package neo4j

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// freeSpace returns the bytes that this user may still write below path.
func freeSpace(path string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return 0, err
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), nil //nolint:unconvert // the types differ between systems
}

// removeLocked removes the file first: once the lock is given back, the name
// may belong to somebody else.
func removeLocked(f *os.File) error {
	return errors.Join(os.Remove(f.Name()), f.Close())
}

// writable refuses a folder that this user may not write to.
func writable(folder string) error {
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: folder, Err: err}
	}
	return nil
}

// private reports whether info is of a folder that only this user can have
// filled: its name can be guessed, and scratch may be a folder of everybody.
func private(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0
}
