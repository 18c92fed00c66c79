package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snapferry/snapferry/providers"
)

// Versioned is a store in memory that keeps what is deleted or overwritten.
// The zero value is empty and usable.
type Versioned struct {
	mu      sync.Mutex
	objects map[string][]stored // oldest first
	clock   int64
}

// stored is one version. Without bytes it is a delete marker.
type stored struct {
	id string
	b  []byte
	at time.Time
}

// Overwrite makes b the current version of key, whatever is there.
func (v *Versioned) Overwrite(_ context.Context, key string, body providers.Body) error {
	b, err := io.ReadAll(body.Open())
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.add(key, b)
	return nil
}

func (v *Versioned) add(key string, b []byte) {
	if v.objects == nil {
		v.objects = map[string][]stored{}
	}
	v.clock++
	v.objects[key] = append(v.objects[key], stored{id: fmt.Sprintf("v%d", v.clock), b: b, at: time.Unix(v.clock, 0).UTC()})
}

// current returns the bytes a plain Get reads; nil if there are none.
func (v *Versioned) current(key string) *stored {
	all := v.objects[key]
	if len(all) == 0 || all[len(all)-1].b == nil {
		return nil
	}
	return &all[len(all)-1]
}

// Put implements providers.Bucket.
func (v *Versioned) Put(ctx context.Context, key string, body providers.Body) error {
	b, err := io.ReadAll(body.Open())
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current(key) != nil {
		return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
	}
	v.add(key, append([]byte{}, b...))
	return ctx.Err()
}

// Get implements providers.Bucket.
func (v *Versioned) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.current(key)
	if s == nil {
		return nil, &providers.Error{Op: "get", Key: key, Err: providers.ErrNotFound}
	}
	return s.read(ctx, key, off, n)
}

func (s *stored) read(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if off > int64(len(s.b)) {
		return nil, &providers.Error{Op: "get", Key: key, Err: providers.ErrRange}
	}
	b := s.b[off:]
	if n >= 0 {
		b = b[:min(n, int64(len(b)))]
	}
	return io.NopCloser(bytes.NewReader(b)), ctx.Err()
}

// List implements providers.Bucket.
func (v *Versioned) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for version, err := range v.Versions(ctx, prefix) {
			if err != nil || version.Current {
				if !yield(version.Object, err) {
					return
				}
			}
		}
	}
}

// Delete implements providers.Bucket: it hides what is there.
func (v *Versioned) Delete(_ context.Context, key string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current(key) != nil {
		v.add(key, nil)
	}
	return nil
}

// Close implements providers.Bucket.
func (v *Versioned) Close() error { return nil }

// Versions implements providers.Versioner.
func (v *Versioned) Versions(ctx context.Context, prefix string) iter.Seq2[providers.Version, error] {
	return func(yield func(providers.Version, error) bool) {
		v.mu.Lock()
		all := maps.Clone(v.objects)
		v.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(all)) {
			for i, s := range all[key] {
				if s.b == nil || !strings.HasPrefix(key, prefix) {
					continue
				}
				version := providers.Version{Object: providers.Object{Key: key, Size: int64(len(s.b)), Created: s.at}, ID: s.id, Current: i == len(all[key])-1}
				if !yield(version, ctx.Err()) {
					return
				}
			}
		}
	}
}

// GetVersion implements providers.Versioner.
func (v *Versioned) GetVersion(ctx context.Context, version providers.Version, off, n int64) (io.ReadCloser, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.objects[version.Key] {
		if s.id == version.ID && s.b != nil {
			return s.read(ctx, version.Key, off, n)
		}
	}
	return nil, &providers.Error{Op: "get version", Key: version.Key, Err: providers.ErrNotFound}
}
