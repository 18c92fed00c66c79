package local

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/snapferry/snapferry/providers"
)

// wrap gives a system error the sentinel callers act on and a hint; nil stays
// nil.
func wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	out := &providers.Error{Op: op, Key: key, Err: err}
	switch {
	case isAny(err, noSpaceErrors()):
		out.Err = fmt.Errorf("%w: %v", providers.ErrNoSpace, err)
		out.Hint = "free space or raise the quota, then run the same command again: what is stored already is kept"
	case errors.Is(err, fs.ErrPermission) || isAny(err, deniedErrors()):
		out.Err = fmt.Errorf("%w: %v", providers.ErrDenied, err)
		out.Hint = "give the user who runs this the right to write the folder, and check that it is not mounted read-only"
	case strings.Contains(err.Error(), "escapes from parent"): // package os exports no error for it
		out.Err = fmt.Errorf("%w: %v", providers.ErrDenied, err)
		out.Hint = "a symbolic link within the vault leads out of it; remove it"
	case isAny(err, nameTooLongErrors()):
		out.Err = fmt.Errorf("%w: %v", providers.ErrUnsupported, err)
		out.Hint = "use a shorter path, prefix or name"
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir):
		out.Err = fmt.Errorf("%w: %v", providers.ErrNotFound, err)
	}
	return out
}

func isAny(err error, targets []error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// errNoCreate is the error of a file system on which no name can be created
// without the risk of replacing one.
func errNoCreate(key string) error {
	return &providers.Error{Op: "put", Key: key,
		Err:  fmt.Errorf("%w: this file system has neither hard links nor a rename that never replaces", providers.ErrUnsupported),
		Hint: "put the vault on a file system with hard links, such as ext4, XFS, Btrfs, APFS or NTFS"}
}
