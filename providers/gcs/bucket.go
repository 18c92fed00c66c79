package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/api/storage/v1"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Bucket is a GCS bucket as a store.
type Bucket struct {
	location location
	options  providers.Options
	service  *storage.Service
	client   *http.Client // that of service
	idle     *http.Transport
}

// Put creates the object with one request. The CRC32C of the body goes first,
// so that the store refuses other bytes.
func (b *Bucket) Put(ctx context.Context, key string, body providers.Body) error {
	return b.put(ctx, "put", key, body)
}

// Overwrite is Put that replaces what is there. It needs the right to delete.
func (b *Bucket) Overwrite(ctx context.Context, key string, body providers.Body) error {
	return b.put(ctx, "overwrite", key, body)
}

func (b *Bucket) put(ctx context.Context, op, key string, body providers.Body) error {
	if err := check(ctx, op, key); err != nil {
		return err
	}
	crc, err := checksum(body)
	if err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	r, err := transport.OpenBody(body)
	if err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	defer r.Detach()
	stored, err := b.insert(ctx, upload{key: key, create: op == "put", crc: crc, sum: body.SHA256(), size: body.Size(), content: r})
	if occupied(err) && op == "put" && ctx.Err() == nil && b.exists(ctx, key) {
		return &providers.Error{Op: op, Key: key, Err: providers.ErrExists}
	}
	if err != nil {
		return b.explain(ctx, op, key, err)
	}
	return b.compare(ctx, op, key, stored, &storage.Object{Crc32c: crc, Size: uint64(body.Size())}) //nolint:gosec // a size
}

// exists asks for the object. It is a hint: no answer means no.
func (b *Bucket) exists(ctx context.Context, key string) bool {
	call := b.service.Objects.Get(b.location.bucket, key).Fields("size").Context(ctx)
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	_, err := call.Do()
	return err == nil
}

// compare looks at what the store says it keeps. GCS refuses bytes that do not
// have the checksum sent with them, so a difference is the fault of something
// that only looks like it. The object must not stay, since its name would
// vouch for it; where it cannot be removed, the user has to know.
func (b *Bucket) compare(ctx context.Context, op, key string, stored, sent *storage.Object) error {
	if stored.Crc32c == sent.Crc32c && stored.Size == sent.Size {
		return nil
	}
	cause := fmt.Errorf("%w: the store keeps %d bytes with CRC32C %q, sent were %d with %q",
		providers.ErrChecksum, stored.Size, stored.Crc32c, sent.Size, sent.Crc32c)
	call := b.service.Objects.Delete(b.location.bucket, key).IfGenerationMatch(stored.Generation).Context(ctx)
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	if call.Do() == nil {
		return &providers.Error{Op: op, Key: key, Err: cause}
	}
	return &providers.Error{Op: op, Key: key, Err: fmt.Errorf("%w: %w", providers.ErrUnsupported, cause),
		Hint: fmt.Sprintf("remove the object gs://%s/%s, which is damaged, and use a store that checks CRC32C", b.location.bucket, key)}
}

// Delete removes the object; in a versioned bucket it makes it an older
// version.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	call := b.service.Objects.Delete(b.location.bucket, key).Context(ctx)
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	err := b.explain(ctx, "delete", key, call.Do())
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// Close ends idle connections.
func (b *Bucket) Close() error {
	b.idle.CloseIdleConnections()
	return nil
}

func check(ctx context.Context, op, key string) error {
	err := ctx.Err()
	if err == nil {
		err = providers.CheckKey(key)
	}
	if err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	return nil
}
