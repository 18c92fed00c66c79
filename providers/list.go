package providers

import (
	"context"
	"iter"
)

// AfterLister is an optional interface of a Bucket that can begin a listing in
// the middle at no more than the cost of the rest. All decorators pass it on.
type AfterLister interface {
	// ListAfter is List without the objects whose key is not greater than after.
	ListAfter(ctx context.Context, prefix, after string) iter.Seq2[Object, error]
}

// ListAfter lists what follows the key after. A bucket that is no AfterLister
// is listed from the start and the beginning is dropped.
func ListAfter(ctx context.Context, b Bucket, prefix, after string) iter.Seq2[Object, error] {
	if after == "" {
		return b.List(ctx, prefix)
	}
	if l, ok := b.(AfterLister); ok {
		return l.ListAfter(ctx, prefix, after)
	}
	return func(yield func(Object, error) bool) {
		for o, err := range b.List(ctx, prefix) {
			if err == nil && o.Key <= after {
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
