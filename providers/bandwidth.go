package providers

import (
	"context"
	"fmt"
	"io"
	"iter"

	"golang.org/x/time/rate"
)

// Bounds of a limiter's burst, in bytes. The largest keeps reads long enough
// to be cheap at high rates; the smallest keeps a slow limit from cutting
// transfers into single packets.
const (
	minBurst = 16 << 10
	maxBurst = 1 << 20
)

// bandwidthBucket limits the bytes a second of all its transfers together.
type bandwidthBucket struct {
	Bucket
	up, down *rate.Limiter // nil: no limit
}

func newBandwidthBucket(b Bucket, up, down int64) *bandwidthBucket {
	return &bandwidthBucket{Bucket: b, up: newLimiter(up), down: newLimiter(down)}
}

// newLimiter allows a quarter of a second's bytes at once, within bounds.
func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/4, minBurst), maxBurst)))
}

// Unwrap returns what is decorated, for Feature.
func (b *bandwidthBucket) Unwrap() Bucket { return b.Bucket }

func (b *bandwidthBucket) Put(ctx context.Context, key string, body Body) error {
	if b.up == nil {
		return b.Bucket.Put(ctx, key, body)
	}
	return b.Bucket.Put(ctx, key, watchedBody{body, func(r io.ReadSeekCloser) io.ReadSeekCloser {
		return &limitedBody{limitedReader{ctx, r, b.up}, r}
	}})
}

func (b *bandwidthBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil || b.down == nil {
		return r, err
	}
	return &limitedObject{limitedReader{ctx, r, b.down}, r}, nil
}

func (b *bandwidthBucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return ListAfter(ctx, b.Bucket, prefix, after)
}

type limitedBody struct {
	limitedReader
	io.ReadSeekCloser
}

func (b *limitedBody) Read(p []byte) (int, error) { return b.limitedReader.Read(p) }

type limitedObject struct {
	limitedReader
	io.Closer
}

// limitedReader waits after each read for the time its bytes take.
type limitedReader struct {
	ctx context.Context //nolint:containedctx // a reader lives within one operation
	r   io.Reader
	l   *rate.Limiter
}

func (r *limitedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p[:min(len(p), r.l.Burst())])
	if n == 0 {
		return n, err
	}
	if werr := r.l.WaitN(r.ctx, n); werr != nil {
		if cerr := r.ctx.Err(); cerr != nil {
			return n, cerr
		}
		// The limiter sees that the deadline will pass and does not wait for it.
		return n, fmt.Errorf("wait for bandwidth: %w", context.DeadlineExceeded)
	}
	return n, err
}
