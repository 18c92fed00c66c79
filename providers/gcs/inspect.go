package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
)

// Inspect asks for the settings of the bucket and, if they do not rule out
// that everybody may read, for its policy.
func (b *Bucket) Inspect(ctx context.Context) (providers.Inspection, error) {
	settings, err := b.settings(ctx, "inspect")
	if errors.Is(err, providers.ErrDenied) || errors.Is(err, providers.ErrCredentials) && b.location.anonymous {
		unknown := providers.Trait{State: providers.Unknown, Detail: "storage.buckets.get is not allowed to this identity"}
		return providers.Inspection{Versioning: unknown, Public: unknown, Encryption: b.encryption(nil), Lock: unknown}, nil
	}
	if err != nil {
		return providers.Inspection{}, err
	}
	in := providers.Inspection{Region: strings.ToLower(settings.Location), Encryption: b.encryption(settings.Encryption)}
	in.Versioning = trait(settings.VersioningEnabled, "object versioning")
	in.Lock = trait(settings.ObjectRetentionMode == retentionEnabled, "object retention")
	if settings.SoftDeletePolicy != nil {
		in.SoftDelete = settings.SoftDeletePolicy.RetentionDuration
	}
	in.Public, err = b.public(ctx, settings)
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
	case e != nil && e.DefaultKMSKeyName != "":
		return providers.Trait{State: providers.On, Detail: "the bucket's default key, " + e.DefaultKMSKeyName}
	case e == nil:
		return providers.Trait{State: providers.On, Detail: "Google encrypts everything at rest"}
	}
	return providers.Trait{State: providers.On, Detail: "a key of Google's"}
}

// public finds out whether somebody without credentials, or anybody with a
// Google account, has a role on the bucket.
func (b *Bucket) public(ctx context.Context, settings *storage.BucketAttrs) (providers.Trait, error) {
	if settings.PublicAccessPrevention == storage.PublicAccessPreventionEnforced {
		return providers.Trait{State: providers.Off, Detail: "public access prevention is enforced"}, nil
	}
	policy, err := b.store.IAM().V3().Policy(once(ctx))
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
	if settings.UniformBucketLevelAccess.Enabled {
		return providers.Trait{State: providers.Off, Detail: "the bucket's policy names nobody in general"}, nil
	}
	return providers.Trait{State: providers.Unknown,
		Detail: "objects may have access lists of their own; switch on uniform bucket-level access or public access prevention"}, nil
}

// ServerTime asks for one key of a listing, which who uses a vault is allowed.
func (b *Bucket) ServerTime(ctx context.Context) (time.Time, error) {
	header, err := b.probe(ctx)
	if err != nil {
		return time.Time{}, b.explain(ctx, "inspect", b.place(), err)
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}, &providers.Error{Op: "inspect", Key: b.place(), Err: fmt.Errorf("%w: its answers have no date", providers.ErrUnsupported)}
	}
	return now.UTC(), nil
}
