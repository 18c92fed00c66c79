package providers

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Defaults of a Policy.
const (
	DefaultTries        = 10
	DefaultRetryBase    = 200 * time.Millisecond
	DefaultRetryCap     = 30 * time.Second
	DefaultStallTimeout = time.Minute
)

// Policy says how a store is used. The zero value gives the defaults.
type Policy struct {
	// Log gets one Info record for every failed attempt; nil discards them.
	Log *slog.Logger
	// Metrics counts what is done; nil counts nothing.
	Metrics *Metrics
	// Tries is how often one operation is tried without progress in between
	// before its error is returned. Zero means DefaultTries, 1 no retry.
	Tries int
	// RetryBase and RetryCap bound the wait before a retry: a random part of
	// RetryBase, doubled with every failure, at most RetryCap. Zero means the
	// defaults.
	RetryBase, RetryCap time.Duration
	// StallTimeout is how long an operation may move no byte. Zero means
	// DefaultStallTimeout, negative forever.
	StallTimeout time.Duration
	// Bandwidth limits the bytes a second of all transfers together, by the
	// local time of Now. Running transfers follow a change within a second.
	Bandwidth Timetable
	// Uploads and Downloads say how many Puts and Gets may be in flight; the
	// zero value sets no limit.
	Uploads, Downloads Concurrency

	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Wait sleeps before a retry until d has passed or ctx is done, and then
	// returns its error; Rand returns a number in [0, 1). Tests replace them;
	// nil means the clock and math/rand.
	Wait func(ctx context.Context, d time.Duration) error
	Rand func() float64
}

// Decorate wraps b with everything p asks for. From the outside in:
//
//	retry        starts over, or goes on where a reader was
//	concurrency  lets so many attempts in; inside retry, whose waiting must not
//	             keep others out, and which must not hide that a store throttles
//	bandwidth    waits; outside the watchdog, which must not count the waiting
//	metrics      counts each attempt and all bytes, also those sent twice
//	stall        cancels an attempt that does not move
//
// Closing the result closes b.
func Decorate(b Bucket, p Policy) Bucket {
	p = p.withDefaults()
	if p.StallTimeout > 0 {
		b = &stallBucket{Bucket: b, timeout: p.StallTimeout}
	}
	if p.Metrics != nil {
		b = &metricsBucket{Bucket: b, m: p.Metrics}
	}
	if !p.Bandwidth.IsZero() {
		b = newBandwidthBucket(b, p)
	}
	if p.Uploads.Max > 0 || p.Downloads.Max > 0 {
		b = newConcurrencyBucket(b, p)
	}
	return &retryBucket{Bucket: b, p: p}
}

func (p Policy) withDefaults() Policy {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Tries <= 0 {
		p.Tries = DefaultTries
	}
	if p.RetryBase <= 0 {
		p.RetryBase = DefaultRetryBase
	}
	if p.RetryCap <= 0 {
		p.RetryCap = DefaultRetryCap
	}
	if p.StallTimeout == 0 {
		p.StallTimeout = DefaultStallTimeout
	}
	if p.Now == nil {
		p.Now = time.Now //nolint:forbidigo // the default of what a caller may set
	}
	if p.Wait == nil {
		p.Wait = wait
	}
	if p.Rand == nil {
		p.Rand = rand.Float64
	}
	return p
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watchedBody is a Body whose readers are wrapped: how a decorator sees the
// bytes of an upload without copying them.
type watchedBody struct {
	Body
	wrap func(io.ReadSeekCloser) io.ReadSeekCloser
}

func (b watchedBody) Open() io.ReadSeekCloser { return b.wrap(b.Body.Open()) }

// Content returns b as it is behind the decorators, for who reads it for
// another purpose than to send it: a checksum, say, whose bytes are neither
// counted nor limited.
func Content(b Body) Body {
	for {
		w, ok := b.(watchedBody)
		if !ok {
			return b
		}
		b = w.Body
	}
}
