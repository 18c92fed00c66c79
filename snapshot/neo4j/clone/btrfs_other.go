//go:build !linux

package clone

import "fmt"

func subvolume(path string) error {
	return fmt.Errorf("%w: %s is no subvolume of btrfs", ErrUnfit, path)
}
