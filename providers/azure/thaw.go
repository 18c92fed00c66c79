package azure

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/snapferry/snapferry/providers"
)

const frozenHint = "snapferry restore --thaw moves it to the tier Hot, as does verify --deep --thaw; that takes hours"

// CheckHold asks for version-level immutability, which legal holds on objects
// are part of.
func (b *Bucket) CheckHold(ctx context.Context) error {
	return b.CheckLock(ctx, providers.LockGovernance)
}

// SetHold sets the legal hold of the object's current version.
func (b *Bucket) SetHold(ctx context.Context, key string, on bool) error {
	if err := check(ctx, "hold", key); err != nil {
		return err
	}
	_, err := b.client.NewBlobClient(key).SetLegalHold(ctx, on, nil)
	return b.explain(ctx, "hold", key, err)
}

// Held reports whether a legal hold is on.
func (b *Bucket) Held(ctx context.Context, key string) (bool, error) {
	if err := check(ctx, "get", key); err != nil {
		return false, err
	}
	p, err := b.client.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return false, b.explain(ctx, "get", key, err)
	}
	return p.LegalHold != nil && *p.LegalHold, nil
}

// Freezes reports the tier Archive.
func (b *Bucket) Freezes(class string) bool {
	return strings.EqualFold(class, string(blob.AccessTierArchive))
}

// Temperature asks for the object's tier, and whether it is moving out of it.
func (b *Bucket) Temperature(ctx context.Context, key string) (providers.Temperature, error) {
	if err := check(ctx, "get", key); err != nil {
		return providers.Temperature{}, err
	}
	p, err := b.client.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return providers.Temperature{}, b.explain(ctx, "get", key, err)
	}
	return temperature(p), nil
}

func temperature(p blob.GetPropertiesResponse) providers.Temperature {
	t := providers.Temperature{Warmth: providers.Warm}
	if p.AccessTier != nil {
		t.Class = *p.AccessTier
	}
	if strings.EqualFold(t.Class, string(blob.AccessTierArchive)) {
		t.Warmth = providers.Frozen
		if p.ArchiveStatus != nil && *p.ArchiveStatus != "" { // rehydrate-pending-to-hot
			t.Warmth = providers.Thawing
		}
	}
	return t
}

// Thaw moves the object to the tier Hot, for good: Azure has no copies that can
// be read for a while. Rules of the account that archive by age may move it back;
// those of snapferry never do before they remove.
func (b *Bucket) Thaw(ctx context.Context, key string, _ int, priority providers.ThawPriority) error {
	t, err := b.Temperature(ctx, key)
	if err != nil || t.Warmth != providers.Frozen {
		return err
	}
	high := blob.RehydratePriorityStandard
	switch priority {
	case providers.ThawExpedited:
		high = blob.RehydratePriorityHigh
	case providers.ThawBulk, providers.ThawStandard:
	default:
		return &providers.Error{Op: "thaw", Key: key, Err: fmt.Errorf("%w: no priority %q", providers.ErrUnsupported, priority), Hint: "use standard or expedited"}
	}
	_, err = b.client.NewBlobClient(key).SetTier(ctx, blob.AccessTierHot, &blob.SetTierOptions{RehydratePriority: &high})
	return b.explain(ctx, "thaw", key, err)
}

// ThawTime is what Azure documents: standard up to 15 hours, high priority less
// than one for objects of less than 10 GB.
func (b *Bucket) ThawTime(class string, priority providers.ThawPriority) time.Duration {
	switch {
	case !b.Freezes(class):
		return 0
	case priority == providers.ThawExpedited:
		return time.Hour
	}
	return 15 * time.Hour
}
