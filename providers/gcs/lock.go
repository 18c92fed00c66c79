package gcs

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
)

// retentionEnabled is the mode of a bucket whose objects can have a retention.
const retentionEnabled = "Enabled"

// The modes of an object's retention.
const (
	retentionUnlocked = "Unlocked" // who may bypass it can shorten or lift it
	retentionLocked   = "Locked"   // it can only be made longer
)

func retentionMode(m providers.LockMode) string {
	if m == providers.LockCompliance {
		return retentionLocked
	}
	return retentionUnlocked
}

// CheckLock asks whether the bucket keeps retentions of objects. Both modes
// are had or not had together.
func (b *Bucket) CheckLock(ctx context.Context, mode providers.LockMode) error {
	if mode != providers.LockGovernance && mode != providers.LockCompliance {
		return &providers.Error{Op: "lock", Key: b.place(), Err: fmt.Errorf("%w: lock mode %q", providers.ErrUnsupported, mode),
			Hint: "use governance or compliance"}
	}
	settings, err := b.settings(ctx, "lock")
	if err != nil {
		return err
	}
	if settings.ObjectRetentionMode != retentionEnabled {
		return &providers.Error{Op: "lock", Key: b.place(), Err: fmt.Errorf("%w: objects of this bucket cannot be locked", providers.ErrUnsupported),
			Hint: "enable object retention: `gcloud storage buckets update " + b.place() + " --enable-per-object-retention`; it cannot be switched off again"}
	}
	return nil
}

// LockOf returns the retention of an object as a lock.
func (b *Bucket) LockOf(ctx context.Context, key string) (providers.Lock, error) {
	if err := check(ctx, "get", key); err != nil {
		return providers.Lock{}, err
	}
	o, err := b.store.Object(key).Attrs(once(ctx))
	if err != nil {
		return providers.Lock{}, b.explain(ctx, "get", key, err)
	}
	if o.Retention == nil || o.Retention.Mode == "" {
		return providers.Lock{}, nil
	}
	lock := providers.Lock{Mode: providers.LockGovernance}
	if o.Retention.Mode == retentionLocked {
		lock.Mode = providers.LockCompliance
	}
	if o.Retention.RetainUntil.IsZero() {
		return providers.Lock{}, &providers.Error{Op: "get", Key: key, Err: errors.New("what the store says about the end of the lock is no time")}
	}
	lock.Until = o.Retention.RetainUntil.UTC()
	return lock, nil
}

// settings asks for the bucket, which needs storage.buckets.get.
func (b *Bucket) settings(ctx context.Context, op string) (*storage.BucketAttrs, error) {
	settings, err := b.store.Attrs(once(ctx))
	if err != nil {
		return nil, b.explain(ctx, op, b.place(), err)
	}
	return settings, nil
}

// place names the bucket in errors that concern no key.
func (b *Bucket) place() string { return "gs://" + b.location.bucket }
