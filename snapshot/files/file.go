package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// fileCapture is the state of one regular file.
type fileCapture struct {
	src   *source
	path  string // with symbolic links resolved
	file  *os.File
	state inode
	info  snapshot.Info
	image snapshot.Image
}

func (s *source) captureFile(target string) (snapshot.Capture, error) {
	f, err := openRegular(target)
	if err != nil {
		return nil, captureError(s.path, err)
	}
	c := &fileCapture{src: s, path: target, file: f}
	if err := c.describe(); err != nil {
		_ = f.Close()
		return nil, captureError(s.path, err)
	}
	return c, nil
}

func (c *fileCapture) describe() error {
	state, err := fstat(c.file)
	if err != nil {
		return err
	}
	if !state.mode.IsRegular() {
		return fmt.Errorf("%w: it became a %s", snapshot.ErrChanged, sys.Kind(state.mode))
	}
	settle(state.ctime)
	c.state = state
	compressed, err := startsCompressed(c.file)
	if err != nil {
		return err
	}
	adviseSequential(c.file)
	c.info = snapshot.Info{
		Identity:    snapshot.Identity{Type: "file", Host: c.src.opts.Host, Path: c.src.path},
		Fingerprint: sha256.Sum256(state.append(fingerprintHead("file", c.src))),
		Resumable:   true,
		Facts:       map[string]string{"bytes": strconv.FormatInt(state.size, 10)},
	}
	c.image = snapshot.Image{
		Name: filepath.Base(c.src.path), Form: snapshot.FormRaw, Size: state.size,
		Data: c, Extents: c.extents, Compressed: compressed,
	}
	return nil
}

// fingerprintHead begins the bytes a fingerprint is made of: what the source
// is, with every part delimited.
func fingerprintHead(kind string, s *source) []byte {
	return fmt.Appendf(nil, "snapferry/files/1\n%s\n%q\n%q\n", kind, s.opts.Host, s.path)
}

func (c *fileCapture) Info() snapshot.Info { return c.info }

func (c *fileCapture) Images() []snapshot.Image { return []snapshot.Image{c.image} }

// ReadAt reads the file as long as it has the size it was captured with.
func (c *fileCapture) ReadAt(p []byte, off int64) (int, error) {
	p, eof, err := clip(p, off, c.state.size)
	if err != nil {
		return 0, err
	}
	n, err := c.file.ReadAt(p, off)
	if n == len(p) {
		return n, eof
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it ends at byte %d of %d", snapshot.ErrChanged, off+int64(n), c.state.size)
	}
	return n, sourceError("read", c.path, err)
}

// clip cuts a read at the end of size bytes, and returns io.EOF for the caller
// to end with if it did, as io.ReaderAt wants it.
func clip(p []byte, off, size int64) (cut []byte, eof, err error) {
	if off < 0 {
		return nil, nil, errors.New("read at a negative offset")
	}
	if off >= size {
		return nil, nil, io.EOF
	}
	if int64(len(p)) > size-off {
		return p[:size-off], io.EOF, nil
	}
	return p, nil, nil
}

func (c *fileCapture) extents(ctx context.Context) iter.Seq2[snapshot.Extent, error] {
	gaps := func(yield func(snapshot.Extent) bool) error {
		return fileHoles(ctx, c.file, c.state.size, yield)
	}
	return dataExtents(c.state.size, gaps, func(err error) error { return sourceError("read", c.path, err) })
}

// Check compares the open file, and what the path names now, with the state at
// the capture.
func (c *fileCapture) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	open, err := fstat(c.file)
	if err != nil {
		return sourceError("check", c.path, err)
	}
	if err := c.state.changed(open.stamp, c.state.mode); err != nil {
		return sourceError("check", c.path, err)
	}
	return checkEntry(c.path, &c.state)
}

// checkEntry compares what path names now with the state at the capture.
func checkEntry(path string, then *inode) error {
	now, err := lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: it is gone", snapshot.ErrChanged)
	}
	if err == nil && now.mode != then.mode {
		err = fmt.Errorf("%w: its mode went from %v to %v", snapshot.ErrChanged, then.mode, now.mode)
	}
	if err == nil {
		err = then.changed(now.stamp, then.mode)
	}
	if err != nil {
		return sourceError("check", path, err)
	}
	return nil
}

func (c *fileCapture) Close() error {
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", c.path, err)
	}
	return nil
}

// startsCompressed knows the first bytes of formats that do not shrink again:
// the dump and backup files of Neo4j, zstd and gzip.
func startsCompressed(r io.ReaderAt) (bool, error) {
	head := make([]byte, 4)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for _, magic := range []string{"DZV1", "DGV1", "BZV1", "BZV2", "BZV3", "\x28\xb5\x2f\xfd", "\x1f\x8b"} {
		if bytes.HasPrefix(head[:n], []byte(magic)) {
			return true, nil
		}
	}
	return false, nil
}
