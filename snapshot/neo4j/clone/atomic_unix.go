//go:build unix

package clone

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Atomic refuses folders whose files are not all in one file system: of two
// disks, nested subvolumes or datasets, and what links lead to, one snapshot
// does not hold one instant.
func Atomic(folders []string) error {
	var device uint64
	first := ""
	for _, folder := range folders {
		root, err := filepath.EvalSymlinks(folder)
		if err != nil {
			return err
		}
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.Type()&fs.ModeSymlink != 0 {
				return fmt.Errorf("%w: %s is a link", ErrNotAtomic, path)
			}
			dev, err := deviceOf(path)
			switch {
			case err != nil:
				return err
			case first == "":
				device, first = dev, path
			case dev != device:
				return fmt.Errorf("%w: %s and %s are on two", ErrNotAtomic, first, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func deviceOf(path string) (uint64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%w: %s is on no device", ErrUnfit, path)
	}
	return uint64(stat.Dev), nil //nolint:unconvert // the type differs between systems
}

// rootOf is the highest folder on the way up that is in the same file system:
// its mount point, or the root of its subvolume.
func rootOf(folder string) (string, error) {
	path, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", err
	}
	device, err := deviceOf(path)
	if err != nil {
		return "", err
	}
	for {
		parent := filepath.Dir(path)
		above, err := deviceOf(parent)
		if err != nil {
			return "", err
		}
		if parent == path || above != device {
			return path, nil
		}
		path = parent
	}
}

// usedOf is how full the file system of a folder is.
func usedOf(folder string) (used float64, known bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, false, fmt.Errorf("ask for free space: %w", err)
	}
	if s.Blocks == 0 {
		return 0, false, nil
	}
	return 1 - float64(s.Bavail)/float64(s.Blocks), true, nil
}
