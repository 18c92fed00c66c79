package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Get reads a range of the object with one request. It checks that the store
// answers with the range that was asked for.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	return b.get(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &key}, off, n)
}

func (b *Bucket) get(ctx context.Context, in *s3.GetObjectInput, off, n int64) (io.ReadCloser, error) {
	key := *in.Key
	if err := check(ctx, "get", key); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, &providers.Error{Op: "get", Key: key, Err: fmt.Errorf("%w: byte %d", providers.ErrRange, off)}
	}
	want := span{from: off, to: math.MaxInt64}
	if n >= 0 {
		// HTTP cannot ask for no bytes; one is asked for and not read.
		want.to = off + min(max(n, 1), math.MaxInt64-off) - 1
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", off, want.to))
	} else if off > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	out, err := b.client.GetObject(ctx, in)
	err = b.explain(ctx, "get", key, err)
	if off == 0 && errors.Is(err, providers.ErrRange) {
		// Every object but an empty one has a first byte.
		return io.NopCloser(eof{}), nil
	}
	if err != nil {
		return nil, err
	}
	size, err := want.check(in.Range != nil, out)
	if err != nil {
		_ = out.Body.Close() // not read
		return nil, &providers.Error{Op: "get", Key: key, Err: err}
	}
	if n == 0 {
		_ = out.Body.Close() // not read
		return io.NopCloser(eof{}), nil
	}
	return &reader{ctx: ctx, b: b, key: key, body: out.Body, left: size}, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// span is a range of bytes, both ends included.
type span struct{ from, to int64 }

// check compares the range of an answer with the one asked for, and returns
// how many bytes are to come.
func (s span) check(ranged bool, out *s3.GetObjectOutput) (int64, error) {
	if out.ContentLength == nil || *out.ContentLength < 0 {
		return 0, fmt.Errorf("the store does not say how much it sends")
	}
	length := *out.ContentLength
	if !ranged {
		return length, nil
	}
	if out.ContentRange == nil {
		return 0, fmt.Errorf("%w: it ignores the range of a request", providers.ErrUnsupported)
	}
	from, to, size, err := transport.ParseContentRange(*out.ContentRange)
	if err != nil {
		return 0, err
	}
	if from != s.from || to != min(s.to, size-1) || length != to-from+1 {
		return 0, fmt.Errorf("the store sends %d bytes as %q where bytes %d to %d were asked for", length, *out.ContentRange, s.from, s.to)
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

func (r *reader) Close() error { return r.body.Close() }
