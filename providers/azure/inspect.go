package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/snapferry/snapferry/providers"
)

const immutabilityHint = "switch on version-level immutability for the container: `az storage container-rm migrate-vlw` for one that exists, " +
	"`az storage container-rm create --enable-vlw` for a new one; the account needs versioning"

// CheckLock reports whether the container takes locks on versions. Such a
// container takes both modes.
func (b *Bucket) CheckLock(ctx context.Context, _ providers.LockMode) error {
	p, err := b.client.GetProperties(ctx, nil)
	if err != nil {
		return b.explain(ctx, "lock", b.name, err)
	}
	if p.IsImmutableStorageWithVersioningEnabled == nil || !*p.IsImmutableStorageWithVersioningEnabled {
		return &providers.Error{Op: "lock", Key: b.name, Hint: immutabilityHint,
			Err: fmt.Errorf("%w: the container has no version-level immutability", providers.ErrUnsupported)}
	}
	return nil
}

// LockOf returns the immutability policy of an object, zero if it has none.
func (b *Bucket) LockOf(ctx context.Context, key string) (providers.Lock, error) {
	if err := check(ctx, "lock", key); err != nil {
		return providers.Lock{}, err
	}
	p, err := b.client.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return providers.Lock{}, b.explain(ctx, "lock", key, err)
	}
	if p.ImmutabilityPolicyExpiresOn == nil || p.ImmutabilityPolicyMode == nil {
		return providers.Lock{}, nil
	}
	lock := providers.Lock{Until: p.ImmutabilityPolicyExpiresOn.UTC()}
	switch {
	case strings.EqualFold(string(*p.ImmutabilityPolicyMode), string(blob.ImmutabilityPolicyModeLocked)):
		lock.Mode = providers.LockCompliance
	case strings.EqualFold(string(*p.ImmutabilityPolicyMode), string(blob.ImmutabilityPolicyModeUnlocked)):
		lock.Mode = providers.LockGovernance
	default:
		return providers.Lock{}, nil // "Mutable"
	}
	return lock, nil
}

// Inspect asks for the properties of the container and the account, and for
// one version. The data plane knows no region.
func (b *Bucket) Inspect(ctx context.Context) (providers.Inspection, error) {
	const untold = "not told to this identity"
	out := providers.Inspection{
		Versioning: providers.Trait{State: providers.Unknown, Detail: "told to managers of the account alone"},
		Public:     providers.Trait{State: providers.Unknown, Detail: untold},
		// There is no way to switch it off.
		Encryption: providers.Trait{State: providers.On, Detail: "AES-256, as all of Azure Storage"},
		Lock:       providers.Trait{State: providers.Unknown, Detail: untold},
	}
	p, err := b.client.GetProperties(ctx, nil)
	switch err = b.explain(ctx, "inspect", b.name, err); {
	case errors.Is(err, providers.ErrDenied): // and stays unknown
	case err != nil:
		return providers.Inspection{}, err
	default:
		inspectContainer(&out, p)
	}
	if out.Versioning.State == providers.Unknown {
		out.Versioning = b.inspectVersioning(ctx, out.Versioning)
	}
	out.SoftDelete = b.softDelete(ctx)
	return out, ctx.Err()
}

// softDelete asks the account for how long it keeps blobs that were removed;
// zero: it does not, or does not tell this identity.
func (b *Bucket) softDelete(ctx context.Context) time.Duration {
	client, err := b.account.serviceClient(b.o.UserAgent)
	if err != nil {
		return 0
	}
	p, err := client.GetProperties(ctx, nil)
	if err != nil || p.DeleteRetentionPolicy == nil || p.DeleteRetentionPolicy.Enabled == nil || !*p.DeleteRetentionPolicy.Enabled ||
		p.DeleteRetentionPolicy.Days == nil {
		return 0
	}
	return time.Duration(*p.DeleteRetentionPolicy.Days) * 24 * time.Hour
}

// serviceClient is for questions to the account's blob service, not to one
// container.
func (m management) serviceClient(userAgent string) (*service.Client, error) {
	options := &service.ClientOptions{ClientOptions: clientOptions(m.client, userAgent)}
	a := m.access
	switch {
	case a.key != "":
		credential, err := azblob.NewSharedKeyCredential(a.account, a.key)
		if err != nil {
			return nil, err
		}
		return service.NewClientWithSharedKeyCredential(a.service, credential, options)
	case a.token != nil:
		return service.NewClient(a.service, a.token, options)
	case a.sas != "":
		return service.NewClientWithNoCredential(a.service+"?"+a.sas, options)
	}
	return service.NewClientWithNoCredential(a.service, options)
}

func inspectContainer(out *providers.Inspection, p container.GetPropertiesResponse) {
	out.Public = providers.Trait{State: providers.Off, Detail: "the container is private"}
	if p.BlobPublicAccess != nil && *p.BlobPublicAccess != "" {
		out.Public = providers.Trait{State: providers.On, Detail: "public access level " + string(*p.BlobPublicAccess)}
	}
	if scope := p.DefaultEncryptionScope; scope != nil && *scope != "" && *scope != "$account-encryption-key" {
		out.Encryption.Detail += ", encryption scope " + *scope
	}
	out.Lock = providers.Trait{State: providers.Off, Detail: "the container has no version-level immutability"}
	if p.IsImmutableStorageWithVersioningEnabled != nil && *p.IsImmutableStorageWithVersioningEnabled {
		out.Lock = providers.Trait{State: providers.On, Detail: "version-level immutability"}
		out.Versioning = providers.Trait{State: providers.On, Detail: "as version-level immutability needs it"}
	}
}

// inspectVersioning looks for a sign of versioning; otherwise it returns what
// was known.
func (b *Bucket) inspectVersioning(ctx context.Context, known providers.Trait) providers.Trait {
	if a, err := b.client.GetAccountInfo(ctx, nil); err == nil && a.IsHierarchicalNamespaceEnabled != nil && *a.IsHierarchicalNamespaceEnabled {
		return providers.Trait{State: providers.Off, Detail: "an account with a hierarchical namespace has none"}
	}
	page, err := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		MaxResults: to.Ptr[int32](1), Include: container.ListBlobsInclude{Versions: true},
	}).NextPage(ctx)
	if err != nil || page.Segment == nil {
		return known
	}
	for _, item := range page.Segment.BlobItems {
		if item.VersionID != nil && *item.VersionID != "" {
			return providers.Trait{State: providers.On, Detail: "objects have versions"}
		}
	}
	return known
}

// ServerTime returns the date of an answer, also of one that refuses.
func (b *Bucket) ServerTime(ctx context.Context) (time.Time, error) {
	p, err := b.client.GetProperties(ctx, nil)
	if err == nil && p.Date != nil {
		return p.Date.UTC(), nil
	}
	if re, ok := errors.AsType[*azcore.ResponseError](err); ok && re.RawResponse != nil {
		if t, perr := http.ParseTime(re.RawResponse.Header.Get("Date")); perr == nil {
			return t.UTC(), nil
		}
	}
	if err == nil {
		return time.Time{}, &providers.Error{Op: "inspect", Key: b.name, Err: errors.New("the store does not tell its time")}
	}
	return time.Time{}, b.explain(ctx, "inspect", b.name, err)
}
