package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Get reads a range of the object with one request. It checks that the store
// answers with the range that was asked for.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	return b.get(ctx, providers.Version{Object: providers.Object{Key: key}}, off, n)
}

// GetVersion is Get of one version, see providers.Versioner.
func (b *Bucket) GetVersion(ctx context.Context, v providers.Version, off, n int64) (io.ReadCloser, error) {
	return b.get(ctx, v, off, n)
}

func (b *Bucket) get(ctx context.Context, v providers.Version, off, n int64) (io.ReadCloser, error) {
	key := v.Key
	if err := check(ctx, "get", key); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, &providers.Error{Op: "get", Key: key, Err: fmt.Errorf("%w: byte %d", providers.ErrRange, off)}
	}
	client := b.client.NewBlobClient(key)
	if v.ID != "" {
		var err error
		if client, err = client.WithVersionID(v.ID); err != nil {
			return nil, b.explain(ctx, "get", key, err)
		}
	}
	want := span{from: off, to: math.MaxInt64}
	// A count of zero means to the end. HTTP cannot ask for no bytes; one is
	// asked for and not read.
	count := int64(0)
	if n >= 0 {
		count = min(max(n, 1), math.MaxInt64-off)
		want.to = off + count - 1
	}
	out, err := client.DownloadStream(ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: off, Count: count}})
	size := int64(0)
	if err = b.explain(ctx, "get", key, err); err == nil {
		if size, err = want.check(off > 0 || count > 0, out.ContentLength, out.ContentRange); err != nil {
			err = &providers.Error{Op: "get", Key: key, Err: err}
		}
		if err != nil || n == 0 {
			_ = out.Body.Close() // not read
		}
	}
	switch {
	case n == 0 && err == nil, off == 0 && errors.Is(err, providers.ErrRange): // every object but an empty one has a first byte
		return io.NopCloser(strings.NewReader("")), nil
	case err != nil:
		return nil, err
	}
	return &reader{ctx: ctx, b: b, key: key, body: out.Body, left: size}, nil
}

// span is a range of bytes, both ends included.
type span struct{ from, to int64 }

// check compares the range of an answer with the one asked for, and returns
// how many bytes are to come.
func (s span) check(ranged bool, contentLength *int64, contentRange *string) (int64, error) {
	if contentLength == nil || *contentLength < 0 {
		return 0, errors.New("the store does not say how much it sends")
	}
	length := *contentLength
	if !ranged {
		return length, nil
	}
	if length == 0 { // Azurite, of the range that begins at the end
		return 0, providers.ErrRange
	}
	if contentRange == nil {
		return 0, fmt.Errorf("%w: it ignores the range of a request", providers.ErrUnsupported)
	}
	from, to, size, err := transport.ParseContentRange(*contentRange)
	if err != nil {
		return 0, err
	}
	if from != s.from || to != min(s.to, size-1) || length != to-from+1 {
		return 0, fmt.Errorf("the store sends %d bytes as %q where bytes %d to %d were asked for", length, *contentRange, s.from, s.to)
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
