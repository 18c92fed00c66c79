package clone

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootInode is the number of the root of every subvolume.
const rootInode = 256

// subvolume refuses a folder that is not the root of a subvolume of btrfs.
func subvolume(path string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if fs.Type != unix.BTRFS_SUPER_MAGIC || !ok || stat.Ino != rootInode {
		return fmt.Errorf("%w: %s is no subvolume of btrfs", ErrUnfit, path)
	}
	return nil
}
