package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/snapferry/snapferry/providers"
)

const lockHint = "create the bucket with Object Lock, or switch on its versioning and then Object Lock (aws s3api put-object-lock-configuration)"

// setLock asks for the lock with the object: there is no moment at which it
// exists and can be removed.
func setLock(in *s3.PutObjectInput, lock providers.Lock) {
	if lock.IsZero() {
		return
	}
	in.ObjectLockMode = types.ObjectLockMode(strings.ToUpper(string(lock.Mode)))
	in.ObjectLockRetainUntilDate = aws.Time(lock.Until.UTC())
}

// CheckLock asks for the Object Lock of the bucket, of which every mode is.
func (b *Bucket) CheckLock(ctx context.Context, mode providers.LockMode) error {
	if mode != providers.LockGovernance && mode != providers.LockCompliance {
		return &providers.Error{Op: "inspect", Key: b.bucket, Err: fmt.Errorf("%w: S3 has no lock mode %q", providers.ErrUnsupported, mode),
			Hint: "use governance or compliance"}
	}
	if err := ctx.Err(); err != nil {
		return &providers.Error{Op: "inspect", Key: b.bucket, Err: err}
	}
	out, err := b.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &b.bucket})
	if isCode(err, noLockCodes()...) || err == nil && !lockEnabled(out) {
		return &providers.Error{Op: "inspect", Key: b.bucket, Err: fmt.Errorf("%w: the bucket has no Object Lock", providers.ErrUnsupported), Hint: lockHint}
	}
	err = b.explain(ctx, "inspect", b.bucket, err)
	if errors.Is(err, providers.ErrUnsupported) {
		return &providers.Error{Op: "inspect", Key: b.bucket, Err: err, Hint: "this store has no Object Lock: leave out the lock, or use another store"}
	}
	return err
}

// LockOf returns the lock of the object's current version.
func (b *Bucket) LockOf(ctx context.Context, key string) (providers.Lock, error) {
	if err := check(ctx, "get", key); err != nil {
		return providers.Lock{}, err
	}
	// HeadObject has it too, but shows no lock to who may not ask for it.
	out, err := b.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: &b.bucket, Key: &key})
	if isCode(err, noLockCodes()...) {
		return providers.Lock{}, nil
	}
	if err := b.explain(ctx, "get", key, err); err != nil {
		return providers.Lock{}, err
	}
	if r := out.Retention; r != nil && r.Mode != "" {
		return lockOf(string(r.Mode), r.RetainUntilDate), nil
	}
	// The answer of a store that does not know the question.
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &key})
	if err := b.explain(ctx, "get", key, err); err != nil {
		return providers.Lock{}, err
	}
	return lockOf(string(head.ObjectLockMode), head.ObjectLockRetainUntilDate), nil
}

func lockOf(mode string, until *time.Time) providers.Lock {
	if mode == "" || until == nil {
		return providers.Lock{}
	}
	return providers.Lock{Mode: providers.LockMode(strings.ToLower(mode)), Until: until.UTC()}
}

func lockEnabled(out *s3.GetObjectLockConfigurationOutput) bool {
	return out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled
}

// noLockCodes are the answers to questions about a lock that is not there: of
// the bucket, of the object, and of an object in a bucket without.
func noLockCodes() []string {
	return []string{"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "InvalidRequest"}
}
