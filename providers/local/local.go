// Package local keeps a vault in a folder of a file system.
//
// # URL
//
// A plain path, absolute or relative, or file:///DIR. The whole path is the
// root of the vault; there are no parameters. The folder is created by the
// first write.
//
// # How objects are kept
//
// An object is a file whose path below the root is its key. It is written
// without a name (O_TMPFILE) where the system can, else under .tmp in the root,
// made durable, and then linked to its name, which fails if the name is taken:
// it is complete from the moment it can be seen, for all processes and after a
// loss of power. Files get mode 0600 and folders 0700, since backups hold
// everything the source held.
//
// # Permissions and limits
//
// The user needs the right to write and search the root. The file system
// needs hard links, or renameat2 with RENAME_NOREPLACE (Linux). It cannot hold
// both an object "a" and an object "a/b", and where it ignores case, no two
// keys that differ in case alone; Put says so. Symbolic links and files that
// begin with a dot are no objects. There is no checksum on the way: SHA256 of
// a Body is not verified, its size is.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/snapferry/snapferry/providers"
)

// Open is the providers.Opener of file URLs and plain paths. A root that does
// not exist yet is no error; one that is no folder is ErrInvalidURL.
func Open(_ context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
	if err := providers.CheckQuery(u); err != nil {
		return nil, "", err
	}
	dir, err := providers.FilePath(u)
	if err != nil {
		return nil, "", err
	}
	b, err := New(dir, o)
	if err != nil {
		return nil, "", err
	}
	return b, "", nil
}

// Bucket is a folder as a store.
type Bucket struct {
	dir  string // absolute
	opts providers.Options

	buffers sync.Pool // of *[copyBytes]byte

	mu      sync.Mutex // guards what follows
	root    *os.Root   // nil until the folder exists
	durable map[string]bool
	unnamed bool // O_TMPFILE has not failed yet
	swept   bool
}

// New makes a store of the folder dir, which need not exist.
func New(dir string, o providers.Options) (*Bucket, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &providers.Error{Op: "open", Key: dir, Err: err}
	}
	if err := checkFolder(abs); err != nil {
		return nil, err
	}
	return &Bucket{dir: abs, opts: o, durable: map[string]bool{}, unnamed: true}, nil
}

// checkFolder refuses a root that is something else than a folder.
func checkFolder(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && !fi.IsDir():
		return &providers.Error{Op: "open", Key: dir, Err: fmt.Errorf("%w: it is a file, not a folder", providers.ErrInvalidURL),
			Hint: "name a folder; it is created if it does not exist"}
	case errors.Is(err, errNotDir):
		return &providers.Error{Op: "open", Key: dir, Err: fmt.Errorf("%w: a part of the path is a file, not a folder", providers.ErrInvalidURL),
			Hint: "name a folder below folders; it is created if it does not exist"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return wrap("open", dir, err)
	}
	return nil
}

// Folder returns the absolute path of the folder.
func (b *Bucket) Folder() string { return b.dir }

// openRoot returns the root, or an error that is fs.ErrNotExist as long as it
// does not exist.
func (b *Bucket) openRoot() (*os.Root, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.root != nil {
		return b.root, nil
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, err
	}
	b.root = root
	return root, nil
}

// createRoot returns the root and creates it, durably, where it is missing.
func (b *Bucket) createRoot() (*os.Root, error) {
	root, err := b.openRoot()
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if err := mkdirDurable(b.dir); err != nil {
		return nil, err
	}
	return b.openRoot()
}

// Delete removes the object and makes that durable.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	root, err := b.openRoot()
	if err != nil {
		return ignoreMissing(wrap("delete", key, err))
	}
	// Remove would take an empty folder too, which is no object.
	if fi, err := root.Lstat(key); err != nil || !fi.Mode().IsRegular() {
		return ignoreMissing(wrap("delete", key, err))
	}
	if err := root.Remove(key); err != nil {
		return ignoreMissing(wrap("delete", key, err))
	}
	return ignoreMissing(wrap("delete", key, syncFolder(root, path.Dir(key))))
}

func ignoreMissing(err error) error {
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// Close releases the root.
func (b *Bucket) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.root == nil {
		return nil
	}
	return b.root.Close()
}

func check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	if err := providers.CheckKey(key); err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	return nil
}
