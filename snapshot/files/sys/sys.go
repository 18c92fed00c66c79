// Package sys holds what the sources and the targets of files ask of the
// operating system alike: causes of errors, kinds of files, mounts.
package sys

import (
	"errors"
	"io/fs"

	"github.com/snapferry/snapferry/snapshot"
)

// IsBlockDevice reports whether a file of this mode is one.
func IsBlockDevice(mode fs.FileMode) bool {
	return mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
}

// Kind names the kind of a file of this mode, for people.
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode.IsRegular():
		return "regular file"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeCharDevice != 0:
		return "character device"
	case mode&fs.ModeDevice != 0:
		return "block device"
	}
	return "special file"
}

// Cause drops the operation and path that package os puts around a cause: the
// error that will carry it names both.
func Cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) && !errors.Is(err, snapshot.ErrChanged) {
		return pathErr.Err
	}
	return err
}
