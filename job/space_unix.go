//go:build linux || darwin || freebsd

package job

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// diskSpace returns the size of the file system of a folder and what this
// user may still write to it, in bytes.
func diskSpace(folder string) (total, free uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, 0, fmt.Errorf("look at %s: %w", folder, err)
	}
	size := uint64(st.Bsize)
	return st.Blocks * size, uint64(st.Bavail) * size, nil //nolint:unconvert // the type differs between systems
}
