package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/snapferry/snapferry/providers"
)

// copyBytes is how much is written with one call: enough to make calls cheap,
// little enough to notice a cancelled context soon.
const copyBytes = 1 << 20

// errUnnamed says that this file system or system cannot write a file without
// a name.
var errUnnamed = errors.New("no unnamed files")

// Put creates the object. The error for a key that cannot be stored beside
// others ("a" and "a/b") is ErrUnsupported.
func (b *Bucket) Put(ctx context.Context, key string, body providers.Body) error {
	if err := check(ctx, "put", key); err != nil {
		return err
	}
	if err := checkFolder(b.dir); err != nil {
		return err
	}
	root, err := b.createRoot()
	if err != nil {
		return wrap("put", key, err)
	}
	err = b.create(ctx, root, key, body)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed a folder since it was last seen, maybe the root.
		b.forgetFolders()
		if root, err = b.createRoot(); err == nil {
			err = b.create(ctx, root, key, body)
		}
	}
	return b.explain(root, key, err)
}

// explain finds out why a name could not be created.
func (b *Bucket) explain(root *os.Root, key string, err error) error {
	if _, ok := errors.AsType[*providers.Error](err); ok {
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		if fi, serr := root.Lstat(key); serr != nil || !fi.IsDir() {
			return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
		}
	} else if !errors.Is(err, errNotDir) {
		return wrap("put", key, err)
	}
	return &providers.Error{Op: "put", Key: key,
		Err:  fmt.Errorf("%w: a file system cannot hold both an object and objects below its name", providers.ErrUnsupported),
		Hint: "choose another prefix or series name, or remove what is in the way"}
}

func (b *Bucket) create(ctx context.Context, root *os.Root, key string, body providers.Body) error {
	// A link to a taken name fails, but only after all was written.
	if _, err := root.Lstat(key); err == nil {
		return fs.ErrExist
	}
	b.sweepOnce(root)
	if err := b.makeFolder(root, path.Dir(key)); err != nil {
		return err
	}
	err := errUnnamed
	if b.tryUnnamed() {
		err = b.putUnnamed(ctx, root, key, body)
	}
	if errors.Is(err, errUnnamed) {
		b.noUnnamed()
		err = b.putNamed(ctx, root, key, body)
	}
	if err != nil {
		return err
	}
	return syncFolder(root, path.Dir(key))
}

func (b *Bucket) tryUnnamed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unnamed
}

func (b *Bucket) noUnnamed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unnamed = false
}

// putNamed writes under .tmp and links the file to its name.
func (b *Bucket) putNamed(ctx context.Context, root *os.Root, key string, body providers.Body) (err error) {
	if err := b.makeFolder(root, tmpDir); err != nil {
		return err
	}
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	tmp := tmpDir + "/" + hex.EncodeToString(random[:]) + tmpSuffix
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	// After the link the file has its true name, and this one goes. Where it
	// cannot, the next run's sweep removes it.
	defer func() { _ = root.Remove(tmp) }()
	err = b.write(ctx, f, body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	err = root.Link(tmp, key)
	if err != nil && isAny(err, noLinkErrors()) {
		err = renameNew(root, tmp, key)
	}
	return err
}

// write copies the body to f and makes it durable.
func (b *Bucket) write(ctx context.Context, f *os.File, body providers.Body) error {
	r := body.Open()
	defer func() { _ = r.Close() }() // releases nothing
	buf := b.buffer()
	defer b.buffers.Put(buf)
	var written int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf[:])
		if n > 0 {
			written += int64(n)
			if _, err := f.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
	if written != body.Size() {
		return fmt.Errorf("read body: %w: %d bytes of %d", io.ErrUnexpectedEOF, written, body.Size())
	}
	return f.Sync()
}

func (b *Bucket) buffer() *[copyBytes]byte {
	if buf, ok := b.buffers.Get().(*[copyBytes]byte); ok {
		return buf
	}
	return new([copyBytes]byte)
}
