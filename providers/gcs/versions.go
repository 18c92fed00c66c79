package gcs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
)

// Versions yields the generations of all objects below prefix. Soft-deleted
// objects, which GCS keeps beside versions, are not among them.
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[providers.Version, error] {
	return func(yield func(providers.Version, error) bool) {
		var same []*storage.ObjectAttrs // the generations of one key
		flush := func() bool {
			for v, err := range versions(prefix, same) {
				if !yield(v, err) || err != nil {
					return false
				}
			}
			same = same[:0]
			return true
		}
		for raw, err := range b.entries(ctx, prefix, "", true) {
			if err == nil && len(same) > 0 && raw.Name < same[0].Name {
				err = unsorted(prefix, same[0].Name, raw.Name)
			}
			if err != nil {
				yield(providers.Version{}, err)
				return
			}
			if len(same) > 0 && raw.Name != same[0].Name && !flush() {
				return
			}
			same = append(same, raw)
		}
		flush()
	}
}

// versions yields the generations of one key, the oldest first. The API
// promises no order among them, and fake-gcs-server repeats some on the next
// page.
func versions(prefix string, same []*storage.ObjectAttrs) iter.Seq2[providers.Version, error] {
	return func(yield func(providers.Version, error) bool) {
		slices.SortFunc(same, func(a, b *storage.ObjectAttrs) int { return cmp.Compare(a.Generation, b.Generation) })
		same = slices.CompactFunc(same, func(a, b *storage.ObjectAttrs) bool { return a.Generation == b.Generation })
		for _, raw := range same {
			o, err := object(prefix, raw)
			v := providers.Version{Object: o, ID: strconv.FormatInt(raw.Generation, 10), Current: raw.Deleted.IsZero()}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// GetVersion reads a range of one generation.
func (b *Bucket) GetVersion(ctx context.Context, v providers.Version, off, n int64) (io.ReadCloser, error) {
	generation, err := strconv.ParseInt(v.ID, 10, 64)
	if err != nil || generation <= 0 {
		return nil, &providers.Error{Op: "get", Key: v.Key, Err: fmt.Errorf("%w: version %q", providers.ErrNotFound, v.ID)}
	}
	return b.get(ctx, v.Key, generation, off, n)
}
