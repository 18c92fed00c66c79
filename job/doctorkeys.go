package job

import (
	"context"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/signature"
)

// keys tries the keys that a run with this access would use. A vault without
// any has no such checks.
func (x *examination) keys(ctx context.Context) {
	k, err := x.s.keys(&x.vault.Access)
	if err != nil {
		x.fail("encrypt", err) // opening would have refused it before
		return
	}
	if k.Recipients != nil || k.Identities != nil {
		x.encrypt(ctx, k)
	}
	if k.SignWith != nil {
		x.sign(ctx, k)
	}
}

// encrypt seals a key as a backup would, and opens it again where there are
// identities.
func (x *examination) encrypt(ctx context.Context, k archive.Keys) {
	var identities []age.Identity
	var err error
	if k.Identities != nil {
		if identities, err = k.Identities(ctx); err != nil {
			x.fail("encrypt", err)
			return
		}
	}
	if k.Recipients == nil {
		x.good("encrypt", fmt.Sprintf("%d of the private keys given can be used; new backups are not encrypted", len(identities)))
		return
	}
	recipients, err := k.Recipients(ctx)
	if err != nil {
		x.fail("encrypt", err)
		return
	}
	public, sealed, err := envelope.Seal(recipients)
	if err != nil {
		x.fail("encrypt", err)
		return
	}
	to := "new backups are encrypted to " + strings.Join(recipients.Names(), ", ")
	if k.Identities == nil {
		x.good("encrypt", to+"; no private key is here, as it should be")
		return
	}
	if _, err := envelope.Open(sealed, public, identities); err != nil {
		x.say(Check{Name: "encrypt", Verdict: Red, Detail: to + ", which what is given here does not open: " + err.Error(),
			Hint: "give the private key of one of the recipients, or leave it out where only backups are made"})
		return
	}
	x.good("encrypt", to+", and open with what is given here")
}

// sign signs something as a manifest is signed, and verifies it as it would
// be.
func (x *examination) sign(ctx context.Context, k archive.Keys) {
	key, err := k.SignWith(ctx)
	if err != nil {
		x.fail("sign", err)
		return
	}
	trusted := k.Signers
	if len(trusted) == 0 {
		trusted = []signature.PublicKey{key.Public()}
	}
	armored, err := key.Sign([]byte(canaryText))
	if err == nil {
		_, err = signature.Verify([]byte(canaryText), armored, trusted)
	}
	if err != nil {
		x.say(Check{Name: "sign", Verdict: Red, Detail: "the signature is none of those that are demanded: " + err.Error(),
			Hint: "add the public key of the signing key to those that are trusted: " + key.Public().String()})
		return
	}
	x.good("sign", "new backups are signed by "+key.Public().Fingerprint())
}
