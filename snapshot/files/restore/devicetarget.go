package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// DeviceTarget returns the target that writes an image over a block device, in
// place: a restore that fails leaves a part of it there. A device that is
// mounted or otherwise in use, or smaller than the image, is refused with
// snapshot.ErrUnsafe; one whose first or last mebibyte is not zero needs
// Overwrite. What lies behind the end of the image stays as it was.
func DeviceTarget(path string, opts Options) snapshot.Target {
	return &deviceTarget{path: path, opts: opts.withDefaults()}
}

type deviceTarget struct {
	path string
	opts Options
	sink *deviceSink
}

func (t *deviceTarget) Create(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !info.Sole || t.sink != nil || info.Size < 0 {
		return nil, &snapshot.Error{
			Op: "restore", Name: t.path, Err: fmt.Errorf("%w: a device takes one image of known size", snapshot.ErrUsage),
			Hint: "restore into a directory",
		}
	}
	if where, ok := sys.MountedAt(t.path); ok {
		return nil, t.refuse("it is mounted at "+where, "unmount it first")
	}
	// O_EXCL on a device fails if anything else holds it: a mount, a volume
	// group, a RAID, swap; and for a disk, any of its partitions.
	f, err := os.OpenFile(t.path, os.O_RDWR|os.O_EXCL, 0)
	if sys.IsBusy(err) {
		return nil, t.refuse("it is in use", "unmount it, or stop the volume group, RAID or swap that holds it")
	}
	if err != nil {
		return nil, targetError(t.path, err, info.Size)
	}
	if err := t.admit(f, info.Size); err != nil {
		_ = f.Close()
		return nil, targetError(t.path, err, info.Size)
	}
	t.sink = &deviceSink{fileSink: fileSink{part: &filePart{final: t.path, file: f, size: info.Size}}}
	return t.sink, nil
}

func (t *deviceTarget) refuse(why, hint string) error {
	return &snapshot.Error{Op: "restore", Name: t.path, Err: fmt.Errorf("%w: %s", snapshot.ErrUnsafe, why), Hint: hint}
}

func (t *deviceTarget) admit(f *os.File, need int64) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size < need {
		return t.refuse(fmt.Sprintf("it has %d bytes, the image needs %d", size, need), "name a device that is large enough")
	}
	if t.opts.Overwrite {
		return nil
	}
	probe := make([]byte, min(size, 1<<20))
	for _, off := range []int64{0, size - int64(len(probe))} {
		if _, err := f.ReadAt(probe, off); err != nil {
			return err
		}
		if len(bytes.TrimLeft(probe, "\x00")) > 0 {
			return notEmpty(t.path, "the device holds data")
		}
	}
	return nil
}

// Commit has nothing left to do: closing the sink made the bytes durable.
func (t *deviceTarget) Commit(ctx context.Context) error {
	if t.sink == nil || !t.sink.part.closed || t.sink.part.err != nil {
		return fmt.Errorf("commit %s: it was not written to its end", t.path)
	}
	return ctx.Err()
}

// Abort cannot bring back what was overwritten.
func (t *deviceTarget) Abort() error {
	if t.sink == nil || t.sink.part.closed {
		return nil
	}
	return t.sink.Close()
}

// deviceSink writes anywhere on a device, on which old data lies.
type deviceSink struct{ fileSink }

func (s *deviceSink) WriteAt(p []byte, off int64) (int, error) {
	if err := inside(off, int64(len(p)), s.part.size); err != nil {
		return 0, s.fail(err)
	}
	n, err := s.part.file.WriteAt(p, off)
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

// zeroAlign is what the system wants the ranges of its own zeroing to be
// multiples of, in bytes: one page, and at least one sector.
const zeroAlign = 4096

// Zero lets the device write the zeros by itself where it can.
func (s *deviceSink) Zero(off, n int64) error {
	if err := inside(off, n, s.part.size); err != nil {
		return s.fail(err)
	}
	f, end := s.part.file, off+n
	from, to := (off+zeroAlign-1)/zeroAlign*zeroAlign, end/zeroAlign*zeroAlign
	var err error
	if from >= to {
		err = writeZeros(f, off, n)
	} else {
		err = firstError(writeZeros(f, off, from-off), zeroRange(f, from, to-from))
		if errors.Is(err, errors.ErrUnsupported) {
			err = writeZeros(f, from, to-from)
		}
		err = firstError(err, writeZeros(f, to, end-to))
	}
	if err != nil {
		return s.fail(err)
	}
	return nil
}
