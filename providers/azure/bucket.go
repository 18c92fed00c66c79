package azure

import (
	"context"
	"errors"
	"hash/crc64"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Bucket is a container of Azure Blob Storage as a store.
type Bucket struct {
	name      string
	client    *container.Client
	idle      *http.Transport
	o         providers.Options
	tier      blob.AccessTier // of bulk data; empty: the account's default
	scope     string          // encryption scope of new objects; empty: the container's default
	anonymous bool
	sas       string // shared access signature in use
	account   management
	crc       *crc64.Table
	buffers   sync.Pool // of *[checksumBytes]byte
}

// checksumBytes is how much is read at once for a checksum. For less, package
// hash/crc64 would spend its time on preparing tables.
const checksumBytes = 256 << 10

// Put creates the object with one request. Azure compares a CRC64 of what
// arrived with the one that is sent; it costs half of the other choice, MD5.
func (b *Bucket) Put(ctx context.Context, key string, body providers.Body) error {
	options := &blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
	}}
	attributes := b.o.AttributesOf(key)
	if attributes.Bulk && b.tier != "" {
		options.Tier = &b.tier
	}
	options.ImmutabilityPolicyMode, options.ImmutabilityPolicyExpiryTime = lockSettings(attributes.Lock)
	err := b.upload(ctx, key, body, options)
	_, unsent := errors.AsType[*providers.Error](err)
	if !unsent && (transport.HungUp(err) || mayHideObject(err)) && ctx.Err() == nil && b.exists(ctx, key) {
		return &providers.Error{Op: "put", Key: key, Err: providers.ErrExists}
	}
	return b.explain(ctx, "put", key, err)
}

// Overwrite is Put without the condition that nothing is there, see
// providers.Overwriter.
func (b *Bucket) Overwrite(ctx context.Context, key string, body providers.Body) error {
	return b.explain(ctx, "overwrite", key, b.upload(ctx, key, body, &blockblob.UploadOptions{}))
}

// upload sends one Put Blob. Its errors are those of the SDK, or *Error values.
func (b *Bucket) upload(ctx context.Context, key string, body providers.Body, o *blockblob.UploadOptions) error {
	if err := check(ctx, "put", key); err != nil {
		return err
	}
	r, err := transport.OpenBody(body)
	if err != nil {
		return &providers.Error{Op: "put", Key: key, Err: err}
	}
	defer r.Detach()
	sum, err := b.checksum(body)
	if err != nil {
		return &providers.Error{Op: "put", Key: key, Err: err}
	}
	o.TransactionalValidation = blob.TransferValidationTypeCRC64(sum)
	if b.scope != "" {
		o.CPKScopeInfo = &blob.CPKScopeInfo{EncryptionScope: &b.scope}
	}
	_, err = b.client.NewBlockBlobClient(key).Upload(ctx, r, o)
	return err
}

// checksum reads the body beneath those who watch it: nothing is sent yet.
func (b *Bucket) checksum(body providers.Body) (uint64, error) {
	buf, ok := b.buffers.Get().(*[checksumBytes]byte)
	if !ok {
		buf = new([checksumBytes]byte)
	}
	defer b.buffers.Put(buf)
	r := providers.Content(body).Open()
	defer func() { _ = r.Close() }() // releases nothing
	h := crc64.New(b.crc)
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{r}, buf[:]); err != nil {
		return 0, err
	}
	return h.Sum64(), nil
}

// lockSettings are a lock in the words of Azure; nil: there is none.
func lockSettings(lock providers.Lock) (*blob.ImmutabilityPolicySetting, *time.Time) {
	if lock.IsZero() {
		return nil, nil
	}
	mode := blob.ImmutabilityPolicySettingUnlocked
	if lock.Mode == providers.LockCompliance {
		mode = blob.ImmutabilityPolicySettingLocked
	}
	// The header has whole seconds; a lock is never shorter than asked for.
	return &mode, to.Ptr(lock.Until.Add(time.Second - time.Nanosecond).UTC().Truncate(time.Second))
}

// exists asks for the object. It is a hint: no answer means no.
func (b *Bucket) exists(ctx context.Context, key string) bool {
	_, err := b.client.NewBlobClient(key).GetProperties(ctx, nil)
	return err == nil
}

// Delete removes the object; in an account with versioning its version stays.
// An object of which somebody took snapshots is left, and reported: it could
// only go together with them.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	_, err := b.client.NewBlobClient(key).Delete(ctx, nil)
	err = b.explain(ctx, "delete", key, err)
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
	if err := ctx.Err(); err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	if err := providers.CheckKey(key); err != nil {
		return &providers.Error{Op: op, Key: key, Err: err}
	}
	return nil
}
