package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// stallTicks is how many times within a timeout the watchdog looks; a stall is
// noticed at most 1/stallTicks late.
const stallTicks = 8

// Observe tells the stall watchdog of ctx, if there is one, of a counter that
// changes whenever a byte moves: a connection's. A provider that can see its
// connections calls it for each it uses within an operation, so that a
// transfer that is slow but alive is left alone even when whole buffers take
// longer than the timeout. activity is called from another goroutine.
func Observe(ctx context.Context, activity func() int64) {
	if w, ok := ctx.Value(watchdogKey{}).(*watchdog); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.probes = append(w.probes, activity)
	}
}

type watchdogKey struct{}

// stallBucket cancels an operation that moves no byte for timeout, which then
// fails with ErrStalled. Bytes are those of bodies and, where the provider
// calls Observe, those on the wire. Time spent outside the store does not
// count: in the caller between two reads, or in the source of an upload.
type stallBucket struct {
	Bucket
	timeout time.Duration
}

// Unwrap returns what is decorated, for Feature.
func (s *stallBucket) Unwrap() Bucket { return s.Bucket }

func (s *stallBucket) Put(ctx context.Context, key string, body Body) error {
	ctx, w := s.watch(ctx)
	defer w.stop()
	err := s.Bucket.Put(ctx, key, watchedBody{body, func(r io.ReadSeekCloser) io.ReadSeekCloser {
		return &sourceReader{r, w}
	}})
	return w.explain(ctx, "put", key, err)
}

func (s *stallBucket) Delete(ctx context.Context, key string) error {
	ctx, w := s.watch(ctx)
	defer w.stop()
	return w.explain(ctx, "delete", key, s.Bucket.Delete(ctx, key))
}

func (s *stallBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	ctx, w := s.watch(ctx)
	r, err := s.Bucket.Get(ctx, key, off, n)
	if err != nil {
		w.stop()
		return nil, w.explain(ctx, "get", key, err)
	}
	w.pause()
	return &stallReader{ctx: ctx, r: r, w: w, key: key}, nil
}

func (s *stallBucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return s.ListAfter(ctx, prefix, "")
}

func (s *stallBucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, w := s.watch(ctx)
		defer w.stop()
		for o, err := range ListAfter(ctx, s.Bucket, prefix, after) {
			w.pause()
			if !yield(o, w.explain(ctx, "list", prefix, err)) {
				return
			}
			w.resume()
		}
	}
}

func (s *stallBucket) watch(ctx context.Context) (context.Context, *watchdog) {
	w := &watchdog{timeout: s.timeout}
	ctx, w.cancel = context.WithCancelCause(context.WithValue(ctx, watchdogKey{}, w))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(s.timeout/stallTicks, w.tick)
	return ctx, w
}

// watchdog cancels a context when nothing has changed for a while. It counts
// ticks of a timer rather than reading a clock, so that a machine that slept
// does not find all its transfers stalled.
type watchdog struct {
	timeout time.Duration
	cancel  context.CancelCauseFunc
	moved   atomic.Int64
	paused  atomic.Int32

	mu     sync.Mutex // guards what follows
	timer  *time.Timer
	probes []func() int64
	last   int64
	quiet  int // ticks without a change
}

func (w *watchdog) pause()  { w.moved.Add(1); w.paused.Add(1) }
func (w *watchdog) resume() { w.moved.Add(1); w.paused.Add(-1) }

func (w *watchdog) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.moved.Load()
	for _, activity := range w.probes {
		now += activity()
	}
	w.quiet++
	if now != w.last || w.paused.Load() > 0 {
		w.last, w.quiet = now, 0
	}
	if w.quiet >= stallTicks {
		w.cancel(ErrStalled)
		return
	}
	w.timer.Reset(w.timeout / stallTicks)
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.quiet = -1 << 30 // a tick that waits for the lock must not cancel
	w.cancel(context.Canceled)
}

// explain puts ErrStalled in the place of the error a cancelled operation
// returned, which would look as if the caller had cancelled it.
func (w *watchdog) explain(ctx context.Context, op, key string, err error) error {
	if err == nil || !errors.Is(context.Cause(ctx), ErrStalled) {
		return err
	}
	return &Error{Op: op, Key: key, Err: fmt.Errorf("%w for %v", ErrStalled, w.timeout),
		Hint: "check the network; a longer --stall-timeout helps where a link pauses"}
}

// sourceReader marks the time within the source of an upload as no stall, and
// each read of the store as progress.
type sourceReader struct {
	io.ReadSeekCloser
	w *watchdog
}

func (r *sourceReader) Read(p []byte) (int, error) {
	r.w.pause()
	n, err := r.ReadSeekCloser.Read(p)
	r.w.resume()
	return n, err
}

// stallReader watches only while somebody waits for a read.
type stallReader struct {
	ctx context.Context //nolint:containedctx // a reader lives within one Get
	r   io.ReadCloser
	w   *watchdog
	key string
}

func (r *stallReader) Read(p []byte) (int, error) {
	r.w.resume()
	n, err := r.r.Read(p)
	r.w.pause()
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.w.explain(r.ctx, "get", r.key, err)
	}
	return n, err
}

func (r *stallReader) Close() error {
	err := r.r.Close()
	r.w.stop()
	return err
}
