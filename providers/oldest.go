package providers

import (
	"context"
	"iter"
)

// Oldest returns b as it was before anything was overwritten or deleted: its
// listings show the oldest version of each key that v, the same store, knows.
// All else is b's.
func Oldest(b Bucket, v Versioner) Bucket { return &oldest{Bucket: b, versions: v} }

type oldest struct {
	Bucket
	versions Versioner
}

// Unwrap returns the bucket without its history.
func (o *oldest) Unwrap() Bucket { return o.Bucket }

// List implements Bucket.
func (o *oldest) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		last, some := "", false
		for v, err := range o.versions.Versions(ctx, prefix) {
			if err == nil && some && v.Key == last {
				continue
			}
			last, some = v.Key, true
			if !yield(v.Object, err) || err != nil {
				return
			}
		}
	}
}
