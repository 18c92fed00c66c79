package clone

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	stampLayout = "20060102T150405Z"
	randomBytes = 4 // of a label, at its end
)

// Label names a clone: of what, when it was made, and something random, so that
// no two are the same and people see which are old.
func Label(of string, now time.Time) string {
	var random [randomBytes]byte
	rand.Read(random[:])
	return LabelPrefix + plain(of) + "-" + now.UTC().Format(stampLayout) + "-" + hex.EncodeToString(random[:])
}

// plain replaces what the names of volumes cannot have.
func plain(of string) string { return strings.ReplaceAll(of, ".", "-") }

// Made is when the clone was made, by its label, if that is a label of one of
// these names.
func (c *Clone) Made(names []string) (made time.Time, ours bool) {
	rest, ok := strings.CutPrefix(c.Label, LabelPrefix)
	const tail = 1 + len(stampLayout) + 1 + 2*randomBytes
	if !ok || len(rest) <= tail {
		return time.Time{}, false
	}
	of, stamp, random := rest[:len(rest)-tail], rest[len(rest)-tail+1:][:len(stampLayout)], rest[len(rest)-2*randomBytes:]
	made, err := time.Parse(stampLayout, stamp)
	if err != nil || rest[len(rest)-tail] != '-' || rest[len(rest)-2*randomBytes-1] != '-' {
		return time.Time{}, false
	}
	if _, err := hex.DecodeString(random); err != nil {
		return time.Time{}, false
	}
	return made, slices.ContainsFunc(names, func(name string) bool { return plain(name) == of })
}

// Left finds the clones that there are of the file system that has the folders,
// by their labels: of runs that were killed, or are under way. Each can be
// removed. ErrUnfit: only a program of the user's own knows.
func Left(ctx context.Context, req Request) ([]*Clone, error) {
	if req.Via == Command {
		return nil, fmt.Errorf("%w: %s alone knows what clones there are", ErrUnfit, filepath.Base(req.Program))
	}
	origin, err := Plan(ctx, req)
	if err != nil {
		return nil, err
	}
	switch req.Via {
	case ZFS:
		return origin.leftZFS(ctx)
	case LVM:
		return origin.leftLVM(ctx)
	}
	return origin.leftBtrfs()
}

// labelled is a clone of the same origin, with another label.
func (c *Clone) labelled(label, at string) *Clone {
	other := *c
	other.Label, other.Place, other.at = label, at, at
	return &other
}

func (c *Clone) leftBtrfs() (left []*Clone, err error) {
	entries, err := os.ReadDir(c.Origin)
	if err != nil {
		return nil, fmt.Errorf("look for clones: %w", err)
	}
	for _, e := range entries {
		label, ok := strings.CutPrefix(e.Name(), ".")
		path := filepath.Join(c.Origin, e.Name())
		if ok && strings.HasPrefix(label, LabelPrefix) && e.IsDir() && subvolume(path) == nil {
			left = append(left, c.labelled(label, path))
		}
	}
	return left, nil
}

// leftZFS finds clones by their snapshots, without which there is none.
func (c *Clone) leftZFS(ctx context.Context) (left []*Clone, err error) {
	out, err := run(ctx, "zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-d", "1", c.Source)
	if err != nil {
		return nil, err
	}
	for name := range strings.Lines(out) {
		_, label, _ := strings.Cut(strings.TrimSpace(name), "@")
		if !strings.HasPrefix(label, LabelPrefix) {
			continue
		}
		found := c.labelled(label, "")
		if at, err := run(ctx, "zfs", "list", "-H", "-o", "mountpoint", found.zfsClone()); err == nil { // else the run died before it was made
			found = c.labelled(label, at)
		}
		left = append(left, found)
	}
	return left, nil
}

func (c *Clone) leftLVM(ctx context.Context) (left []*Clone, err error) {
	out, err := run(ctx, "lvs", "--noheadings", "--separator", ",", "--options", "lv_name,origin", c.Origin)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		label, origin, _ := strings.Cut(strings.TrimSpace(line), ",")
		if !strings.HasPrefix(label, LabelPrefix) || origin != c.Source {
			continue
		}
		at, err := run(ctx, "findmnt", "--noheadings", "--raw", "--first-only", "--output", "TARGET", "--source", filepath.Join("/dev", c.Origin, label))
		if errors.Is(err, exec.ErrNotFound) {
			return nil, err
		}
		if err != nil {
			at = "" // it is not mounted
		}
		left = append(left, c.labelled(label, at))
	}
	return left, nil
}
