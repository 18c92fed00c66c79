package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/snapferry/snapferry/providers"
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
	source, err := openBody(body)
	if err != nil {
		return &providers.Error{Op: "put", Key: key, Err: err}
	}
	r := &detachable{r: source}
	// The transport may read on after the answer; the body's memory is the
	// caller's again when Put returns.
	defer r.detach()
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &b.name,
		Key:            &key,
		Body:           r,
		ContentLength:  aws.Int64(body.Size()),
		ContentType:    aws.String("application/octet-stream"),
		IfNoneMatch:    aws.String("*"),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}, knownPayload(sum[:]))
	if hungUp(err) && ctx.Err() == nil && b.exists(ctx, key) {
		return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
	}
	return b.explain(ctx, "put", key, err)
}

// hungUp reports that the store ended the connection instead of answering. A
// store may do so with an answer on its way, 412 say, that is lost because
// the body was still being sent: every further try could end alike.
func hungUp(err error) bool {
	const wsaConnAborted, wsaConnReset = syscall.Errno(10053), syscall.Errno(10054) // Windows has numbers of its own
	for _, target := range []error{syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, wsaConnAborted, wsaConnReset} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// exists asks for the object. It is a hint: no answer means no.
func (b *Bucket) exists(ctx context.Context, key string) bool {
	_, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	return err == nil
}

// openBody checks the length that is announced before anything is sent: not
// every store refuses a body that ends early.
func openBody(body providers.Body) (io.ReadSeekCloser, error) {
	r := body.Open()
	size, err := r.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if size != body.Size() {
		return nil, fmt.Errorf("read body: %w: %d bytes of %d", io.ErrUnexpectedEOF, size, body.Size())
	}
	return r, nil
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

// detachable is a body that can be taken away from whoever still reads it.
type detachable struct {
	mu sync.Mutex
	r  io.ReadSeekCloser // nil once detached
}

var errDetached = errors.New("body was taken back")

func (d *detachable) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.r == nil {
		return 0, errDetached
	}
	return d.r.Read(p)
}

func (d *detachable) Seek(offset int64, whence int) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.r == nil {
		return 0, errDetached
	}
	return d.r.Seek(offset, whence)
}

// detach waits for a read that is under way and ends all later ones.
func (d *detachable) detach() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.r.Close() // releases nothing
	d.r = nil
}
