package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/providers"
)

// Signature says who signed the manifest of a backup.
type Signature struct {
	By      signature.PublicKey
	Trusted bool // it is one of the keys that the vault demands
}

// checkSignature reads the signature of a manifest of n. If there are trusted
// keys, anything but a right signature by one of them is ErrDamaged; without,
// it is no signature at all.
func (v *Vault) checkSignature(ctx context.Context, n format.Name, manifest []byte, trusted []signature.PublicKey) (by *Signature, err error) {
	key := v.catalogKey(n, format.SignatureFile(manifest))
	err = v.getRight(ctx, key, signature.MaxSize, func(b []byte) error {
		signer, err := signature.Verify(manifest, b, trusted)
		if err != nil {
			return &Error{Op: "verify signature", Name: key, Err: fmt.Errorf("%w: %w", ErrDamaged, err), Hint: signatureHint(err)}
		}
		by = &Signature{By: signer, Trusted: len(trusted) > 0}
		return nil
	})
	if errors.Is(err, providers.ErrNotFound) {
		err = v.unsigned(ctx, n)
	}
	if len(trusted) == 0 && errors.Is(err, ErrDamaged) {
		v.opts.Log.Debug("no signature", "backup", n.String(), "error", err)
		return nil, nil //nolint:nilnil // no signature, and nobody demands one
	}
	return by, err
}

func signatureHint(err error) string {
	if errors.Is(err, signature.ErrStranger) {
		return "If that key may sign backups of this vault, name it with --signer; if not, somebody else wrote this backup: do not restore it."
	}
	return "Somebody changed the manifest or its signature: do not restore this backup. With --versions an older version that is right is used."
}

// unsigned is the error of a manifest without a signature of its own.
func (v *Vault) unsigned(ctx context.Context, n format.Name) error {
	key := v.catalogKey(n, format.ManifestFile)
	prefix := v.catalogKey(n, format.SignaturePrefix)
	for o, err := range v.bucket.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if strings.HasSuffix(o.Key, format.SignatureSuffix) {
			return &Error{Op: "verify signature", Name: key, Err: fmt.Errorf("%w: it is not signed, another manifest was: it was replaced", ErrDamaged),
				Hint: "Do not restore this backup as it is. With --versions an older version that is right is used."}
		}
	}
	return &Error{Op: "verify signature", Name: key, Err: fmt.Errorf("%w: it is not signed", ErrDamaged),
		Hint: "Somebody without the signing key wrote this backup, or it is from before the vault was signed: then read it without --signer and --sign."}
}

// sign stores the signature of a manifest, before the manifest itself.
func (c *committer) sign(ctx context.Context, manifest []byte) error {
	if c.key == nil {
		return nil
	}
	sig, err := c.key.Sign(manifest)
	if err != nil {
		return &Error{Op: "commit", Name: c.name.String(), Err: err}
	}
	key := c.v.catalogKey(c.name, format.SignatureFile(manifest))
	created, err := c.v.putBytes(ctx, key, sig)
	if err != nil || created {
		return err
	}
	there, err := c.v.getBytes(ctx, key, signature.MaxSize)
	if err != nil {
		return err
	}
	if _, err := signature.Verify(manifest, there, []signature.PublicKey{c.key.Public()}); err != nil {
		return damaged("commit", key, err)
	}
	return nil
}
