package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Get reads a range of the object with one request. It checks that the store
// answers with the range that was asked for.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	return b.get(ctx, key, 0, off, n)
}

// get reads a generation; 0 means the current one.
func (b *Bucket) get(ctx context.Context, key string, generation, off, n int64) (io.ReadCloser, error) {
	if err := check(ctx, "get", key); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, &providers.Error{Op: "get", Key: key, Err: fmt.Errorf("%w: byte %d", providers.ErrRange, off)}
	}
	from := b.store.Object(key)
	if generation != 0 {
		from = from.Generation(generation)
	}
	want, length := span{from: off, to: math.MaxInt64}, int64(-1)
	if n >= 0 {
		// HTTP cannot ask for no bytes; one is asked for and not read.
		length = max(min(n, math.MaxInt64-off), 1)
		want.to = off + length - 1
	}
	var size int64
	o := &operation{accept: func(resp *http.Response) (err error) {
		size, err = want.check(n >= 0 || off > 0, resp)
		return err
	}}
	// Content is checked by who knows its hash. Nothing is decompressed: the
	// pool does not ask for it, and no object has an encoding.
	body, err := from.NewRangeReader(o.in(ctx), off, length, storage.WithDisableReaderChecksum())
	err = b.explain(ctx, "get", key, err)
	if off == 0 && errors.Is(err, providers.ErrRange) {
		// Every object but an empty one has a first byte.
		return io.NopCloser(eof{}), nil
	}
	if err != nil {
		return nil, err
	}
	if n == 0 {
		_ = body.Close() // not read
		return io.NopCloser(eof{}), nil
	}
	return &reader{ctx: ctx, b: b, key: key, body: body, left: size}, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// span is a range of bytes, both ends included.
type span struct{ from, to int64 }

// check compares the range of an answer with the one asked for, and returns
// how many bytes are to come.
func (s span) check(ranged bool, resp *http.Response) (int64, error) {
	length := resp.ContentLength
	if length < 0 {
		return 0, errors.New("the store does not say how much it sends")
	}
	if !ranged {
		return length, nil
	}
	if resp.StatusCode != http.StatusPartialContent {
		return 0, fmt.Errorf("%w: it ignores the range of a request", providers.ErrUnsupported)
	}
	header := resp.Header.Get("Content-Range")
	from, to, size, err := transport.ParseContentRange(header)
	if err != nil {
		return 0, err
	}
	if from != s.from || to != min(s.to, size-1) || length != to-from+1 {
		return 0, fmt.Errorf("the store sends %d bytes as %q where bytes %d to %d were asked for", length, header, s.from, s.to)
	}
	return length, nil
}

// reader reads the body of an answer and knows where it has to end.
type reader struct {
	ctx  context.Context //nolint:containedctx // a reader lives within one Get
	b    *Bucket
	key  string
	body io.ReadCloser
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.left -= int64(n)
	switch {
	case r.left < 0:
		return n + int(r.left), &providers.Error{Op: "get", Key: r.key, Err: errors.New("the store sends more than it announced")}
	case err == nil || r.left == 0 && errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && r.ctx.Err() == nil:
		return n, &providers.Error{Op: "get", Key: r.key, Err: fmt.Errorf("%w: %d bytes are missing", io.ErrUnexpectedEOF, r.left)}
	}
	return n, r.b.explain(r.ctx, "get", r.key, err)
}

// Close ends the answer. What the library says then repeats what Read said.
func (r *reader) Close() error {
	_ = r.body.Close()
	return nil
}
