package providers

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"
)

// Metrics counts what is done with a store. Its zero value is ready; all
// methods are safe for concurrent use and do nothing on a nil pointer.
type Metrics struct {
	puts, gets, lists, deletes atomic.Int64
	up, down                   atomic.Int64
	failures, retries          atomic.Int64
	inFlight                   atomic.Int64
}

// MetricsSnapshot holds the counters of one instant; each only grows, but for
// InFlight.
type MetricsSnapshot struct {
	Puts, Gets, Lists, Deletes int64 // attempts begun
	BytesUp, BytesDown         int64 // bytes of bodies, those sent or received twice included
	Failures                   int64 // attempts ended by a passing fault
	Retries                    int64 // attempts made because one before failed
	InFlight                   int64 // operations begun and not ended; a Get ends when its reader is closed
}

// Snapshot reads the counters.
func (m *Metrics) Snapshot() MetricsSnapshot {
	if m == nil {
		return MetricsSnapshot{}
	}
	return MetricsSnapshot{
		Puts: m.puts.Load(), Gets: m.gets.Load(), Lists: m.lists.Load(), Deletes: m.deletes.Load(),
		BytesUp: m.up.Load(), BytesDown: m.down.Load(),
		Failures: m.failures.Load(), Retries: m.retries.Load(), InFlight: m.inFlight.Load(),
	}
}

func (m *Metrics) failed() {
	if m != nil {
		m.failures.Add(1)
	}
}

func (m *Metrics) retried() {
	if m != nil {
		m.retries.Add(1)
	}
}

// begin counts an operation and returns what ends it.
func (m *Metrics) begin(requests *atomic.Int64) func() {
	requests.Add(1)
	m.inFlight.Add(1)
	return func() { m.inFlight.Add(-1) }
}

// metricsBucket counts each attempt that passes through it.
type metricsBucket struct {
	Bucket
	m *Metrics
}

// Unwrap returns what is decorated, for Feature.
func (b *metricsBucket) Unwrap() Bucket { return b.Bucket }

func (b *metricsBucket) Put(ctx context.Context, key string, body Body) error {
	defer b.m.begin(&b.m.puts)()
	return b.Bucket.Put(ctx, key, watchedBody{body, func(r io.ReadSeekCloser) io.ReadSeekCloser {
		return &countedBody{r, &b.m.up}
	}})
}

func (b *metricsBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	end := b.m.begin(&b.m.gets)
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil {
		end()
		return nil, err
	}
	return &countedObject{ReadCloser: r, n: &b.m.down, end: sync.OnceFunc(end)}, nil
}

func (b *metricsBucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return b.ListAfter(ctx, prefix, "")
}

func (b *metricsBucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		defer b.m.begin(&b.m.lists)()
		for o, err := range ListAfter(ctx, b.Bucket, prefix, after) {
			if !yield(o, err) {
				return
			}
		}
	}
}

func (b *metricsBucket) Delete(ctx context.Context, key string) error {
	defer b.m.begin(&b.m.deletes)()
	return b.Bucket.Delete(ctx, key)
}

type countedBody struct {
	io.ReadSeekCloser
	n *atomic.Int64
}

func (r *countedBody) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	r.n.Add(int64(n))
	return n, err
}

type countedObject struct {
	io.ReadCloser
	n   *atomic.Int64
	end func()
}

func (r *countedObject) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.n.Add(int64(n))
	return n, err
}

func (r *countedObject) Close() error {
	defer r.end()
	return r.ReadCloser.Close()
}
