//go:build unix

package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const errNotDir = unix.ENOTDIR

func noSpaceErrors() []error { return []error{unix.ENOSPC, unix.EDQUOT} }

func deniedErrors() []error { return []error{unix.EROFS} }

func nameTooLongErrors() []error { return []error{unix.ENAMETOOLONG} }

// noLinkErrors say that a file system has no hard links.
func noLinkErrors() []error {
	return []error{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EMLINK}
}

// syncDir makes the entries of an open folder durable. File systems that
// cannot do that say EINVAL or ENOTSUP, and have nothing better to offer.
func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
