package job

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snapferry/snapferry/providers"
)

// discardRegistry opens vaults that discard what is stored in them.
func discardRegistry() providers.Registry {
	return providers.Registry{"discard": func(context.Context, *url.URL, providers.Options) (providers.Bucket, string, error) {
		return &discard{objects: map[string]discarded{}}, "", nil
	}}
}

// discard is a store that keeps names and sizes, and the content of what a
// backup reads back: the small objects of the catalog. A segment is not even
// read, as the limit that this is compared with throws its frames away.
type discard struct {
	mu      sync.Mutex
	objects map[string]discarded
}

type discarded struct {
	size    int64
	content []byte // nil of a segment
}

// maxKept is the largest content that is kept, in bytes.
const maxKept = 1 << 20

func (d *discard) Put(ctx context.Context, key string, body providers.Body) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := discarded{size: body.Size()}
	if strings.Contains(key, "/catalog/") && o.size <= maxKept {
		r := body.Open()
		defer func() { _ = r.Close() }() // releases nothing
		var err error
		if o.content, err = io.ReadAll(r); err != nil {
			return &providers.Error{Op: "put", Key: key, Err: err}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, taken := d.objects[key]; taken {
		return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
	}
	d.objects[key] = o
	return nil
}

func (d *discard) Get(_ context.Context, key string, off, n int64) (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok := d.objects[key]
	switch {
	case !ok || o.content == nil:
		return nil, &providers.Error{Op: "get", Key: key, Err: providers.ErrNotFound}
	case off > o.size:
		return nil, &providers.Error{Op: "get", Key: key, Err: providers.ErrRange}
	case n < 0 || n > o.size-off:
		n = o.size - off
	}
	return io.NopCloser(bytes.NewReader(o.content[off : off+n])), nil
}

func (d *discard) List(_ context.Context, prefix string) iter.Seq2[providers.Object, error] {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []providers.Object
	for key, o := range d.objects {
		if strings.HasPrefix(key, prefix) {
			found = append(found, providers.Object{Key: key, Size: o.size, Created: time.Unix(0, 0).UTC()})
		}
	}
	slices.SortFunc(found, func(a, b providers.Object) int { return strings.Compare(a.Key, b.Key) })
	return func(yield func(providers.Object, error) bool) {
		for _, o := range found {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (d *discard) Delete(_ context.Context, key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.objects, key)
	return nil
}

func (d *discard) Close() error { return nil }

// dropSeries removes all objects of a series that was made to be measured.
func (r *Runner) dropSeries(ctx context.Context, vault, series string) error {
	s := r.newSession()
	if err := s.open(ctx, Vault{URL: vault}); err != nil {
		return err
	}
	defer s.close()
	var keys []string
	for o, err := range s.bucket.List(ctx, s.prefix) {
		if err != nil {
			return err
		}
		if strings.Contains(o.Key, "/"+series+"/") {
			keys = append(keys, o.Key)
		}
	}
	for _, key := range keys {
		if err := s.bucket.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
