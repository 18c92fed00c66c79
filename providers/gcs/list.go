package gcs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/snapferry/snapferry/providers"
)

// pageSize is the most GCS returns at once.
const pageSize = 1000

// List yields the objects below prefix, also those whose keys are outside the
// grammar.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return b.ListAfter(ctx, prefix, "")
}

// ListAfter yields the objects below prefix whose keys follow after.
func (b *Bucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		last := after
		for raw, err := range b.entries(ctx, prefix, after, false) {
			if err != nil {
				yield(providers.Object{}, err)
				return
			}
			if raw.Name == after && after != "" {
				continue // the API begins with it
			}
			o, err := object(prefix, raw)
			if err == nil && o.Key <= last && last != "" {
				err = unsorted(prefix, last, o.Key)
			}
			if !yield(o, err) || err != nil {
				return
			}
			last = o.Key
		}
	}
}

// entries yields what the store lists from a key on, page by page.
func (b *Bucket) entries(ctx context.Context, prefix, from string, versions bool) iter.Seq2[*storage.ObjectAttrs, error] {
	return func(yield func(*storage.ObjectAttrs, error) bool) {
		err := ctx.Err()
		if err == nil {
			err = providers.CheckListPrefix(prefix)
		}
		if err != nil {
			yield(nil, &providers.Error{Op: "list", Key: prefix, Err: err})
			return
		}
		o := &operation{pages: true}
		it := b.store.Objects(o.in(ctx), query(prefix, from, versions))
		it.PageInfo().MaxSize = pageSize
		for {
			raw, err := it.Next()
			switch {
			case errors.Is(err, iterator.Done):
				return
			case errors.Is(err, errTwice):
				err = &providers.Error{Op: "list", Key: prefix, Err: fmt.Errorf("%w: its pages of a listing do not end", providers.ErrUnsupported)}
			default:
				err = b.explain(ctx, "list", prefix, err)
			}
			if !yield(raw, err) || err != nil {
				return
			}
		}
	}
}

func query(prefix, from string, versions bool) *storage.Query {
	q := &storage.Query{Prefix: prefix, StartOffset: from, Versions: versions, Projection: storage.ProjectionNoACL}
	attributes := []string{"Name", "Size", "Created", "StorageClass"}
	if versions {
		attributes = append(attributes, "Generation", "Deleted")
	}
	_ = q.SetAttrSelection(attributes) // fails for unknown names alone
	return q
}

// probe asks for one key of a listing, and returns the header of the answer.
func (b *Bucket) probe(ctx context.Context) (http.Header, error) {
	o := new(operation)
	it := b.store.Objects(o.in(ctx), &storage.Query{Projection: storage.ProjectionNoACL})
	it.PageInfo().MaxSize = 1
	_, err := it.Next()
	// Of an empty page that is not the last the library asks for the next.
	if errors.Is(err, iterator.Done) || errors.Is(err, errTwice) {
		err = nil
	}
	return o.header, err
}

func object(prefix string, raw *storage.ObjectAttrs) (providers.Object, error) {
	if raw.Created.IsZero() {
		return providers.Object{}, &providers.Error{Op: "list", Key: prefix,
			Err: fmt.Errorf("what the store says about the creation of %q is no time", raw.Name)}
	}
	return providers.Object{Key: raw.Name, Size: raw.Size, Created: raw.Created.UTC(), Class: raw.StorageClass}, nil
}

func unsorted(prefix, last, key string) error {
	return &providers.Error{Op: "list", Key: prefix,
		Err:  fmt.Errorf("%w: it lists %q after %q", providers.ErrUnsupported, key, last),
		Hint: "check the endpoint: Google Cloud Storage lists in order"}
}
