//go:build unix

package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

var (
	noSpaceErrors = []error{unix.ENOSPC, unix.EDQUOT}
	deniedErrors  = []error{unix.EROFS}
	// noLinkErrors say that a file system has no hard links.
	noLinkErrors      = []error{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EMLINK}
	nameTooLongErrors = []error{unix.ENAMETOOLONG}
	errNotDir         = error(unix.ENOTDIR)
)

// syncDir makes the entries of an open folder durable. File systems that
// cannot do that say EINVAL or ENOTSUP, and have nothing better to offer.
func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
