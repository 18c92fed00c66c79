package s3

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/snapferry/snapferry/providers"
)

// The classes whose objects have to be thawed, or may have to.
const (
	classGlacier     = string(types.StorageClassGlacier)
	classDeepArchive = string(types.StorageClassDeepArchive)
	classTiering     = string(types.StorageClassIntelligentTiering)
)

// Freezes reports the archive classes, and the one that may move objects into
// archive tiers of its own.
func (b *Bucket) Freezes(class string) bool {
	return class == classGlacier || class == classDeepArchive || class == classTiering
}

// Temperature asks for the object's class and for its thawed copy.
func (b *Bucket) Temperature(ctx context.Context, key string) (providers.Temperature, error) {
	if err := check(ctx, "get", key); err != nil {
		return providers.Temperature{}, err
	}
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &key})
	if isCode(err, "NotFound") { // without a body there is no other code
		return providers.Temperature{}, &providers.Error{Op: "get", Key: key, Err: providers.ErrNotFound}
	}
	if err := b.explain(ctx, "get", key, err); err != nil {
		return providers.Temperature{}, err
	}
	t := providers.Temperature{Class: string(out.StorageClass)}
	frozen := t.Class == classGlacier || t.Class == classDeepArchive || out.ArchiveStatus != ""
	t.Warmth, t.Until, err = parseRestore(aws.ToString(out.Restore), frozen)
	if err != nil {
		return t, &providers.Error{Op: "get", Key: key, Err: err}
	}
	return t, nil
}

// parseRestore reads the header x-amz-restore: ongoing-request="false",
// expiry-date="Fri, 21 Dec 2012 00:00:00 GMT".
func parseRestore(header string, frozen bool) (warmth providers.Warmth, until time.Time, err error) {
	switch {
	case !frozen:
		return providers.Warm, until, nil
	case header == "":
		return providers.Frozen, until, nil
	case strings.Contains(header, `ongoing-request="true"`):
		return providers.Thawing, until, nil
	}
	if m := regexp.MustCompile(`expiry-date="([^"]*)"`).FindStringSubmatch(header); m != nil {
		if until, err = http.ParseTime(m[1]); err != nil {
			return "", until, fmt.Errorf("read x-amz-restore %.100q: %w", header, err)
		}
	}
	return providers.Thawed, until.UTC(), nil
}

// Thaw asks for a copy that can be read for some days. Objects of Intelligent
// Tiering move back to its warm tier, and take no days.
func (b *Bucket) Thaw(ctx context.Context, key string, days int, priority providers.ThawPriority) error {
	t, err := b.Temperature(ctx, key)
	if err != nil || t.Warmth == providers.Warm || t.Warmth == providers.Thawing {
		return err
	}
	tiers := map[providers.ThawPriority]types.Tier{
		providers.ThawBulk: types.TierBulk, providers.ThawStandard: types.TierStandard, providers.ThawExpedited: types.TierExpedited,
	}
	tier, ok := tiers[priority]
	if !ok {
		return &providers.Error{Op: "thaw", Key: key, Err: fmt.Errorf("%w: S3 has no priority %q", providers.ErrUnsupported, priority),
			Hint: "use bulk, standard or expedited"}
	}
	if b.Freezes(t.Class) && b.ThawTime(t.Class, priority) == 0 {
		return &providers.Error{Op: "thaw", Key: key, Err: fmt.Errorf("%w: objects of %s have no priority %s", providers.ErrUnsupported, t.Class, priority),
			Hint: "use --thaw-priority standard or bulk"}
	}
	in := &types.RestoreRequest{GlacierJobParameters: &types.GlacierJobParameters{Tier: tier}}
	if t.Class != classTiering {
		in.Days = aws.Int32(int32(min(max(days, 1), 1<<15)))
	}
	_, err = b.client.RestoreObject(ctx, &s3.RestoreObjectInput{Bucket: &b.bucket, Key: &key, RestoreRequest: in})
	if isCode(err, "RestoreAlreadyInProgress") {
		return nil
	}
	if isCode(err, "GlacierExpeditedRetrievalNotAvailable") {
		return &providers.Error{Op: "thaw", Key: key, Err: fmt.Errorf("%w: there is no capacity for expedited requests now", providers.ErrThrottled),
			Hint: "use --thaw-priority standard, or try again later"}
	}
	return b.explain(ctx, "thaw", key, err)
}

// ThawTime is what AWS documents: of Glacier Flexible Retrieval expedited 1 to 5
// minutes, standard 3 to 5 hours, bulk 5 to 12; of Deep Archive standard within
// 12 hours, bulk within 48. The archive tiers of Intelligent Tiering are like
// these; which of the two an object is in a listing does not tell, so the slower
// one is assumed.
func (b *Bucket) ThawTime(class string, priority providers.ThawPriority) time.Duration {
	if class == classGlacier {
		return map[providers.ThawPriority]time.Duration{
			providers.ThawBulk: 12 * time.Hour, providers.ThawStandard: 5 * time.Hour, providers.ThawExpedited: 5 * time.Minute,
		}[priority]
	}
	return map[providers.ThawPriority]time.Duration{providers.ThawBulk: 48 * time.Hour, providers.ThawStandard: 12 * time.Hour}[priority]
}
