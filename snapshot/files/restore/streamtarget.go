package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/snapferry/snapferry/snapshot"
)

// StdoutTarget returns the target that writes the bytes of the only image to w
// as they come, whatever its form. What was written cannot be taken back: the
// exit code of the program says whether it was all. w is not closed.
func StdoutTarget(w io.Writer) snapshot.Target {
	return &streamTarget{path: "-", w: w}
}

// streamTarget writes to w, or else to what it opens at path, which exists: a
// pipe or a character device.
type streamTarget struct {
	path string
	w    io.Writer
	used bool
	sink *streamSink
}

func (t *streamTarget) Create(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !info.Sole || t.used {
		return nil, &snapshot.Error{
			Op: "restore", Name: t.path, Err: fmt.Errorf("%w: several images do not fit into one stream", snapshot.ErrUsage),
			Hint: "restore into a directory",
		}
	}
	t.used = true
	t.sink = &streamSink{path: t.path, size: info.Size, w: t.w}
	if t.w == nil {
		f, err := os.OpenFile(t.path, os.O_WRONLY, 0)
		if err != nil {
			return nil, targetError(t.path, err, info.Size)
		}
		t.sink.w, t.sink.file = f, f
	}
	return t.sink, nil
}

func (t *streamTarget) Commit(ctx context.Context) error {
	if t.sink == nil || !t.sink.closed || t.sink.err != nil {
		return errors.New("commit a stream that was not written to its end")
	}
	return ctx.Err()
}

func (t *streamTarget) Abort() error { return nil }

// streamSink counts what it passes on.
type streamSink struct {
	path   string
	w      io.Writer
	file   *os.File // closed with the sink; nil if w is the caller's
	size   int64    // -1 if unknown
	n      int64
	err    error
	closed bool
}

func (s *streamSink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.n += int64(n)
	if err != nil {
		s.err = targetError(s.path, err, s.size)
	}
	return n, s.err
}

func (s *streamSink) Close() error {
	s.closed = true
	if s.err == nil {
		s.err = checkLength(s.path, s.n, s.size)
	}
	if s.file != nil {
		if err := s.file.Close(); s.err == nil && err != nil {
			s.err = targetError(s.path, err, s.size)
		}
	}
	return s.err
}

// checkLength fails if an image of known size came out at another length.
func checkLength(path string, got, want int64) error {
	if want >= 0 && got != want {
		return &snapshot.Error{Op: "restore", Name: path, Err: fmt.Errorf("the image ended at byte %d of %d", got, want)}
	}
	return nil
}
