package home

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// Folder is a scratch folder of one run: nobody else may look into it, and what
// a run that was killed left of it, the next one removes.
type Folder struct {
	Path string
	lock *os.File
}

// LockName is the name of the lock in a scratch folder.
const LockName = "snapferry.lock"

// NewFolder makes a folder below parent, which must exist. Before that it
// removes those of the same purpose whose runs are gone, and ends the scratch
// servers that they left.
func NewFolder(parent, purpose string, log *slog.Logger) (*Folder, error) {
	// Programs that run elsewhere are told of it.
	parent, err := install.RealFolder(parent)
	if err != nil {
		return nil, fmt.Errorf("open scratch folder: %w", err)
	}
	if err := Clean(parent, purpose, log); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, prefix(purpose)+"*")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, LockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = LockFile(lock)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock scratch folder: %w", err), os.RemoveAll(path))
	}
	return &Folder{Path: path, lock: lock}, nil
}

func prefix(purpose string) string { return "snapferry-" + purpose + "-" }

// Remove removes the folder and all that is in it.
func (f *Folder) Remove() error {
	// An open file cannot be removed on some systems; and once the lock is given
	// back, another run may remove the rest. Both are good.
	err := f.lock.Close()
	if err = errors.Join(err, os.RemoveAll(f.Path)); err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	return nil
}

// Clean removes the folders below parent whose runs are gone.
func Clean(parent, purpose string, log *slog.Logger) error {
	paths, err := filepath.Glob(filepath.Join(install.GlobEscape(parent), prefix(purpose)+"*"))
	if err != nil {
		return fmt.Errorf("look for left scratch folders: %w", err)
	}
	for _, path := range paths {
		if err := clean(path, log); err != nil {
			log.Warn("a scratch folder of an earlier run is left; remove it by hand", "folder", path, "error", err)
		}
	}
	return nil
}

// clean removes one folder, unless its run goes on or it is somebody else's.
func clean(path string, log *slog.Logger) error {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || !ownedByUs(info) {
		return nil //nolint:nilerr // it is gone, or not ours
	}
	lock, err := os.OpenFile(filepath.Join(path, LockName), os.O_RDWR, 0)
	if err != nil {
		return nil //nolint:nilerr // it is being made, or removed
	}
	free := LockFile(lock) == nil
	// Two runs that clean at once remove the same things.
	if err := lock.Close(); err != nil || !free {
		return err // or its run goes on
	}
	homes, err := filepath.Glob(filepath.Join(install.GlobEscape(path), "*", "data"))
	if err != nil {
		return err
	}
	for _, data := range homes {
		if err := EndServer(data, log); err != nil {
			return err
		}
	}
	log.Info("removing what an earlier run left", "folder", path)
	return os.RemoveAll(path)
}

// EndServer ends the scratch server that an earlier run left on a folder of
// data. That there is none is no error.
func EndServer(data string, log *slog.Logger) error {
	pid, running, err := install.RunningOn(data)
	if err != nil || !running {
		return err
	}
	log.Warn("ending a scratch server that an earlier run left", "data", data, "process", pid)
	return endServer(pid)
}

// LetIn lets the owner read what is in a folder of ours.
func LetIn(owner *process.Owner, dir string) error {
	if owner == nil {
		return nil
	}
	if err := os.Chmod(dir, owner.FolderMode()); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != LockName {
			err = errors.Join(err, owner.Give(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
