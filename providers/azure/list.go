package azure

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/snapferry/snapferry/providers"
)

// pageSize is how many objects are asked for at once. Azure gives up to 5,000,
// in XML of about a kilobyte each.
const pageSize = 1000

// List yields the objects below prefix, also those whose keys are outside the
// grammar.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return b.ListAfter(ctx, prefix, "")
}

// ListAfter yields the objects below prefix whose keys follow after. Azure can
// begin in the middle; from a store that cannot, what comes before is dropped.
func (b *Bucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		last := ""
		for item, err := range b.items(ctx, prefix, container.ListBlobsFlatOptions{StartFrom: startFrom(after)}) {
			if err != nil {
				yield(providers.Object{}, err)
				return
			}
			o := object(item)
			if last != "" && o.Key <= last {
				yield(providers.Object{}, unsorted(prefix, last, o.Key))
				return
			}
			last = o.Key
			if (after == "" || o.Key > after) && !yield(o, nil) {
				return
			}
		}
	}
}

// startFrom is inclusive.
func startFrom(after string) *string {
	if after == "" {
		return nil
	}
	return &after
}

// items yields what the pages of a listing hold.
func (b *Bucket) items(ctx context.Context, prefix string, o container.ListBlobsFlatOptions) iter.Seq2[*container.BlobItem, error] {
	return func(yield func(*container.BlobItem, error) bool) {
		if err := checkList(ctx, prefix); err != nil {
			yield(nil, err)
			return
		}
		o.MaxResults = to.Ptr[int32](pageSize)
		if prefix != "" {
			o.Prefix = &prefix
		}
		for pages := b.client.NewListBlobsFlatPager(&o); pages.More(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, b.explain(ctx, "list", prefix, err))
				return
			}
			if page.Segment == nil {
				continue
			}
			for _, item := range page.Segment.BlobItems {
				if isObject(item) && !yield(item, nil) {
					return
				}
			}
		}
	}
}

// isObject leaves out the folders of accounts with a hierarchical namespace.
func isObject(item *container.BlobItem) bool {
	if item == nil || item.Name == nil {
		return false
	}
	p := item.Properties
	return p == nil || p.ResourceType == nil || *p.ResourceType != "directory"
}

func checkList(ctx context.Context, prefix string) error {
	err := ctx.Err()
	if err == nil {
		err = providers.CheckListPrefix(prefix)
	}
	if err != nil {
		return &providers.Error{Op: "list", Key: prefix, Err: err}
	}
	return nil
}

// object takes what a listing tells. The time is that of creation: the time
// of the last change moves with tags, metadata and tiers.
func object(item *container.BlobItem) providers.Object {
	o := providers.Object{Key: *item.Name}
	if p := item.Properties; p != nil {
		if p.ContentLength != nil {
			o.Size = *p.ContentLength
		}
		o.Created = firstTime(p.CreationTime, p.LastModified)
		if p.AccessTier != nil {
			o.Class = string(*p.AccessTier)
		}
	}
	return o
}

func firstTime(times ...*time.Time) time.Time {
	for _, t := range times {
		if t != nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func unsorted(prefix, last, key string) error {
	return &providers.Error{Op: "list", Key: prefix,
		Err:  fmt.Errorf("%w: it lists %q after %q", providers.ErrUnsupported, key, last),
		Hint: "use a storage account without hierarchical namespace: one with it does not list in order"}
}

// Versions yields every version below prefix, see providers.Versioner. In an
// account without versioning these are the objects themselves. It holds the
// versions of one key at a time: Azure does not say in which order they come.
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[providers.Version, error] {
	return func(yield func(providers.Version, error) bool) {
		var same []providers.Version // of one key
		flush := func() bool {
			slices.SortStableFunc(same, older)
			for _, v := range same {
				if !yield(v, nil) {
					return false
				}
			}
			same = same[:0]
			return true
		}
		for item, err := range b.items(ctx, prefix, container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Versions: true}}) {
			if err != nil {
				if flush() {
					yield(providers.Version{}, err)
				}
				return
			}
			v := version(item)
			if len(same) > 0 && v.Key != same[0].Key {
				last := same[0].Key
				if !flush() {
					return
				}
				if v.Key < last {
					yield(providers.Version{}, unsorted(prefix, last, v.Key))
					return
				}
			}
			same = append(same, v)
		}
		flush()
	}
}

// older orders versions by their IDs, which are the times they were written
// at, all in one form. What was written before versioning was on has none.
func older(a, b providers.Version) int { return cmp.Compare(a.ID, b.ID) }

func version(item *container.BlobItem) providers.Version {
	v := providers.Version{Object: object(item)}
	if item.VersionID != nil {
		v.ID = *item.VersionID
	}
	v.Current = v.ID == "" || item.IsCurrentVersion != nil && *item.IsCurrentVersion
	return v
}
