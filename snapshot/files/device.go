package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// deviceCapture is a block device. Nothing tells whether a device was written
// to, so it cannot be resumed, and whoever reads one sees to it that it rests.
type deviceCapture struct {
	path  string
	file  *os.File
	size  int64
	info  snapshot.Info
	image snapshot.Image
}

func (s *source) captureDevice(target string) (snapshot.Capture, error) {
	f, err := os.Open(target)
	if err != nil {
		return nil, captureError(s.path, err)
	}
	c := &deviceCapture{path: target, file: f}
	if err := c.describe(s); err != nil {
		_ = f.Close()
		return nil, captureError(s.path, err)
	}
	return c, nil
}

func (c *deviceCapture) describe(s *source) (err error) {
	if c.size, err = c.file.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("ask size: %w", err)
	}
	if c.size == 0 {
		return &snapshot.Error{
			Op: "capture", Name: s.path, Err: errors.New("the device has no size"),
			Hint: "check that a medium or a backing file is attached; devices can be read on Linux only",
		}
	}
	if where, ok := sys.MountedAt(c.path); ok {
		s.opts.Log.Warn("device is mounted: what is written to it while it is read makes the image inconsistent",
			"device", s.path, "mounted", where)
	}
	adviseSequential(c.file)
	sum, err := s.opts.randomFingerprint()
	if err != nil {
		return err
	}
	c.info = snapshot.Info{
		Identity:    snapshot.Identity{Type: "device", Host: s.opts.Host, Path: s.path},
		Fingerprint: sum,
		Facts:       map[string]string{"bytes": strconv.FormatInt(c.size, 10)},
	}
	c.image = snapshot.Image{Name: filepath.Base(s.path), Form: snapshot.FormRaw, Size: c.size, Data: c}
	return nil
}

func (c *deviceCapture) Info() snapshot.Info { return c.info }

func (c *deviceCapture) Images() []snapshot.Image { return []snapshot.Image{c.image} }

func (c *deviceCapture) ReadAt(p []byte, off int64) (int, error) {
	p, eof, err := clip(p, off, c.size)
	if err != nil {
		return 0, err
	}
	n, err := c.file.ReadAt(p, off)
	if n == len(p) {
		return n, eof
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it ends at byte %d of %d", snapshot.ErrChanged, off+int64(n), c.size)
	}
	return n, sourceError("read", c.path, err)
}

// Check can see a device only that became smaller or larger.
func (c *deviceCapture) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	size, err := c.file.Seek(0, io.SeekEnd)
	if err == nil && size != c.size {
		err = fmt.Errorf("%w: its size went from %d to %d bytes", snapshot.ErrChanged, c.size, size)
	}
	if err != nil {
		return sourceError("check", c.path, err)
	}
	return nil
}

func (c *deviceCapture) Close() error {
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", c.path, err)
	}
	return nil
}
