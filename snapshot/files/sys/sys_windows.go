package sys

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

// Place knows no numbers of file systems here: all paths lie on one.
func Place(string) (dev, ino uint64, err error) { return 0, 0, errors.ErrUnsupported }

// IsNoSpace reports whether a file system is full.
func IsNoSpace(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

// IsNameTooLong reports whether a path, or a part of it, is.
func IsNameTooLong(err error) bool { return errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE) }

// IsBusy reports whether somebody else holds a file.
func IsBusy(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// IsNotDir reports whether a path goes through what is not a folder.
func IsNotDir(err error) bool { return errors.Is(err, windows.ERROR_DIRECTORY) }

// IsGone reports whether a file was removed.
func IsGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsUnsupported reports whether the system cannot do what was asked.
func IsUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
