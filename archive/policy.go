package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// Rotation is how backups of a vault come and go. Its zero value promises
// nothing: every backup stands where it is told to and is kept for ever.
type Rotation struct {
	Policy lifecycle.Policy
	// Rules are what the store removes by itself: the live rules, and those
	// they replaced. None: nothing is ever removed.
	Rules []lifecycle.Ruleset
	// Clock asks the store for its time; nil: the vault's own clock counts.
	Clock func(context.Context) (time.Time, error)
}

// Under returns the same vault with a rotation.
func (v *Vault) Under(r Rotation) *Vault {
	other := *v
	other.rotation = r
	return &other
}

// Rotation is what Under was told.
func (v *Vault) Rotation() Rotation { return v.rotation }

// Root is the prefix of the vault, without a slash at its end.
func (v *Vault) Root() string { return strings.TrimSuffix(v.prefix, "/") }

// now is the time by the store's clock.
func (v *Vault) now(ctx context.Context) (time.Time, error) {
	if v.rotation.Clock == nil {
		return v.opts.Now(), nil
	}
	return v.rotation.Clock(ctx)
}

// Policy returns the policy that the vault holds, and its number; 0: it holds
// none. In a signed vault whose key is at hand, what that key did not tag is
// passed over.
func (v *Vault) Policy(ctx context.Context) (p lifecycle.Policy, number int, err error) {
	key, err := v.signKey(ctx)
	if err != nil {
		return p, 0, err
	}
	var numbers []int
	for o, err := range v.bucket.List(ctx, v.prefix+format.PolicyFolder) {
		if err != nil {
			return p, 0, err
		}
		if n, ok := format.ParsePolicyFile(strings.TrimPrefix(o.Key, v.prefix+format.PolicyFolder)); ok {
			numbers = append(numbers, n)
		}
	}
	for i := len(numbers) - 1; i >= 0; i-- { // keys come sorted
		p, err = v.readPolicy(ctx, numbers[i], key)
		if errors.Is(err, errForged) {
			v.opts.Log.Warn("policy passed over", "number", numbers[i], "error", err)
			continue
		}
		return p, numbers[i], err
	}
	return lifecycle.Policy{}, 0, nil
}

// errForged: an object that the signing key of the vault did not tag.
var errForged = errors.New("it has no tag by this vault's signing key")

func (v *Vault) readPolicy(ctx context.Context, number int, key *signature.Key) (p lifecycle.Policy, err error) {
	at := v.prefix + format.PolicyFolder + format.PolicyFile(number)
	err = v.getRight(ctx, at, format.MaxDocument, func(b []byte) error {
		if key != nil && !hasTag(key, b, tagPolicy) {
			return errForged
		}
		var d format.Policy
		if err := format.Unseal(b, &d); err != nil {
			return damaged("read policy", at, err)
		}
		if d.Number != number {
			return damaged("read policy", at, fmt.Errorf("it is number %d", d.Number))
		}
		if p, err = d.Lifecycle(); err != nil {
			return damaged("read policy", at, err)
		}
		return nil
	})
	return p, err
}

// SetPolicy stores the policy that follows number replaces, 0 if there was
// none. If another came first, it is ErrExists of the store.
func (v *Vault) SetPolicy(ctx context.Context, p lifecycle.Policy, replaces int) error {
	key, err := v.signKey(ctx)
	if err != nil {
		return err
	}
	d := format.NewPolicy(p)
	d.Number, d.Time, d.Program = replaces+1, v.opts.Now().UTC().Truncate(time.Second), v.opts.Program
	b, err := sealTagged(d, key, tagPolicy)
	if err != nil {
		return &Error{Op: "store policy", Name: v.prefix, Err: err}
	}
	return v.bucket.Put(ctx, v.prefix+format.PolicyFolder+format.PolicyFile(d.Number), providers.Bytes(b))
}

// sealTagged is Seal, with a tag of that label where there is a key.
func sealTagged(doc any, key *signature.Key, label string) ([]byte, error) {
	if key == nil {
		return format.Seal(doc)
	}
	return format.SealTagged(doc, func(head []byte) [32]byte { return key.Tag(head, label) })
}

// hasTag reports whether a sealed document has the tag of key and label.
func hasTag(key *signature.Key, sealed []byte, label string) bool {
	head, tag, ok := format.Tagged(sealed)
	return ok && signature.Equal(tag, key.Tag(head, label))
}
