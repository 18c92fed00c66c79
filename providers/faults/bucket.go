package faults

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/snapferry/snapferry/providers"
)

// ErrInjected is the error of a Bucket's faults, which are passing ones.
var ErrInjected = errors.New("injected fault")

// Rates are the chances, from 0 to 1, of the faults of a Bucket.
type Rates struct {
	Before  float64 // an operation fails before it did anything
	After   float64 // a Put or Delete is carried out, and fails
	Reading float64 // a reader fails after some bytes; drawn for each reader
	Listing float64 // a listing fails before an object; drawn for each object
}

// Bucket fails at random around another, which it owns.
type Bucket struct {
	providers.Bucket
	rates Rates

	mu   sync.Mutex // guards rand
	rand *rand.Rand
	hits atomic.Int64
}

// NewBucket makes a Bucket whose faults depend on the seed and the order of
// its use.
func NewBucket(b providers.Bucket, seed uint64, rates Rates) *Bucket {
	return &Bucket{Bucket: b, rates: rates, rand: rand.New(rand.NewPCG(seed, seed))}
}

// Hits returns how many faults there were.
func (b *Bucket) Hits() int { return int(b.hits.Load()) }

func (b *Bucket) hit(probability float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rand.Float64() >= probability {
		return false
	}
	b.hits.Add(1)
	return true
}

func (b *Bucket) fault(op, key string) error {
	return &providers.Error{Op: op, Key: key, Err: ErrInjected}
}

// Put fails before or after the true one.
func (b *Bucket) Put(ctx context.Context, key string, body providers.Body) error {
	return b.around("put", key, func() error { return b.Bucket.Put(ctx, key, body) })
}

// Delete fails before or after the true one.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.around("delete", key, func() error { return b.Bucket.Delete(ctx, key) })
}

func (b *Bucket) around(op, key string, do func() error) error {
	if b.hit(b.rates.Before) {
		return b.fault(op, key)
	}
	if err := do(); err != nil {
		return err
	}
	if b.hit(b.rates.After) {
		return b.fault(op, key)
	}
	return nil
}

// Get fails, or returns a reader that does so after up to 100,000 bytes.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if b.hit(b.rates.Before) {
		return nil, b.fault("get", key)
	}
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil || !b.hit(b.rates.Reading) {
		return r, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return &failingReader{ReadCloser: r, left: b.rand.Int64N(100_001), err: b.fault("get", key)}, nil
}

// List fails before some object.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return b.ListAfter(ctx, prefix, "")
}

// ListAfter fails before some object.
func (b *Bucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if b.hit(b.rates.Before) {
			yield(providers.Object{}, b.fault("list", prefix))
			return
		}
		for o, err := range providers.ListAfter(ctx, b.Bucket, prefix, after) {
			if err == nil && b.hit(b.rates.Listing) {
				yield(providers.Object{}, b.fault("list", prefix))
				return
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

type failingReader struct {
	io.ReadCloser
	left int64
	err  error
}

func (r *failingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}
