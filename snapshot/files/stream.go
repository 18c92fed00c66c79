package files

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/snapferry/snapferry/snapshot"
)

// Stdin returns the source that reads r to its end, once. The end of a stream
// is all there is to prove that it was whole: whoever feeds a pipe has to look
// at the exit code of the program at its other end. name is the name of the
// image and of the source. r is not closed.
func Stdin(r io.Reader, name string, opts Options) (snapshot.Source, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if r == nil || name == "" {
		return nil, fmt.Errorf("%w: a stream needs a reader and a name", snapshot.ErrUsage)
	}
	return &streamSource{r: r, name: name, opts: opts}, nil
}

type streamSource struct {
	r     io.Reader
	name  string
	opts  Options
	taken atomic.Bool
}

func (s *streamSource) Name() string { return s.name }

func (s *streamSource) Capture(ctx context.Context) (snapshot.Capture, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.taken.Swap(true) {
		return nil, &snapshot.Error{
			Op: "capture", Name: s.name, Err: fmt.Errorf("%w: a stream can be captured once", snapshot.ErrUsage),
			Hint: "run the program that makes the stream again, or back up a file",
		}
	}
	sum, err := s.opts.randomFingerprint()
	if err != nil {
		return nil, err
	}
	return &streamCapture{
		info: snapshot.Info{
			Identity:    snapshot.Identity{Type: "stream", Host: s.opts.Host, ID: s.name},
			Fingerprint: sum,
			Facts:       map[string]string{},
		},
		image: snapshot.Image{Name: s.name, Form: snapshot.FormStream, Size: -1, Stream: s.r},
	}, nil
}

type streamCapture struct {
	info  snapshot.Info
	image snapshot.Image
}

func (c *streamCapture) Info() snapshot.Info             { return c.info }
func (c *streamCapture) Images() []snapshot.Image        { return []snapshot.Image{c.image} }
func (c *streamCapture) Check(ctx context.Context) error { return ctx.Err() }
func (c *streamCapture) Close() error                    { return nil }
