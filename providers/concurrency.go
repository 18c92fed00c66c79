package providers

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"time"
)

// concurrencyBucket limits the Puts and Gets in flight. A Get is in flight
// until its reader is closed.
type concurrencyBucket struct {
	Bucket
	up, down *gate // nil: no limit
}

func newConcurrencyBucket(b Bucket, p Policy) *concurrencyBucket {
	return &concurrencyBucket{Bucket: b, up: newGate(p.Uploads, p.Now), down: newGate(p.Downloads, p.Now)}
}

// Unwrap returns what is decorated, for Feature.
func (b *concurrencyBucket) Unwrap() Bucket { return b.Bucket }

func (b *concurrencyBucket) Put(ctx context.Context, key string, body Body) error {
	if b.up == nil {
		return b.Bucket.Put(ctx, key, body)
	}
	if err := b.up.enter(ctx); err != nil {
		return &Error{Op: "put", Key: key, Err: err}
	}
	err := b.Bucket.Put(ctx, key, watchedBody{body, func(r io.ReadSeekCloser) io.ReadSeekCloser {
		return &gatedBody{r, b.up}
	}})
	b.up.leave(err)
	return err
}

func (b *concurrencyBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if b.down == nil {
		return b.Bucket.Get(ctx, key, off, n)
	}
	if err := b.down.enter(ctx); err != nil {
		return nil, &Error{Op: "get", Key: key, Err: err}
	}
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil {
		b.down.leave(err)
		return nil, err
	}
	return &gatedObject{r: r, g: b.down}, nil
}

func (b *concurrencyBucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return ListAfter(ctx, b.Bucket, prefix, after)
}

type gatedBody struct {
	io.ReadSeekCloser
	g *gate
}

func (r *gatedBody) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	r.g.moved(n)
	return n, err
}

type gatedObject struct {
	r    io.ReadCloser
	g    *gate
	err  error // of the last read
	left bool
}

func (r *gatedObject) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.g.moved(n)
	r.err = err
	return n, err
}

func (r *gatedObject) Close() error {
	if !r.left {
		r.left = true
		defer r.g.leave(r.err)
	}
	return r.r.Close()
}

// gate lets as many in as its pace allows, in the order in which they came.
type gate struct {
	now func() time.Time

	mu     sync.Mutex // guards what follows
	pace   pace
	inside int
	queue  []chan struct{} // closed when its owner is let in
}

// newGate returns nil where there is no limit.
func newGate(c Concurrency, now func() time.Time) *gate {
	if c.Max <= 0 {
		return nil
	}
	return &gate{now: now, pace: newPace(c, now())}
}

// enter waits to be let in, or for the end of ctx.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	g.pace.tick(g.now())
	if g.inside < g.pace.limit && len(g.queue) == 0 {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	g.pace.waited()
	turn := make(chan struct{})
	g.queue = append(g.queue, turn)
	g.admit()
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, turn); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	} else { // let in at the same moment
		g.inside--
		g.admit()
	}
	return ctx.Err()
}

// leave makes room for the next. err is how the operation ended.
func (g *gate) leave(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if errors.Is(err, ErrThrottled) {
		g.pace.throttle(g.now())
	}
	g.step()
}

// moved counts bytes.
func (g *gate) moved(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.moved(n)
	g.step()
}

// step lets the pace see the clock, and in whom the limit has room for.
func (g *gate) step() {
	g.pace.tick(g.now())
	g.admit()
	if len(g.queue) > 0 {
		g.pace.waited()
	}
}

func (g *gate) admit() {
	for len(g.queue) > 0 && g.inside < g.pace.limit {
		close(g.queue[0])
		g.queue = slices.Delete(g.queue, 0, 1)
		g.inside++
	}
}
