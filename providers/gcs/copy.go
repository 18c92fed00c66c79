package gcs

import (
	"context"
	"encoding/hex"
	"fmt"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
)

// CopyObject rewrites the object within the bucket, under the condition that the
// key is free. The store tells the CRC32C of what it wrote, which must be that
// of the source; that the source is what it should be is told by its size, and
// by the SHA-256 that Put has left with it.
func (b *Bucket) CopyObject(ctx context.Context, from, to string, want providers.Digest) error {
	for _, key := range []string{from, to} {
		if err := check(ctx, "copy", key); err != nil {
			return err
		}
	}
	source := b.store.Object(from)
	attrs, err := source.Attrs(once(ctx))
	if err != nil {
		return b.explain(ctx, "get", from, err)
	}
	sum := hex.EncodeToString(want.SHA256[:])
	if kept := attrs.Metadata["sha256"]; attrs.Size != want.Size || kept != "" && kept != sum {
		return &providers.Error{Op: "copy", Key: from, Err: fmt.Errorf("%w: the store has %d bytes with the SHA-256 %q", providers.ErrChecksum, attrs.Size, kept),
			Hint: "the object that is to be copied is damaged"}
	}
	copier := b.store.Object(to).If(storage.Conditions{DoesNotExist: true}).CopierFrom(source.Generation(attrs.Generation))
	copier.ContentType = contentType
	copier.Metadata = map[string]string{"sha256": sum}
	copier.DestinationKMSKeyName = b.location.kmsKey
	a := b.options.AttributesOf(to)
	if a.Bulk {
		copier.StorageClass = b.location.storageClass
	}
	if !a.Lock.IsZero() {
		copier.Retention = &storage.ObjectRetention{Mode: retentionMode(a.Lock.Mode), RetainUntil: a.Lock.Until.UTC()}
	}
	// Into another class or place it may take several requests.
	o := &operation{many: true}
	stored, err := copier.Run(o.in(ctx))
	if occupied(err) && ctx.Err() == nil && b.exists(ctx, to) {
		return &providers.Error{Op: "copy", Key: to, Err: providers.ErrExists}
	}
	if err != nil {
		return b.explain(ctx, "copy", to, err)
	}
	if stored.Generation <= 0 || stored.CRC32C != attrs.CRC32C || stored.Size != want.Size {
		return b.damaged(ctx, "copy", to, stored, fmt.Errorf("%w: the store copied %d bytes with CRC32C %08x to %d with %08x",
			providers.ErrChecksum, attrs.Size, attrs.CRC32C, stored.Size, stored.CRC32C))
	}
	return nil
}

// CheckHold is nil: every bucket has temporary holds.
func (b *Bucket) CheckHold(context.Context) error { return nil }

// SetHold sets the temporary hold of an object, which needs
// storage.objects.update. While it is on, the store and its rules refuse to
// remove or replace the object.
func (b *Bucket) SetHold(ctx context.Context, key string, on bool) error {
	if err := check(ctx, "hold", key); err != nil {
		return err
	}
	_, err := b.store.Object(key).Update(once(ctx), storage.ObjectAttrsToUpdate{TemporaryHold: on})
	return b.explain(ctx, "hold", key, err)
}

// Held reports whether a temporary hold is on, or an event-based one of
// somebody else, which keeps the object as well.
func (b *Bucket) Held(ctx context.Context, key string) (bool, error) {
	if err := check(ctx, "get", key); err != nil {
		return false, err
	}
	o, err := b.store.Object(key).Attrs(once(ctx))
	if err != nil {
		return false, b.explain(ctx, "get", key, err)
	}
	return o.TemporaryHold || o.EventBasedHold, nil
}
