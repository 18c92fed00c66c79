package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Bucket is an S3 bucket as a store.
type Bucket struct {
	name   string
	client *s3.Client
	lister *blob.Bucket // on the same client
	idle   *http.Transport
}

// Put creates the object with one request. The hash of the body is signed, so
// that the store refuses other bytes, and is kept as the object's checksum.
func (b *Bucket) Put(ctx context.Context, key string, body providers.Body) error {
	if err := check(ctx, "put", key); err != nil {
		return err
	}
	sum := body.SHA256()
	r, err := transport.OpenBody(body)
	if err != nil {
		return &providers.Error{Op: "put", Key: key, Err: err}
	}
	defer r.Detach()
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &b.name,
		Key:            &key,
		Body:           r,
		ContentLength:  aws.Int64(body.Size()),
		ContentType:    aws.String("application/octet-stream"),
		IfNoneMatch:    aws.String("*"),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}, knownPayload(sum[:]))
	if transport.HungUp(err) && ctx.Err() == nil && b.exists(ctx, key) {
		return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
	}
	return b.explain(ctx, "put", key, err)
}

// exists asks for the object. It is a hint: no answer means no.
func (b *Bucket) exists(ctx context.Context, key string) bool {
	_, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	return err == nil
}

// Delete removes the object; in a versioned bucket it puts a delete marker
// before its versions. It goes by the SDK: gocloud.dev asks for the object
// first, which costs a request and a permission, and rewrites some keys.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
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
