package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/snapferry/snapferry/providers"
)

// Inspect asks for the bucket's region, versioning, public access, encryption
// and Object Lock, by one to four requests each.
func (b *Bucket) Inspect(ctx context.Context) (providers.Inspection, error) {
	var found providers.Inspection
	header, err := b.head(ctx)
	if err != nil {
		return found, err
	}
	found.Region = b.home(ctx, header)
	for _, question := range []struct {
		answer *providers.Trait
		ask    func(context.Context) (providers.Trait, error)
	}{
		{&found.Versioning, b.versioning}, {&found.Public, b.public}, {&found.Encryption, b.encrypted}, {&found.Lock, b.locks},
	} {
		if *question.answer, err = question.ask(ctx); err != nil {
			return found, err
		}
	}
	return found, nil
}

// home is the region of the bucket, or empty.
func (b *Bucket) home(ctx context.Context, header http.Header) string {
	region := header.Get("X-Amz-Bucket-Region")
	if region == "" { // of stores other than AWS; the older question has no name for the first region
		out, err := b.client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &b.bucket})
		if err != nil {
			return ""
		}
		if region = string(out.LocationConstraint); region == "" {
			region = defaultRegion
		}
	}
	if !regionName.MatchString(region) {
		return ""
	}
	return region
}

// head asks for the bucket and returns the header of the answer, also of a
// refusal: who may not list is told the region all the same.
func (b *Bucket) head(ctx context.Context) (http.Header, error) {
	if err := ctx.Err(); err != nil {
		return nil, &providers.Error{Op: "inspect", Key: b.bucket, Err: err}
	}
	out, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.bucket})
	if err == nil {
		if r, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); ok {
			return r.Header, nil
		}
		return http.Header{}, nil
	}
	a, _ := parseAnswer(err)
	explained := b.explain(ctx, "inspect", b.bucket, err)
	if errors.Is(explained, providers.ErrDenied) {
		return a.header, nil
	}
	return a.header, explained
}

// ServerTime returns the time in the header of an answer. A refusal has one
// too, above all the one because of a wrong clock.
func (b *Bucket) ServerTime(ctx context.Context) (time.Time, error) {
	header, err := b.head(ctx)
	if t, terr := http.ParseTime(header.Get("Date")); terr == nil {
		return t.UTC(), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Time{}, &providers.Error{Op: "inspect", Key: b.bucket, Err: fmt.Errorf("%w: its answers have no date", providers.ErrUnsupported)}
}

// unknown turns what a store does not have, or does not tell this identity,
// into an answer.
func (b *Bucket) unknown(ctx context.Context, err error) (providers.Trait, error) {
	err = b.explain(ctx, "inspect", b.bucket, err)
	e, ok := errors.AsType[*providers.Error](err)
	switch {
	case errors.Is(err, providers.ErrDenied) && ok && e.Hint != "":
		return providers.Trait{State: providers.Unknown, Detail: e.Hint}, nil
	case errors.Is(err, providers.ErrDenied), errors.Is(err, providers.ErrUnsupported):
		return providers.Trait{State: providers.Unknown, Detail: "the store does not tell"}, nil
	}
	return providers.Trait{State: providers.Unknown}, err
}

func (b *Bucket) versioning(ctx context.Context) (providers.Trait, error) {
	out, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.bucket})
	switch {
	case isCode(err, "VersioningNotConfigured"): // versitygw without a place for versions
		return providers.Trait{State: providers.Off}, nil
	case err != nil:
		return b.unknown(ctx, err)
	case out.Status == types.BucketVersioningStatusEnabled:
		return providers.Trait{State: providers.On}, nil
	case out.Status == types.BucketVersioningStatusSuspended:
		return providers.Trait{State: providers.Off, Detail: "suspended"}, nil
	}
	return providers.Trait{State: providers.Off}, nil
}

// public asks what could open the bucket, a policy and its ACL, and what
// keeps them from it, and tries: stores differ in what they call public.
// Nobody but AWS knows what the account forbids beside.
func (b *Bucket) public(ctx context.Context) (providers.Trait, error) {
	block := types.PublicAccessBlockConfiguration{}
	out, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.bucket})
	if err == nil && out.PublicAccessBlockConfiguration != nil {
		block = *out.PublicAccessBlockConfiguration
	}
	byPolicy, byACL := !aws.ToBool(block.RestrictPublicBuckets), !aws.ToBool(block.IgnorePublicAcls)
	if !byPolicy && !byACL {
		return providers.Trait{State: providers.Off, Detail: "public access is blocked"}, nil
	}
	open := providers.Trait{State: providers.Off}
	for _, way := range []struct {
		possible bool
		ask      func(context.Context) (providers.Trait, error)
	}{{byPolicy, b.publicByPolicy}, {byACL, b.publicByACL}, {true, b.publicByTrying}} {
		if !way.possible {
			continue
		}
		t, err := way.ask(ctx)
		if err != nil || t.State == providers.On {
			return t, err
		}
		if t.State == providers.Unknown {
			open = t
		}
	}
	return open, nil
}

func (b *Bucket) publicByPolicy(ctx context.Context) (providers.Trait, error) {
	out, err := b.client.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &b.bucket})
	switch {
	case isCode(err, "NoSuchBucketPolicy"):
		return providers.Trait{State: providers.Off}, nil
	case err != nil:
		return b.unknown(ctx, err)
	case out.PolicyStatus != nil && aws.ToBool(out.PolicyStatus.IsPublic):
		return providers.Trait{State: providers.On, Detail: "by the bucket's policy"}, nil
	}
	return providers.Trait{State: providers.Off}, nil
}

func (b *Bucket) publicByACL(ctx context.Context) (providers.Trait, error) {
	out, err := b.client.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: &b.bucket})
	if err != nil {
		return b.unknown(ctx, err)
	}
	open := slices.ContainsFunc(out.Grants, func(g types.Grant) bool {
		return g.Grantee != nil && (strings.HasSuffix(aws.ToString(g.Grantee.URI), "/global/AllUsers") ||
			strings.HasSuffix(aws.ToString(g.Grantee.URI), "/global/AuthenticatedUsers"))
	})
	if open {
		return providers.Trait{State: providers.On, Detail: "by the bucket's ACL"}, nil
	}
	return providers.Trait{State: providers.Off}, nil
}

// publicByTrying lists as somebody without credentials. A refusal, of whatever
// kind, says nothing more.
func (b *Bucket) publicByTrying(ctx context.Context) (providers.Trait, error) {
	_, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.bucket, MaxKeys: aws.Int32(1)}, func(o *s3.Options) {
		o.Credentials, o.Retryer = nil, aws.NopRetryer{}
	})
	if err == nil {
		return providers.Trait{State: providers.On, Detail: "it can be listed without credentials"}, nil
	}
	return providers.Trait{State: providers.Off}, nil
}

func (b *Bucket) encrypted(ctx context.Context) (providers.Trait, error) {
	if b.encryption.algorithm != "" {
		return encryptedWith(string(b.encryption.algorithm), b.encryption.key, "asked for by the URL"), nil
	}
	out, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.bucket})
	if isCode(err, "ServerSideEncryptionConfigurationNotFoundError") {
		return providers.Trait{State: providers.Off}, nil
	}
	if err != nil {
		return b.unknown(ctx, err)
	}
	if out.ServerSideEncryptionConfiguration != nil {
		for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
			if d := rule.ApplyServerSideEncryptionByDefault; d != nil {
				return encryptedWith(string(d.SSEAlgorithm), aws.ToString(d.KMSMasterKeyID), "by the bucket"), nil
			}
		}
	}
	return providers.Trait{State: providers.Off}, nil
}

func encryptedWith(algorithm, key, why string) providers.Trait {
	if key != "" {
		algorithm += " with " + key
	}
	return providers.Trait{State: providers.On, Detail: algorithm + ", " + why}
}

func (b *Bucket) locks(ctx context.Context) (providers.Trait, error) {
	out, err := b.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &b.bucket})
	switch {
	case isCode(err, noLockCodes()...):
		return providers.Trait{State: providers.Off}, nil
	case err != nil:
		return b.unknown(ctx, err)
	case !lockEnabled(out):
		return providers.Trait{State: providers.Off}, nil
	}
	on := providers.Trait{State: providers.On}
	if rule := out.ObjectLockConfiguration.Rule; rule != nil && rule.DefaultRetention != nil {
		d := rule.DefaultRetention
		on.Detail = fmt.Sprintf("the bucket locks new objects by itself: %s, %d days", strings.ToLower(string(d.Mode)), aws.ToInt32(d.Days)+365*aws.ToInt32(d.Years))
	}
	return on, nil
}
