package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Bucket is a GCS bucket as a store.
type Bucket struct {
	location location
	options  providers.Options
	store    *storage.BucketHandle
	client   *http.Client // the library's, with credentials and guarded
	service  string       // URL of the JSON API, with a slash at its end
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
	if stored.Generation <= 0 || stored.CRC32C != crc || stored.Size != body.Size() {
		return b.damaged(ctx, op, key, stored, fmt.Errorf("%w: the store keeps %d bytes with CRC32C %08x, sent were %d with %08x",
			providers.ErrChecksum, stored.Size, stored.CRC32C, body.Size(), crc))
	}
	return nil
}

// exists asks for the object. It is a hint: no answer means no.
func (b *Bucket) exists(ctx context.Context, key string) bool {
	_, err := b.store.Object(key).Attrs(once(ctx))
	return err == nil
}

// damaged removes an object of which the store says that it keeps other bytes
// than were sent. GCS refuses bytes that do not have the checksum sent with
// them, so this is the fault of something that only looks like it. The object
// must not stay, since its name would vouch for it; where it cannot be
// removed, the user has to know.
func (b *Bucket) damaged(ctx context.Context, op, key string, stored *storage.ObjectAttrs, cause error) error {
	o := b.store.Object(key).If(storage.Conditions{GenerationMatch: stored.Generation})
	if o.Delete(once(ctx)) == nil {
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
	err := b.explain(ctx, "delete", key, b.store.Object(key).Delete(once(ctx)))
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// Close ends idle connections. The library holds nothing else.
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
