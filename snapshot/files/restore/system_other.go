//go:build !linux

package restore

import (
	"errors"
	"os"
)

func freeSpace(string) (int64, bool) { return 0, false }

func punchHole(*os.File, int64, int64) error { return errors.ErrUnsupported }

func zeroRange(*os.File, int64, int64) error { return errors.ErrUnsupported }

// renameNew renames a file to a name at which, a moment ago, was nothing.
func renameNew(from, to string) error { return os.Rename(from, to) }

func exchange(string, string) error { return errors.ErrUnsupported }

// syncsTrees says that files must be made durable one by one.
const syncsTrees = false

func syncTree(string) error { return nil }
