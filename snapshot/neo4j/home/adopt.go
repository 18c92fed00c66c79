package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/snapferry/snapferry/snapshot"
)

// ErrCopy says that a folder is no copy of a database.
var ErrCopy = errors.New("it is no copy of one database")

// Adopt makes the copy of a database that is in dir, as databases/NAME and
// transactions/NAME, the home's database, whatever its name. dir must be on the
// file system of the home, and is emptied. One that needs recovery is recovered.
func (h *Home) Adopt(ctx context.Context, dir string) error {
	if err := plain(dir); err != nil {
		return err
	}
	at, err := h.Store(ctx)
	if err != nil {
		return err
	}
	places := map[string]string{"databases": at.Data, "transactions": at.Logs}
	if at.Logs == at.Data { // as in 3.5
		delete(places, "transactions")
	}
	for part, place := range places {
		from, err := soleFolder(filepath.Join(dir, part))
		if err != nil {
			return err
		}
		if err := move(from, place); err != nil {
			return fmt.Errorf("put the copy in place: %w", err)
		}
		if err := h.giveTree(place); err != nil {
			return err
		}
	}
	recovers := h.own.Version.Major < 4 // which does not tell
	if !recovers {
		info, err := h.Info(ctx)
		if err != nil {
			return err
		}
		recovers = info.RecoveryRequired
	}
	if recovers {
		_, err = h.Recover(ctx)
	}
	return err
}

// plain refuses what is no folder with plain files: as root, a link would lead
// whoever runs the server out of the home. What there is, is made writable for its
// owner alone, while nobody else can get at it.
func plain(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.Chmod(path, 0o700)
		case !e.Type().IsRegular():
			return fmt.Errorf("%w: %w: %s is neither a file nor a folder", snapshot.ErrUnsafe, ErrCopy, filepath.Base(path))
		}
		return os.Chmod(path, 0o600)
	})
}

// soleFolder is the one folder within another.
func soleFolder(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %s is missing", ErrCopy, filepath.Base(dir))
	case err != nil:
		return "", err
	case len(entries) != 1 || !entries[0].IsDir():
		return "", fmt.Errorf("%w: %s has not one folder", ErrCopy, filepath.Base(dir))
	}
	return filepath.Join(dir, entries[0].Name()), nil
}

// move renames a folder, or copies it to another file system.
func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	return errors.Join(os.CopyFS(to, os.DirFS(from)), os.RemoveAll(from))
}

// giveTree makes a folder and all in it belong to who runs the home.
func (h *Home) giveTree(root string) error {
	if h.options.As == nil {
		return nil
	}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return h.options.As.Give(path)
	})
}
