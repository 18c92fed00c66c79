package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"
)

// resetAfterBytes is the progress of a reader, in bytes, that makes earlier
// failures forgotten. A reader that gains less between failures gives up after
// as many tries as any other operation.
const resetAfterBytes = 256 << 10

// Retry calls f, which must be repeatable, until it succeeds, fails for good or
// p gives up: for what a Bucket's optional interfaces ask of a store. op and
// key are for the log.
func Retry(ctx context.Context, p Policy, op, key string, f func() error) error {
	r := &retryBucket{p: p.withDefaults()}
	return r.do(ctx, op, key, f)
}

// retryBucket tries passing faults again. A Put whose answer was lost is told
// ErrExists by its own first attempt; who must know compares the content.
type retryBucket struct {
	Bucket
	p Policy
}

// Unwrap returns what is decorated, for Feature.
func (r *retryBucket) Unwrap() Bucket { return r.Bucket }

func (r *retryBucket) Put(ctx context.Context, key string, body Body) error {
	return r.do(ctx, "put", key, func() error { return r.Bucket.Put(ctx, key, body) })
}

func (r *retryBucket) Delete(ctx context.Context, key string) error {
	return r.do(ctx, "delete", key, func() error { return r.Bucket.Delete(ctx, key) })
}

func (r *retryBucket) do(ctx context.Context, op, key string, f func() error) error {
	tries := attempts{p: &r.p, op: op, key: key}
	for {
		err := f()
		if err == nil {
			return nil
		}
		if err := tries.again(ctx, err); err != nil {
			return err
		}
	}
}

func (r *retryBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	rr := &resumingReader{ctx: ctx, b: r.Bucket, off: off, left: n, tries: attempts{p: &r.p, op: "get", key: key}}
	err := r.do(ctx, "get", key, func() (err error) {
		rr.r, err = r.Bucket.Get(ctx, key, off, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rr, nil
}

func (r *retryBucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return r.ListAfter(ctx, prefix, "")
}

// ListAfter goes on after the last key yielded when a page fails.
func (r *retryBucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		last := after
		tries := attempts{p: &r.p, op: "list", key: prefix}
		for {
			failure := error(nil)
			for o, err := range ListAfter(ctx, r.Bucket, prefix, last) {
				if err != nil {
					failure = err
					break
				}
				last = o.Key
				tries.failed = 0
				if !yield(o, nil) {
					return
				}
			}
			if failure == nil {
				return
			}
			if err := tries.again(ctx, failure); err != nil {
				yield(Object{}, err)
				return
			}
		}
	}
}

// attempts counts the failures of one operation.
type attempts struct {
	p       *Policy
	op, key string
	failed  int
}

// again records a failed attempt and waits for the next one. It returns the
// error to give up with, or nil if the operation is to be tried once more.
func (a *attempts) again(ctx context.Context, err error) error {
	if Permanent(err) {
		return err
	}
	if cerr := ctx.Err(); cerr != nil {
		return &Error{Op: a.op, Key: a.key, Err: fmt.Errorf("%w: %v", cerr, err)}
	}
	a.failed++
	a.p.Metrics.failed()
	if a.failed >= a.p.Tries {
		a.log(ctx, "attempt failed, giving up", err, 0)
		return a.gaveUp(err)
	}
	d := time.Duration(a.p.Rand() * float64(a.backoff()))
	a.log(ctx, "attempt failed, trying again", err, d)
	if werr := a.p.Wait(ctx, d); werr != nil {
		return &Error{Op: a.op, Key: a.key, Err: fmt.Errorf("%w while waiting to try again: %v", werr, err)}
	}
	a.p.Metrics.retried()
	return nil
}

// backoff is the longest wait after the failures so far. The wait is drawn
// between zero and it ("full jitter"), which spreads many clients best.
func (a *attempts) backoff() time.Duration {
	d := a.p.RetryBase
	for range a.failed - 1 {
		if d >= a.p.RetryCap {
			break
		}
		d *= 2
	}
	return min(d, a.p.RetryCap)
}

func (a *attempts) log(ctx context.Context, msg string, err error, wait time.Duration) {
	a.p.Log.LogAttrs(ctx, slog.LevelInfo, msg, slog.String("op", a.op), slog.String("key", a.key),
		slog.Int("attempt", a.failed), slog.Duration("wait", wait), slog.Any("error", err))
}

func (a *attempts) gaveUp(err error) error {
	if a.failed == 1 {
		return err
	}
	out := &Error{Op: a.op, Key: a.key, Err: err}
	if e, ok := errors.AsType[*Error](err); ok {
		out.Hint = e.Hint
		if e == err { //nolint:errorlint // only the outermost layer is unpacked
			out.Err = e.Err
		}
	}
	out.Err = fmt.Errorf("gave up after %d attempts: %w", a.failed, out.Err)
	return out
}

// resumingReader reads an object and, when the connection fails, opens it
// again at the byte it has reached.
type resumingReader struct {
	ctx    context.Context //nolint:containedctx // a reader lives within one Get
	b      Bucket
	r      io.ReadCloser // nil after a failure
	off    int64
	left   int64 // < 0: to the end
	moved  bool
	gained int64 // since the last failure
	tries  attempts
	err    error // sticky
}

func (r *resumingReader) Read(p []byte) (int, error) {
	for r.err == nil {
		if r.r == nil {
			r.reopen()
			continue
		}
		n, err := r.r.Read(p)
		r.advance(int64(n))
		if err == nil {
			return n, nil
		}
		if errors.Is(err, io.EOF) {
			r.err = io.EOF
		} else {
			r.failed(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

func (r *resumingReader) advance(n int64) {
	r.off += n
	r.gained += n
	if r.left > 0 {
		r.left -= n
	}
	if n > 0 {
		r.moved = true
	}
}

func (r *resumingReader) failed(err error) {
	if r.r != nil {
		_ = r.r.Close() // broken already
		r.r = nil
	}
	if r.gained >= resetAfterBytes {
		r.tries.failed = 0
	}
	r.gained = 0
	r.err = r.tries.again(r.ctx, err)
}

func (r *resumingReader) reopen() {
	if r.left == 0 {
		r.err = io.EOF
		return
	}
	rc, err := r.b.Get(r.ctx, r.tries.key, r.off, r.left)
	switch {
	case err == nil:
		r.r = rc
	case r.moved && errors.Is(err, ErrRange):
		// The connection broke after the last byte and before the end was told.
		r.err = io.EOF
	default:
		r.failed(err)
	}
}

func (r *resumingReader) Close() error {
	if r.err == nil {
		r.err = errors.New("read a closed reader")
	}
	if r.r == nil {
		return nil
	}
	err := r.r.Close()
	r.r = nil
	return err
}
