package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// staging is where a tree grows until it takes the place of a directory.
type staging struct {
	target string // the directory, with symbolic links resolved
	temp   string // hidden; holds all that is not in place
	tree   string // in temp or temp itself: the new tree
	exists bool   // target is there
	mount  bool   // target is a mount point
	inside bool   // temp lies in target
	opts   Options
}

// newStaging checks that the target may be written, and makes an empty tree.
func newStaging(path string, opts Options) (*staging, error) {
	target, at, err := resolveTarget(path)
	if err != nil {
		return nil, err
	}
	s := &staging{target: target, exists: at != nil, opts: opts}
	if s.exists {
		if err := s.admit(at); err != nil {
			return nil, err
		}
	}
	if !s.inside {
		if s.temp, err = opts.sibling(target); err != nil {
			return nil, err
		}
		s.tree = s.temp
		err = os.Mkdir(s.temp, 0o700)
		if err == nil || !s.exists || !errors.Is(err, fs.ErrPermission) {
			return s, err
		}
		s.inside = true
	}
	if s.temp, err = opts.sibling(filepath.Join(target, "restore")); err != nil {
		return nil, err
	}
	s.tree = filepath.Join(s.temp, "new")
	if err := os.Mkdir(s.temp, 0o700); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.tree, 0o700); err != nil {
		return nil, firstError(err, os.Remove(s.temp))
	}
	return s, nil
}

// admit refuses what must stay, and decides where the tree grows.
func (s *staging) admit(at fs.FileInfo) error {
	if !at.IsDir() {
		return &snapshot.Error{
			Op: "restore", Name: s.target, Err: fmt.Errorf("%w: it is a %s", snapshot.ErrNotEmpty, sys.Kind(at.Mode())),
			Hint: "a directory was backed up: name a directory, or a file that ends in .tar",
		}
	}
	mounted, err := isMountPoint(s.target)
	if err != nil {
		return err
	}
	empty, err := emptyDir(s.target, mounted)
	if err != nil {
		return err
	}
	if !empty && !s.opts.Overwrite {
		return notEmpty(s.target, "a directory with something in it")
	}
	working, err := os.Getwd()
	s.mount = mounted
	s.inside = mounted || (err == nil && sameFile(working, s.target))
	return nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// publish puts the tree into place. seal sets the attributes of the directory.
func (s *staging) publish(seal func(*os.Root) error) error {
	if err := syncTree(s.tree); err != nil {
		return err
	}
	if s.inside {
		return s.publishInside(seal)
	}
	if err := sealAt(s.tree, seal); err != nil {
		return err
	}
	if err := s.replace(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.target))
}

func sealAt(path string, seal func(*os.Root) error) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return seal(root)
}

// replace renames the tree to the target. An old one ends up in temp.
func (s *staging) replace() error {
	if !s.exists {
		return renameNew(s.tree, s.target)
	}
	if !s.opts.Overwrite {
		// Fails if something was put into the empty directory meanwhile.
		if err := os.Remove(s.target); err != nil {
			return notEmpty(s.target, "it is no longer empty, or it cannot be replaced: "+err.Error())
		}
		if err := renameNew(s.tree, s.target); err != nil {
			return errors.Join(err, os.Mkdir(s.target, 0o777))
		}
		return nil
	}
	err := exchange(s.tree, s.target)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	old := s.temp + "-old"
	if err := os.Rename(s.target, old); err != nil {
		return err
	}
	if err := os.Rename(s.tree, s.target); err != nil {
		return firstError(err, os.Rename(old, s.target))
	}
	s.temp = old
	return nil
}

// publishInside moves the old content of the target into temp, and the new one
// out of it. If that fails, it is undone.
func (s *staging) publishInside(seal func(*os.Root) error) error {
	old := filepath.Join(s.temp, "old")
	if err := os.Mkdir(old, 0o700); err != nil {
		return err
	}
	stay := []string{filepath.Base(s.temp)}
	if _, err := os.Lstat(filepath.Join(s.tree, lostFound)); s.mount && errors.Is(err, fs.ErrNotExist) {
		stay = append(stay, lostFound)
	}
	if err := moveContent(s.target, old, stay...); err != nil {
		return errors.Join(err, moveContent(old, s.target))
	}
	if err := moveContent(s.tree, s.target); err != nil {
		return errors.Join(err, moveContent(s.target, s.tree, stay...), moveContent(old, s.target))
	}
	// The hidden folder must be gone before the time of the directory is set.
	if err := s.remove(); err != nil {
		s.opts.Log.Warn("the replaced content could not be removed", "path", s.temp, "error", err)
	}
	if err := sealAt(s.target, seal); err != nil {
		return err
	}
	return syncDir(s.target)
}

// lostFound is the folder that mkfs leaves in a fresh file system.
const lostFound = "lost+found"

// moveContent renames all that is in one folder, but for some names, into
// another.
func moveContent(from, to string, stay ...string) error {
	dir, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range dir {
		if slices.Contains(stay, e.Name()) {
			continue
		}
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes all that is not in place; nothing, if that was renamed.
func (s *staging) remove() error { return removeTree(s.temp) }
