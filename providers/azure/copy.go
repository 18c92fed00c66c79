package azure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

const (
	// maxCopy is the largest object that Copy Blob From URL takes, in bytes.
	maxCopy = 256 << 20
	// copyTime is how long a signature for the source of one copy is good.
	copyTime = 15 * time.Minute
	// tokenScope is that of tokens for Azure Storage.
	tokenScope = "https://storage.azure.com/.default"
)

// CopyObject copies within the container by one Copy Blob From URL, under the
// condition that the key is free. The service reads the source with the rights
// that are used here: a signature of the key, the shared access signature in
// use, or a token. It tells no hash, so that only sizes are compared.
func (b *Bucket) CopyObject(ctx context.Context, from, key string, want providers.Digest) error {
	for _, k := range []string{from, key} {
		if err := check(ctx, "copy", k); err != nil {
			return err
		}
	}
	if want.Size > maxCopy {
		return &providers.Error{Op: "copy", Key: from, Err: fmt.Errorf("%w: objects of more than 256 MiB are not copied", providers.ErrUnsupported)}
	}
	source := b.client.NewBlobClient(from)
	p, err := source.GetProperties(ctx, nil)
	if err != nil {
		return b.explain(ctx, "get", from, err)
	}
	if t := temperature(p); t.Warmth != providers.Warm {
		return &providers.Error{Op: "copy", Key: from, Err: fmt.Errorf("%w: it is in the tier %s", providers.ErrFrozen, t.Class), Hint: frozenHint}
	}
	if p.ContentLength == nil || *p.ContentLength != want.Size {
		return &providers.Error{Op: "copy", Key: from, Err: fmt.Errorf("%w: the store has another size", providers.ErrChecksum),
			Hint: "the object that is to be copied is damaged"}
	}
	options := b.copyOptions(key)
	options.SourceModifiedAccessConditions = &blob.SourceModifiedAccessConditions{SourceIfMatch: p.ETag}
	place, err := b.readable(ctx, source, p.Date, options)
	if err != nil {
		return b.explain(ctx, "copy", from, err)
	}
	_, err = b.client.NewBlobClient(key).CopyFromURL(ctx, place, options)
	if (transport.HungUp(err) || mayHideObject(err)) && ctx.Err() == nil && b.exists(ctx, key) {
		return &providers.Error{Op: "copy", Key: key, Err: providers.ErrExists}
	}
	return b.explain(ctx, "copy", key, err)
}

// copyOptions are what Put would send of the object.
func (b *Bucket) copyOptions(key string) *blob.CopyFromURLOptions {
	o := &blob.CopyFromURLOptions{BlobAccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
	}}
	attributes := b.o.AttributesOf(key)
	if attributes.Bulk && b.tier != "" {
		o.Tier = &b.tier
	}
	o.ImmutabilityPolicyMode, o.ImmutabilityPolicyExpiry = lockSettings(attributes.Lock)
	if b.scope != "" {
		o.CPKScopeInfo = &blob.CPKScopeInfo{EncryptionScope: &b.scope}
	}
	return o
}

// readable returns the URL by which the service reads the source. A signature is
// good for a while from now on, by the service's own clock.
func (b *Bucket) readable(ctx context.Context, source *blob.Client, now *time.Time, o *blob.CopyFromURLOptions) (string, error) {
	switch a := b.account.access; {
	case a.key != "" && now == nil:
		return "", errors.New("the store tells no date")
	case a.key != "":
		return source.GetSASURL(sas.BlobPermissions{Read: true}, now.Add(copyTime), nil)
	case a.token != nil:
		token, err := a.token.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{tokenScope}})
		if err != nil {
			return "", err
		}
		o.CopySourceAuthorization = to.Ptr("Bearer " + token.Token)
	}
	return source.URL(), nil // with the shared access signature, where one is in use
}
