package gcs

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/snapferry/snapferry/providers"
)

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
	settings, err := b.settings(ctx, "lock", "objectRetention")
	if err != nil {
		return err
	}
	if settings.ObjectRetention == nil || settings.ObjectRetention.Mode != "Enabled" {
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
	call := b.service.Objects.Get(b.location.bucket, key).Fields("retention").Context(ctx)
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	o, err := call.Do()
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
	if lock.Until, err = time.Parse(time.RFC3339, o.Retention.RetainUntilTime); err != nil {
		return providers.Lock{}, &providers.Error{Op: "get", Key: key,
			Err: fmt.Errorf("the store says that the lock ends at %q, which is no time", o.Retention.RetainUntilTime)}
	}
	lock.Until = lock.Until.UTC()
	return lock, nil
}

// settings asks for some fields of the bucket, which needs storage.buckets.get.
func (b *Bucket) settings(ctx context.Context, op string, fields ...googleapi.Field) (*storage.Bucket, error) {
	call := b.service.Buckets.Get(b.location.bucket).Fields(fields...).Context(ctx)
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	settings, err := call.Do()
	if err != nil {
		return nil, b.explain(ctx, op, b.place(), err)
	}
	return settings, nil
}

// place names the bucket in errors that concern no key.
func (b *Bucket) place() string { return "gs://" + b.location.bucket }
