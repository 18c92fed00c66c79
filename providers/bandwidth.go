package providers

import (
	"context"
	"io"
	"iter"
	"sync"
	"time"
)

// Bounds of what passes a limiter at once, in bytes: a quarter of a second's.
// The largest keeps reads long enough to be cheap at high rates; the smallest
// keeps a slow limit from cutting transfers into single packets.
const (
	minBurst = 16 << 10
	maxBurst = 1 << 20
)

// followEvery is how often a transfer that waits looks whether the timetable
// has changed.
const followEvery = 500 * time.Millisecond

// bandwidthBucket limits the bytes a second of all its transfers together.
type bandwidthBucket struct {
	Bucket
	up, down *limiter
}

func newBandwidthBucket(b Bucket, p Policy) *bandwidthBucket {
	return &bandwidthBucket{Bucket: b,
		up:   newLimiter(p, func(now time.Time) int64 { up, _ := p.Bandwidth.At(now); return up }),
		down: newLimiter(p, func(now time.Time) int64 { _, down := p.Bandwidth.At(now); return down })}
}

// Unwrap returns what is decorated, for Feature.
func (b *bandwidthBucket) Unwrap() Bucket { return b.Bucket }

func (b *bandwidthBucket) Put(ctx context.Context, key string, body Body) error {
	return b.Bucket.Put(ctx, key, watchedBody{body, func(r io.ReadSeekCloser) io.ReadSeekCloser {
		return &limitedBody{limitedReader{ctx, r, b.up}, r}
	}})
}

func (b *bandwidthBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
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
	l   *limiter
}

func (r *limitedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p[:min(len(p), r.l.burst())])
	if n == 0 {
		return n, err
	}
	if werr := r.l.wait(r.ctx, n); werr != nil {
		return n, werr
	}
	return n, err
}

// limiter is a queue in which bytes stand until they are paid for, at the
// rate of the moment. Who waits does not hold a date but a place, so that a
// new rate holds for those who stand already.
type limiter struct {
	rateAt func(time.Time) int64 // bytes a second; 0: no limit
	now    func() time.Time

	mu     sync.Mutex // guards what follows
	rate   int64      // since last
	last   time.Time
	queued float64 // bytes that ever came
	paid   float64 // bytes that may have passed; at most burst ahead of queued
}

func newLimiter(p Policy, rateAt func(time.Time) int64) *limiter {
	l := &limiter{rateAt: rateAt, now: p.Now, last: p.Now()}
	l.rate = rateAt(l.last)
	l.paid = float64(burstOf(l.rate))
	return l
}

func burstOf(rate int64) int {
	if rate <= 0 {
		return maxBurst
	}
	return int(min(max(rate/4, minBurst), maxBurst))
}

// burst is how much one read should ask for.
func (l *limiter) burst() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return burstOf(l.rate)
}

// wait returns once n more bytes may have passed.
func (l *limiter) wait(ctx context.Context, n int) error {
	l.mu.Lock()
	l.advance()
	l.queued += float64(n)
	place := l.queued
	l.mu.Unlock()
	for {
		left := l.left(place)
		if left <= 0 {
			return ctx.Err()
		}
		if err := wait(ctx, min(left, followEvery)); err != nil {
			return err
		}
	}
}

// left is how long the byte at that place has to wait at the rate of now.
func (l *limiter) left(place float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance()
	if l.rate <= 0 || l.paid >= place {
		return 0
	}
	// Rounded up: it is paid for when this has passed.
	return time.Duration((place-l.paid)/float64(l.rate)*float64(time.Second)) + 1
}

// advance pays for the time since it was last called. A clock that was set
// back pays nothing.
func (l *limiter) advance() {
	now := l.now()
	if d := now.Sub(l.last); d > 0 {
		l.paid += d.Seconds() * float64(l.rate)
	}
	l.last = now
	l.rate = l.rateAt(now)
	if l.rate <= 0 {
		l.paid = max(l.paid, l.queued)
	}
	l.paid = min(l.paid, l.queued+float64(burstOf(l.rate)))
}
