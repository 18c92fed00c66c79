package local

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// dirMode and fileMode keep a vault to the user who writes it.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// mkdirDurable creates dir and its missing parents, and makes each name
// durable in the folder above it.
func mkdirDurable(dir string) error {
	err := os.Mkdir(dir, dirMode)
	parent := filepath.Dir(dir)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := mkdirDurable(parent); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirMode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // opened for reading
	return syncDir(d)
}

// makeFolder creates the folder dir below the root and makes it durable. A
// folder found is made durable once too: the process that created it may not
// have come to that yet.
func (b *Bucket) makeFolder(root *os.Root, dir string) error {
	if dir == "." || b.isDurable(dir) {
		return nil
	}
	parent := path.Dir(dir)
	if err := b.makeFolder(root, parent); err != nil {
		return err
	}
	if err := root.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncFolder(root, parent); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.durable[dir] = true
	return nil
}

func (b *Bucket) isDurable(dir string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.durable[dir]
}

// forgetFolders makes the next operation look at all folders again. The old
// root may be in use; it is closed when nobody holds it any more.
func (b *Bucket) forgetFolders() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.durable)
	b.root = nil
}

func syncFolder(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // opened for reading
	return syncDir(d)
}
