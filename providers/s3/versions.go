package s3

import (
	"context"
	"io"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/snapferry/snapferry/providers"
)

// Versions yields the versions below prefix. The store lists those of one key
// newest first, so that all of one key are held, beside a page.
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[providers.Version, error] {
	return func(yield func(providers.Version, error) bool) {
		if err := checkList(ctx, prefix); err != nil {
			yield(providers.Version{}, err)
			return
		}
		pages := s3.NewListObjectVersionsPaginator(b.client, &s3.ListObjectVersionsInput{
			Bucket: &b.bucket, Prefix: aws.String(prefix), MaxKeys: aws.Int32(pageSize),
		})
		var held []providers.Version // of one key, newest first
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(providers.Version{}, b.explain(ctx, "list", prefix, err))
				return
			}
			for i := range page.Versions {
				v := version(&page.Versions[i])
				if len(held) > 0 && held[0].Key != v.Key {
					if held[0].Key > v.Key {
						yield(providers.Version{}, unsorted(prefix, held[0].Key, v.Key))
						return
					}
					if !oldestFirst(held, yield) {
						return
					}
					held = held[:0]
				}
				held = append(held, v)
			}
		}
		oldestFirst(held, yield)
	}
}

func version(v *types.ObjectVersion) providers.Version {
	return providers.Version{
		Object:  providers.Object{Key: aws.ToString(v.Key), Size: aws.ToInt64(v.Size), Created: aws.ToTime(v.LastModified).UTC(), Class: string(v.StorageClass)},
		ID:      aws.ToString(v.VersionId),
		Current: aws.ToBool(v.IsLatest),
	}
}

func oldestFirst(newestFirst []providers.Version, yield func(providers.Version, error) bool) bool {
	for _, v := range slices.Backward(newestFirst) {
		if !yield(v, nil) {
			return false
		}
	}
	return true
}

// GetVersion is Get of one version, also of one behind a delete marker.
func (b *Bucket) GetVersion(ctx context.Context, v providers.Version, off, n int64) (io.ReadCloser, error) {
	return b.get(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &v.Key, VersionId: &v.ID}, off, n)
}
