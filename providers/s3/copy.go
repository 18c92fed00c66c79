package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/snapferry/snapferry/providers"
)

// maxCopy is the largest object that one request copies, in bytes.
const maxCopy = 5 << 30

// CopyObject copies within the bucket. The condition that the key is free is
// sent as with Put; some stores pass over it in copies, so the key is looked up
// first: two copies of the same content at the same moment do no harm there. The
// store computes the SHA-256 of what it copied, and tells it or is asked for it.
func (b *Bucket) CopyObject(ctx context.Context, from, to string, want providers.Digest) error {
	if err := errors.Join(check(ctx, "copy", from), check(ctx, "copy", to)); err != nil {
		return err
	}
	if want.Size > maxCopy {
		return &providers.Error{Op: "copy", Key: from, Err: fmt.Errorf("%w: objects of more than 5 GiB are not copied", providers.ErrUnsupported)}
	}
	if err := b.copyable(ctx, from, to, want); err != nil {
		return err
	}
	in := &s3.CopyObjectInput{
		Bucket:            &b.bucket,
		Key:               &to,
		CopySource:        aws.String((&url.URL{Path: b.bucket + "/" + from}).EscapedPath()),
		IfNoneMatch:       aws.String("*"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		// What the object is stays; class, encryption and lock are the target's.
		MetadataDirective: types.MetadataDirectiveCopy,
		TaggingDirective:  types.TaggingDirectiveReplace,
	}
	b.encryption.setCopy(in)
	attributes := b.attributes(to)
	if attributes.Bulk {
		in.StorageClass = b.storageClass
	}
	if lock := attributes.Lock; !lock.IsZero() {
		in.ObjectLockMode = types.ObjectLockMode(strings.ToUpper(string(lock.Mode)))
		in.ObjectLockRetainUntilDate = aws.Time(lock.Until.UTC())
	}
	out, err := b.client.CopyObject(ctx, in)
	if err != nil {
		return b.explain(ctx, "copy", to, err)
	}
	told := ""
	if out.CopyObjectResult != nil {
		told = aws.ToString(out.CopyObjectResult.ChecksumSHA256)
	}
	if err := b.encryption.checkAnswer(to, out.ServerSideEncryption); err != nil {
		return err
	}
	err = b.checkCopy(ctx, to, told, want)
	if !errors.Is(err, providers.ErrChecksum) {
		return err
	}
	// Its name would vouch for it.
	if derr := b.Delete(ctx, to); derr != nil {
		return &providers.Error{Op: "copy", Key: to, Err: err, Hint: "remove this object, which is damaged, before you run the command again: " + derr.Error()}
	}
	return err
}

// copyable looks whether the target is free, and whether the source is what it
// must be as far as the store has kept its hash. What cannot be told is an
// error: a store that passes over the condition would replace what is there.
func (b *Bucket) copyable(ctx context.Context, from, to string, want providers.Digest) error {
	_, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &to})
	if err == nil {
		return &providers.Error{Op: "copy", Key: to, Err: providers.ErrExists}
	}
	if !isCode(err, "NotFound", "NoSuchKey") {
		return b.explain(ctx, "copy", to, err)
	}
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &from, ChecksumMode: types.ChecksumModeEnabled})
	if isCode(err, "NotFound") {
		return &providers.Error{Op: "copy", Key: from, Err: providers.ErrNotFound}
	}
	if err != nil {
		return b.explain(ctx, "copy", from, err)
	}
	told, size := aws.ToString(head.ChecksumSHA256), aws.ToInt64(head.ContentLength)
	if !isDigest(told, size, want) {
		return &providers.Error{Op: "copy", Key: from, Err: fmt.Errorf("%w: the store has %d bytes with the SHA-256 %q", providers.ErrChecksum, size, told),
			Hint: "the object that is to be copied is damaged"}
	}
	return nil
}

// checkCopy compares what the store tells of a copy with what it must be. A
// store that tells no hash is believed what it tells of the size.
func (b *Bucket) checkCopy(ctx context.Context, key, told string, want providers.Digest) error {
	size := want.Size
	if told == "" {
		head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err := b.explain(ctx, "copy", key, err); err != nil {
			return err
		}
		told, size = aws.ToString(head.ChecksumSHA256), aws.ToInt64(head.ContentLength)
	}
	if !isDigest(told, size, want) {
		return &providers.Error{Op: "copy", Key: key, Err: fmt.Errorf("%w: the store copied %d bytes with the SHA-256 %q", providers.ErrChecksum, size, told),
			Hint: "the object that was copied is damaged"}
	}
	return nil
}

// isDigest compares the SHA-256, in base64, and the size that a store tells with
// what an object must have. Without a hash the size decides.
func isDigest(told string, size int64, want providers.Digest) bool {
	return size == want.Size && (told == "" || told == base64.StdEncoding.EncodeToString(want.SHA256[:]))
}
