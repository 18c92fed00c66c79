package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/snapferry/snapferry/providers"
)

// Get reads a range of the file. What is appended to the file after Get is not
// seen; a file that shrinks ends with io.ErrUnexpectedEOF.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := check(ctx, "get", key); err != nil {
		return nil, err
	}
	f, size, err := b.openObject(key)
	if err != nil {
		return nil, wrap("get", key, err)
	}
	if off < 0 || off >= size && off > 0 {
		_ = f.Close() // opened for reading
		return nil, &providers.Error{Op: "get", Key: key,
			Err: fmt.Errorf("%w: byte %d of %d", providers.ErrRange, off, size)}
	}
	left := size - off
	if n >= 0 {
		left = min(left, n)
	}
	return &reader{ctx: ctx, f: f, key: key, off: off, left: left}, nil
}

func (b *Bucket) openObject(key string) (*os.File, int64, error) {
	root, err := b.openRoot()
	if err != nil {
		return nil, 0, err
	}
	// To open a pipe would wait for its writer, so its kind is asked first.
	fi, err := root.Lstat(key)
	if err != nil {
		return nil, 0, err
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: it is no regular file", os.ErrNotExist)
	}
	f, err := root.Open(key)
	if err != nil {
		return nil, 0, err
	}
	if fi, err = f.Stat(); err != nil {
		_ = f.Close() // opened for reading
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

type reader struct {
	ctx  context.Context //nolint:containedctx // a reader lives within one Get
	f    *os.File
	key  string
	off  int64
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, &providers.Error{Op: "get", Key: r.key, Err: err}
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.f.ReadAt(p[:min(int64(len(p)), r.left, math.MaxInt32)], r.off)
	r.off += int64(n)
	r.left -= int64(n)
	switch {
	case n > 0 && (err == nil || errors.Is(err, io.EOF)):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, &providers.Error{Op: "get", Key: r.key, Err: fmt.Errorf("%w: %d bytes are missing", io.ErrUnexpectedEOF, r.left)}
	}
	return n, wrap("get", r.key, err)
}

func (r *reader) Close() error { return r.f.Close() }
