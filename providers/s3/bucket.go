package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Bucket is an S3 bucket as a store.
type Bucket struct {
	location
	attributes func(key string) providers.Attributes
	client     *s3.Client
	lister     *blob.Bucket // on the same client
	idle       *http.Transport
}

// The optional interfaces it has.
var (
	_ providers.Locker        = (*Bucket)(nil)
	_ providers.Versioner     = (*Bucket)(nil)
	_ providers.Inspector     = (*Bucket)(nil)
	_ providers.Overwriter    = (*Bucket)(nil)
	_ providers.PolicyAdviser = (*Bucket)(nil)
	_ providers.Ruler         = (*Bucket)(nil)
	_ providers.Copier        = (*Bucket)(nil)
	_ providers.Holder        = (*Bucket)(nil)
	_ providers.Thawer        = (*Bucket)(nil)
)

// Put creates the object with one request. The hash of the body is signed, so
// that the store refuses other bytes, and is kept as the object's checksum.
func (b *Bucket) Put(ctx context.Context, key string, body providers.Body) error {
	err := b.put(ctx, key, body, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
	if transport.HungUp(err) && ctx.Err() == nil && b.exists(ctx, key) {
		return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
	}
	return err
}

// Overwrite is Put without the condition. A bucket policy that demands the
// condition, as OverwritePolicy does, refuses it.
func (b *Bucket) Overwrite(ctx context.Context, key string, body providers.Body) error {
	return b.put(ctx, key, body, func(*s3.PutObjectInput) {})
}

func (b *Bucket) put(ctx context.Context, key string, body providers.Body, condition func(*s3.PutObjectInput)) error {
	if err := check(ctx, "put", key); err != nil {
		return err
	}
	sum := body.SHA256()
	r, err := transport.OpenBody(body)
	if err != nil {
		return &providers.Error{Op: "put", Key: key, Err: err}
	}
	defer r.Detach()
	in := &s3.PutObjectInput{
		Bucket:         &b.bucket,
		Key:            &key,
		Body:           r,
		ContentLength:  aws.Int64(body.Size()),
		ContentType:    aws.String("application/octet-stream"),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		// An object with a lock must name what its checksum is.
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	}
	condition(in)
	b.encryption.set(in)
	attributes := b.attributes(key)
	if attributes.Bulk {
		in.StorageClass = b.storageClass
	}
	setLock(in, attributes.Lock)
	out, err := b.client.PutObject(ctx, in, knownPayload(sum[:]))
	if err != nil {
		return b.explain(ctx, "put", key, err)
	}
	return b.encryption.checkAnswer(key, out.ServerSideEncryption)
}

// exists asks for the object. It is a hint: no answer means no.
func (b *Bucket) exists(ctx context.Context, key string) bool {
	_, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &key})
	return err == nil
}

// Delete removes the object; in a versioned bucket it puts a delete marker
// before its versions. It goes by the SDK: gocloud.dev asks for the object
// first, which costs a request and a permission, and rewrites some keys.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: &key})
	err = b.explain(ctx, "delete", key, err)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// Close ends idle connections.
func (b *Bucket) Close() error {
	b.idle.CloseIdleConnections()
	return b.lister.Close()
}

func check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	if err := providers.CheckKey(key); err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	return nil
}
