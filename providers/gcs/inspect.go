package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/storage/v1"

	"github.com/snapferry/snapferry/providers"
)

// Inspect asks for the settings of the bucket and, if they do not rule out
// that everybody may read, for its policy.
func (b *Bucket) Inspect(ctx context.Context) (providers.Inspection, error) {
	settings, err := b.settings(ctx, "inspect", "location", "versioning", "iamConfiguration", "encryption", "objectRetention")
	if errors.Is(err, providers.ErrDenied) || errors.Is(err, providers.ErrCredentials) && b.location.anonymous {
		unknown := providers.Trait{State: providers.Unknown, Detail: "storage.buckets.get is not allowed to this identity"}
		return providers.Inspection{Versioning: unknown, Public: unknown, Encryption: b.encryption(nil), Lock: unknown}, nil
	}
	if err != nil {
		return providers.Inspection{}, err
	}
	in := providers.Inspection{Region: strings.ToLower(settings.Location), Encryption: b.encryption(settings.Encryption)}
	in.Versioning = trait(settings.Versioning != nil && settings.Versioning.Enabled, "object versioning")
	in.Lock = trait(settings.ObjectRetention != nil && settings.ObjectRetention.Mode == "Enabled", "object retention")
	in.Public, err = b.public(ctx, settings.IamConfiguration)
	return in, err
}

func trait(on bool, detail string) providers.Trait {
	if on {
		return providers.Trait{State: providers.On, Detail: detail}
	}
	return providers.Trait{State: providers.Off, Detail: detail + " is off"}
}

// encryption is always on; the question is whose key it is.
func (b *Bucket) encryption(e *storage.BucketEncryption) providers.Trait {
	switch {
	case b.location.kmsKey != "":
		return providers.Trait{State: providers.On, Detail: "the key of the URL, " + b.location.kmsKey}
	case e != nil && e.DefaultKmsKeyName != "":
		return providers.Trait{State: providers.On, Detail: "the bucket's default key, " + e.DefaultKmsKeyName}
	case e == nil:
		return providers.Trait{State: providers.On, Detail: "Google encrypts everything at rest"}
	}
	return providers.Trait{State: providers.On, Detail: "a key of Google's"}
}

// public finds out whether somebody without credentials, or anybody with a
// Google account, has a role on the bucket.
func (b *Bucket) public(ctx context.Context, c *storage.BucketIamConfiguration) (providers.Trait, error) {
	if c != nil && c.PublicAccessPrevention == "enforced" {
		return providers.Trait{State: providers.Off, Detail: "public access prevention is enforced"}, nil
	}
	call := b.service.Buckets.GetIamPolicy(b.location.bucket).OptionsRequestedPolicyVersion(3).Context(ctx)
	if b.location.userProject != "" {
		call.UserProject(b.location.userProject)
	}
	policy, err := call.Do()
	if err != nil {
		if cerr := ctx.Err(); cerr != nil {
			return providers.Trait{}, &providers.Error{Op: "inspect", Key: b.place(), Err: cerr}
		}
		return providers.Trait{State: providers.Unknown, Detail: "the bucket's policy cannot be read (storage.buckets.getIamPolicy)"}, nil
	}
	for _, binding := range policy.Bindings {
		for _, everybody := range []string{"allUsers", "allAuthenticatedUsers"} {
			if slices.Contains(binding.Members, everybody) {
				return providers.Trait{State: providers.On, Detail: fmt.Sprintf("%s has %s", everybody, binding.Role)}, nil
			}
		}
	}
	if c != nil && c.UniformBucketLevelAccess != nil && c.UniformBucketLevelAccess.Enabled {
		return providers.Trait{State: providers.Off, Detail: "the bucket's policy names nobody in general"}, nil
	}
	return providers.Trait{State: providers.Unknown,
		Detail: "objects may have access lists of their own; switch on uniform bucket-level access or public access prevention"}, nil
}

// ServerTime asks for one key of a listing, which who uses a vault is allowed.
func (b *Bucket) ServerTime(ctx context.Context) (time.Time, error) {
	page, err := b.listCall(ctx, "").MaxResults(1).Fields("items(name)").Do()
	if err != nil {
		return time.Time{}, b.explain(ctx, "inspect", b.place(), err)
	}
	now, err := http.ParseTime(page.Header.Get("Date"))
	if err != nil {
		return time.Time{}, &providers.Error{Op: "inspect", Key: b.place(), Err: fmt.Errorf("%w: its answers have no date", providers.ErrUnsupported)}
	}
	return now.UTC(), nil
}
