package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/snapferry/snapferry/providers"
)

// CheckHold asks for the Object Lock of the bucket, which legal holds are part
// of.
func (b *Bucket) CheckHold(ctx context.Context) error {
	return b.CheckLock(ctx, providers.LockGovernance)
}

// SetHold sets the legal hold of the object's current version.
func (b *Bucket) SetHold(ctx context.Context, key string, on bool) error {
	if err := check(ctx, "hold", key); err != nil {
		return err
	}
	status := types.ObjectLockLegalHoldStatusOff
	if on {
		status = types.ObjectLockLegalHoldStatusOn
	}
	_, err := b.client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: &b.bucket, Key: &key,
		LegalHold: &types.ObjectLockLegalHold{Status: status}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	return b.explain(ctx, "hold", key, err)
}

// Held asks for the legal hold of the object's current version.
func (b *Bucket) Held(ctx context.Context, key string) (bool, error) {
	if err := check(ctx, "get", key); err != nil {
		return false, err
	}
	out, err := b.client.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{Bucket: &b.bucket, Key: &key})
	if isCode(err, noLockCodes()...) {
		return false, nil
	}
	if err := b.explain(ctx, "get", key, err); err != nil {
		return false, err
	}
	return out.LegalHold != nil && out.LegalHold.Status == types.ObjectLockLegalHoldStatusOn, nil
}
