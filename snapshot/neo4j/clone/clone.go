// Package clone takes atomic, writable copies of folders that are in use, by
// the snapshots of their file system: what it holds is what a disk holds after
// a power cut, at one instant, and Neo4j recovers from that.
//
// Nothing else here is atomic: not a copy of files, and not a snapshot of two
// file systems. So all files must lie in one of them, and that is looked at file
// by file.
package clone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The reasons why there is no clone.
var (
	ErrNotAtomic = errors.New("its files are not in one file system that one snapshot could hold")
	ErrUnfit     = errors.New("the file system cannot do this")
	ErrTool      = errors.New("the tool for snapshots failed")
	ErrFull      = errors.New("there is too little room for a snapshot where the database is")
)

// Via is what takes snapshots.
type Via string

// The ways there are.
const (
	Btrfs   Via = "btrfs"
	ZFS     Via = "zfs"
	LVM     Via = "lvm"
	Command Via = "command" // a program of the user's own
)

// Request says what is cloned.
type Request struct {
	Via Via
	// Program is called for Command: "take LABEL PLACE FOLDER" makes a clone of the
	// file system that has FOLDER, at PLACE or elsewhere, and prints where the clone
	// of FOLDER is; "remove LABEL" removes it, and whatever is left of it.
	Program string
	// Base is a folder that has all that is asked for of the clone.
	Base    string
	Folders []string // below it; they must all be in one file system
	Label   string   // unique, of letters, digits and dashes
	// Place is an empty folder at which the clone may be mounted.
	Place string
}

// Clone is a copy of a file system. Its fields are what is needed to remove it.
type Clone struct {
	Via     Via    `json:"via"`
	Label   string `json:"label"`
	Program string `json:"program,omitempty"`
	Place   string `json:"place,omitempty"`   // where it is mounted
	Origin  string `json:"origin,omitempty"`  // subvolume, dataset or volume group
	Source  string `json:"source,omitempty"`  // dataset or logical volume that was cloned
	FSType  string `json:"fs_type,omitempty"` // of what is mounted
	Pool    string `json:"pool,omitempty"`    // thin pool of the volume; empty: it has none

	root string // of the file system
	at   string // root of the clone
}

// Plan finds out how the folders are cloned, and refuses those that cannot be.
// Nothing is made. What it returns can be written down before Take, so that
// somebody else can Remove what a death in the middle leaves.
func Plan(ctx context.Context, req Request) (*Clone, error) {
	if err := Atomic(req.Folders); err != nil {
		return nil, err
	}
	c := &Clone{Via: req.Via, Label: req.Label, Place: req.Place}
	var err error
	if c.root, err = rootOf(req.Folders[0]); err != nil {
		return nil, err
	}
	switch req.Via {
	case Btrfs:
		return c, c.planBtrfs()
	case ZFS:
		return c, c.planZFS(ctx)
	case LVM:
		return c, c.planLVM(ctx)
	case Command:
		path, err := exec.LookPath(req.Program)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTool, err)
		}
		c.Program, err = filepath.Abs(path)
		c.Source = req.Base
		return c, err
	}
	return nil, fmt.Errorf("%w: there is no way %q", ErrUnfit, req.Via)
}

// Take makes the clone. After an error the caller removes it all the same.
func (c *Clone) Take(ctx context.Context) error {
	switch c.Via {
	case Btrfs:
		return c.takeBtrfs(ctx)
	case ZFS:
		return c.takeZFS(ctx)
	case LVM:
		return c.takeLVM(ctx)
	}
	return c.takeCommand(ctx)
}

// Remove removes the clone, or what there is of it. That there is none is no
// error.
func (c *Clone) Remove(ctx context.Context) error {
	switch c.Via {
	case Btrfs:
		return c.removeBtrfs(ctx)
	case ZFS:
		return c.removeZFS(ctx)
	case LVM:
		return c.removeLVM(ctx)
	case Command:
		_, err := run(ctx, c.Program, "remove", c.Label)
		return err
	}
	return fmt.Errorf("%w: there is no way %q", ErrUnfit, c.Via)
}

// Path is where the clone has a folder that was asked for, or what is below it.
func (c *Clone) Path(folder string) (string, error) {
	resolved, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", err
	}
	base := c.root
	if c.Via == Command {
		if base, err = filepath.EvalSymlinks(c.Source); err != nil {
			return "", err
		}
	}
	rel, err := filepath.Rel(base, resolved)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", fmt.Errorf("%w: %s is not below %s", ErrNotAtomic, folder, base)
	}
	return filepath.Join(c.at, rel), nil
}

// Save writes down what removes the clone; Load reads it.
func (c *Clone) Save(path string) error {
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write down the clone: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write down the clone: %w", err)
	}
	_, err = file.Write(append(raw, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write down the clone: %w", err)
	}
	return nil
}

// Load reads what Save wrote. Without a file there is no clone, and no error.
func Load(path string) (*Clone, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("read what was cloned: %w", err)
	}
	return parse(raw)
}

func parse(raw []byte) (*Clone, error) {
	var c Clone
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read what was cloned: %w", err)
	}
	known := slices.Contains([]Via{Btrfs, ZFS, LVM, Command}, c.Via)
	if !known || !strings.HasPrefix(c.Label, LabelPrefix) || strings.ContainsAny(c.Label, "/@ \n") {
		return nil, errors.New("read what was cloned: it is not of this version")
	}
	return &c, nil
}

// LabelPrefix begins every label, so that nothing else is ever removed.
const LabelPrefix = "snapferry-"

// run runs a tool and returns what it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s: %w: %.500s", ErrTool, strings.Join(append([]string{filepath.Base(name)}, args...), " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// takeCommand lets the user's program make a clone.
func (c *Clone) takeCommand(ctx context.Context) error {
	out, err := run(ctx, c.Program, "take", c.Label, c.Place, c.Source)
	if err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%w: %s printed %.200q, which is no folder", ErrTool, filepath.Base(c.Program), out)
	}
	if original, err := os.Stat(c.Source); err == nil && os.SameFile(info, original) {
		return fmt.Errorf("%w: %s printed the live folder", ErrTool, filepath.Base(c.Program))
	}
	c.at = out
	return nil
}
