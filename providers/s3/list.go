package s3

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	"github.com/snapferry/snapferry/providers"
)

// pageSize is the most S3 returns at once.
const pageSize = 1000

// List yields the objects below prefix, also those whose keys are outside the
// grammar.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return b.ListAfter(ctx, prefix, "")
}

// ListAfter yields the objects below prefix whose keys follow after.
func (b *Bucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if err := checkList(ctx, prefix); err != nil {
			yield(providers.Object{}, err)
			return
		}
		last := after
		token := blob.FirstPageToken
		for token != nil {
			page, next, err := b.lister.ListPage(ctx, token, pageSize, listOptions(prefix, after))
			if err != nil {
				yield(providers.Object{}, b.explain(ctx, "list", prefix, err))
				return
			}
			for _, entry := range page {
				o := object(entry)
				if o.Key <= last && last != "" {
					yield(providers.Object{}, unsorted(prefix, last, o.Key))
					return
				}
				last = o.Key
				if !yield(o, nil) {
					return
				}
			}
			token = next
			if len(token) == 0 {
				token = nil
			}
		}
	}
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

// listOptions puts the prefix into the request as it is: gocloud.dev would
// escape some of it.
func listOptions(prefix, after string) *blob.ListOptions {
	return &blob.ListOptions{Prefix: prefix, BeforeList: func(as func(any) bool) error {
		var in *s3.ListObjectsV2Input
		if !as(&in) {
			return fmt.Errorf("list request is of an unknown kind")
		}
		in.Prefix = aws.String(prefix)
		if after != "" {
			in.StartAfter = aws.String(after)
		}
		return nil
	}}
}

// object takes key, size and time as the store gave them: the keys of
// gocloud.dev are unescaped.
func object(entry *blob.ListObject) providers.Object {
	var raw types.Object
	if entry.As(&raw) {
		return providers.Object{Key: aws.ToString(raw.Key), Size: aws.ToInt64(raw.Size), Created: aws.ToTime(raw.LastModified).UTC(), Class: string(raw.StorageClass)}
	}
	return providers.Object{Key: entry.Key, Size: entry.Size, Created: entry.ModTime.UTC()}
}

func unsorted(prefix, last, key string) error {
	return &providers.Error{Op: "list", Key: prefix,
		Err:  fmt.Errorf("%w: it lists %q after %q", providers.ErrUnsupported, key, last),
		Hint: "use a general purpose bucket: directory buckets do not list in order"}
}
