package gcs

import (
	"context"
	"fmt"
	"iter"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

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
func (b *Bucket) entries(ctx context.Context, prefix, from string, versions bool) iter.Seq2[*storage.Object, error] {
	return func(yield func(*storage.Object, error) bool) {
		err := ctx.Err()
		if err == nil {
			err = providers.CheckListPrefix(prefix)
		}
		if err != nil {
			yield(nil, &providers.Error{Op: "list", Key: prefix, Err: err})
			return
		}
		token := ""
		for {
			page, err := b.listCall(ctx, prefix).StartOffset(from).PageToken(token).Versions(versions).
				MaxResults(pageSize).Fields("nextPageToken", fields(versions)).Do()
			if err != nil {
				yield(nil, b.explain(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Items {
				if !yield(o, nil) {
					return
				}
			}
			if page.NextPageToken == "" {
				return
			}
			if page.NextPageToken == token {
				yield(nil, &providers.Error{Op: "list", Key: prefix, Err: fmt.Errorf("%w: its pages of a listing do not end", providers.ErrUnsupported)})
				return
			}
			token = page.NextPageToken
		}
	}
}

func (b *Bucket) listCall(ctx context.Context, prefix string) *storage.ObjectsListCall {
	call := b.service.Objects.List(b.location.bucket).Context(ctx)
	if prefix != "" {
		call.Prefix(prefix)
	}
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	return call
}

func fields(versions bool) googleapi.Field {
	if versions {
		return "items(name,size,timeCreated,timeDeleted,generation)"
	}
	return "items(name,size,timeCreated)"
}

func object(prefix string, raw *storage.Object) (providers.Object, error) {
	created, err := time.Parse(time.RFC3339, raw.TimeCreated)
	if err != nil {
		return providers.Object{}, &providers.Error{Op: "list", Key: prefix,
			Err: fmt.Errorf("the store says that %q was created at %q, which is no time", raw.Name, raw.TimeCreated)}
	}
	return providers.Object{Key: raw.Name, Size: int64(raw.Size), Created: created.UTC()}, nil //nolint:gosec // below 2^63
}

func unsorted(prefix, last, key string) error {
	return &providers.Error{Op: "list", Key: prefix,
		Err:  fmt.Errorf("%w: it lists %q after %q", providers.ErrUnsupported, key, last),
		Hint: "check the endpoint: Google Cloud Storage lists in order"}
}
