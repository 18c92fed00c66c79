package clone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// btrfs: a snapshot is a subvolume, writable, and is made in the one that it is
// of, the only place that is surely in the same file system.

func (c *Clone) planBtrfs() error {
	if err := subvolume(c.root); err != nil {
		return err
	}
	c.Origin = c.root
	return nil
}

func (c *Clone) subvolumePath() string { return filepath.Join(c.Origin, "."+c.Label) }

func (c *Clone) takeBtrfs(ctx context.Context) error {
	_, err := run(ctx, "btrfs", "subvolume", "snapshot", c.Origin, c.subvolumePath())
	c.at = c.subvolumePath()
	return err
}

func (c *Clone) removeBtrfs(ctx context.Context) error {
	if _, err := os.Lstat(c.subvolumePath()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	_, err := run(ctx, "btrfs", "subvolume", "delete", c.subvolumePath())
	return err
}

// zfs: a snapshot cannot be written to, so a clone of it is mounted.

func (c *Clone) planZFS(ctx context.Context) error {
	out, err := run(ctx, "zfs", "list", "-H", "-t", "filesystem", "-o", "name,mountpoint", c.root)
	if err != nil {
		return err
	}
	name, mountpoint, ok := strings.Cut(out, "\t")
	if !ok || filepath.Clean(mountpoint) != c.root {
		return fmt.Errorf("%w: zfs says of %s: %.200q", ErrUnfit, c.root, out)
	}
	c.Source = name
	c.Origin, _, _ = strings.Cut(name, "/") // the pool
	return nil
}

func (c *Clone) zfsClone() string    { return c.Origin + "/" + c.Label }
func (c *Clone) zfsSnapshot() string { return c.Source + "@" + c.Label }

func (c *Clone) takeZFS(ctx context.Context) error {
	if _, err := run(ctx, "zfs", "snapshot", c.zfsSnapshot()); err != nil {
		return err
	}
	_, err := run(ctx, "zfs", "clone", "-o", "readonly=off", "-o", "mountpoint="+c.Place, c.zfsSnapshot(), c.zfsClone())
	c.at = c.Place
	return err
}

func (c *Clone) removeZFS(ctx context.Context) error {
	var failures []error
	for _, name := range []string{c.zfsClone(), c.zfsSnapshot()} {
		_, err := run(ctx, "zfs", "list", "-H", "-t", "all", "-o", "name", name)
		if err == nil {
			_, err = run(ctx, "zfs", "destroy", name)
		} else if !errors.Is(err, exec.ErrNotFound) {
			continue // there is none
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// lvm: a snapshot of the logical volume is mounted.

func (c *Clone) planLVM(ctx context.Context) error {
	out, err := run(ctx, "findmnt", "--noheadings", "--raw", "--output", "SOURCE,FSTYPE,TARGET", "--mountpoint", c.root)
	if err != nil {
		return err
	}
	fields := strings.Fields(out)
	const three = 3
	if len(fields) != three {
		return fmt.Errorf("%w: findmnt says of %s: %.200q", ErrUnfit, c.root, out)
	}
	c.FSType = fields[1]
	if out, err = run(ctx, "lvs", "--noheadings", "--separator", ",", "--options", "vg_name,lv_name,pool_lv", fields[0]); err != nil {
		return err
	}
	fields = strings.Split(strings.TrimSpace(out), ",")
	if len(fields) != three {
		return fmt.Errorf("%w: lvs says of %s: %.200q", ErrUnfit, c.root, out)
	}
	c.Origin, c.Source = fields[0], fields[1]
	c.Pool = fields[2] // of which snapshots need no size
	return nil
}

func (c *Clone) takeLVM(ctx context.Context) error {
	args := []string{"--snapshot", "--name", c.Label}
	if c.Pool != "" {
		args = append(args, "--setactivationskip", "n")
	} else {
		// What is written meanwhile goes there; a snapshot that is full is void, and
		// the dump fails.
		args = append(args, "--extents", "20%ORIGIN")
	}
	if _, err := run(ctx, "lvcreate", append(args, c.Origin+"/"+c.Source)...); err != nil {
		return err
	}
	options := "rw"
	if c.FSType == "xfs" { // which refuses two of one identity
		options = "rw,nouuid"
	}
	_, err := run(ctx, "mount", "-o", options, filepath.Join("/dev", c.Origin, c.Label), c.Place)
	c.at = c.Place
	return err
}

func (c *Clone) removeLVM(ctx context.Context) error {
	if err := unmount(ctx, c.Place); err != nil {
		return err
	}
	volume := c.Origin + "/" + c.Label
	_, err := run(ctx, "lvs", "--noheadings", "--options", "lv_name", volume)
	if err == nil {
		_, err = run(ctx, "lvremove", "--yes", volume)
	} else if !errors.Is(err, exec.ErrNotFound) {
		err = nil // there is none
	}
	return err
}

// unmount unmounts what is mounted at a folder. That there is nothing is no
// error.
func unmount(ctx context.Context, at string) error {
	if at == "" {
		return nil
	}
	_, err := run(ctx, "findmnt", "--mountpoint", at)
	if err == nil {
		_, err = run(ctx, "umount", at)
	} else if !errors.Is(err, exec.ErrNotFound) {
		err = nil
	}
	return err
}
