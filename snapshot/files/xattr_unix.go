//go:build linux || darwin

package files

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// xattrReader reads extended attributes into a buffer it keeps.
type xattrReader struct{ names, value []byte }

// maxXattr is the size of the longest list of names, and of the longest value,
// in bytes (XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux).
const maxXattr = 64 << 10

// read returns the extended attributes of path itself, sorted by name; among
// them are file capabilities and POSIX ACLs.
func (r *xattrReader) read(path string) ([]xattr, error) {
	if r.names == nil {
		r.names, r.value = make([]byte, maxXattr), make([]byte, maxXattr)
	}
	var n int
	err := sys.Retry(func() (err error) {
		n, err = unix.Llistxattr(path, r.names)
		return err
	})
	if sys.IsUnsupported(err) || (err == nil && n == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	var list []xattr
	for name := range bytes.SplitSeq(bytes.TrimSuffix(r.names[:n], []byte{0}), []byte{0}) {
		x := xattr{name: string(name)}
		err := sys.Retry(func() (err error) {
			n, err = unix.Lgetxattr(path, x.name, r.value)
			return err
		})
		if errors.Is(err, errNoXattr) {
			continue // removed since; the change time of the file tells
		}
		if err != nil {
			return nil, fmt.Errorf("read extended attribute %s: %w", x.name, err)
		}
		x.value = string(r.value[:n])
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b xattr) int { return strings.Compare(a.name, b.name) })
	return list, nil
}
