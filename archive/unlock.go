package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/providers"
)

// Unlock opens the key of an encrypted backup, so that whoever has none hears
// of it before anything is done. It fails with ErrKey; for a backup that is not
// encrypted it does nothing. The key is kept: identities are asked once.
func (b *Backup) Unlock(ctx context.Context) error {
	_, err := b.unlock(ctx)
	return err
}

// unlock returns the key of an encrypted backup, nil if it is not encrypted.
func (b *Backup) unlock(ctx context.Context) (*envelope.Key, error) {
	if b.Capture.Encryption == nil {
		return nil, nil //nolint:nilnil // no key is needed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.key != nil {
		return b.key, nil
	}
	key, err := b.v.openKey(ctx, b.Name, b.Capture.Encryption)
	b.key = key
	return key, err
}

// openKey opens the identity of a capture: that of capture.json, or one of
// those that were rewrapped later, in their order.
func (v *Vault) openKey(ctx context.Context, n format.Name, e *format.Encryption) (*envelope.Key, error) {
	if v.opts.Keys.Identities == nil {
		return nil, &Error{Op: "open", Name: n.String(),
			Err:  fmt.Errorf("%w: it is encrypted for recipients %s, and no identity is given", ErrKey, recipientsText(e.Recipients)),
			Hint: "Name a private key with --identity file:PATH, env:NAME or command:PROGRAM, or the passphrase with --passphrase."}
	}
	identities, err := v.opts.Keys.Identities(ctx)
	if err != nil {
		return nil, err
	}
	key, err := envelope.Open([]byte(e.Identity), e.Recipient, identities)
	if errors.Is(err, envelope.ErrMalformed) {
		return nil, damaged("read", v.catalogKey(n, format.CaptureFile), err)
	}
	if key != nil {
		return key, nil
	}
	rewrapped, rerr := v.openRewrapped(ctx, n, e.Recipient, identities)
	if rewrapped != nil || rerr != nil {
		return rewrapped, rerr
	}
	if !errors.Is(err, envelope.ErrNoMatch) {
		return nil, &Error{Op: "open", Name: n.String(), Err: fmt.Errorf("%w: %w", ErrKey, err),
			Hint: "An identity could not be asked: is its age plugin installed, and the device there?"}
	}
	which := "the identity does not open"
	if len(identities) != 1 {
		which = fmt.Sprintf("none of the %d identities opens", len(identities))
	}
	return nil, &Error{Op: "open", Name: n.String(), Err: fmt.Errorf("%w: %s a backup for recipients %s", ErrKey, which, recipientsText(e.Recipients)),
		Hint: "Name the private key of one of them with --identity. Who has it can let others in: snapferry rewrap."}
}

// openRewrapped tries the keys that were added to a backup, and passes over
// what is none of its own. It returns nil if none of them is for us.
func (v *Vault) openRewrapped(ctx context.Context, n format.Name, public string, identities []age.Identity) (key *envelope.Key, err error) {
	numbers, err := v.listKeys(ctx, n)
	if err != nil {
		return nil, err
	}
	for _, number := range numbers {
		object := v.catalogKey(n, format.KeyFile(number))
		b, err := v.getBytes(ctx, object, envelope.MaxArmored)
		if errors.Is(err, providers.ErrNotFound) || errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if key, err = envelope.Open(b, public, identities); err == nil {
			return key, nil
		}
		v.opts.Log.Debug("key passed over", "key", object, "error", err)
	}
	return nil, nil //nolint:nilnil // none is for us
}

// listKeys returns the numbers of the keys that were added to a backup, in
// their order.
func (v *Vault) listKeys(ctx context.Context, n format.Name) ([]int, error) {
	var numbers []int
	prefix := v.catalogKey(n, "")
	for o, err := range v.bucket.List(ctx, prefix+format.KeyPrefix) {
		if err != nil {
			return nil, err
		}
		if number, ok := format.ParseKeyFile(strings.TrimPrefix(o.Key, prefix)); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// recipientsText names recipients: of long keys the end, by which they differ.
func recipientsText(all []string) string {
	const long, end = 70, 16
	short := make([]string, len(all))
	for i, r := range all {
		if kind, _, ssh := strings.Cut(r, " "); len(r) > long && ssh {
			r = kind + " …" + r[len(r)-end:]
		} else if len(r) > long {
			r = r[:end] + "…" + r[len(r)-end:]
		}
		short[i] = r
	}
	return strings.Join(short, ", ")
}

// Rewrap lets more readers into an encrypted backup: its key, which the
// vault's identities open, is encrypted to the new recipients, too. It returns
// the name of the object that was added to the catalog. What was once given
// cannot be taken back: who could read the backup before still can. A backup
// that is not encrypted is ErrNotEncrypted.
func (v *Vault) Rewrap(ctx context.Context, n format.Name, to *envelope.Recipients) (file string, err error) {
	b, err := v.Open(ctx, n)
	if err != nil {
		return "", err
	}
	if b.Capture.Encryption == nil {
		return "", &Error{Op: "rewrap", Name: n.String(), Err: ErrNotEncrypted,
			Hint: "Everybody who can read the vault can read it. To encrypt it, restore it and back it up with --recipient."}
	}
	key, err := b.unlock(ctx)
	if err != nil {
		return "", err
	}
	armored, err := key.Rewrap(to)
	if err != nil {
		return "", &Error{Op: "rewrap", Name: n.String(), Err: err, Hint: "Check the recipients; a passphrase or a post-quantum key cannot be mixed with others."}
	}
	taken, err := v.listKeys(ctx, n)
	if err != nil {
		return "", err
	}
	next := 1
	if len(taken) > 0 {
		next = taken[len(taken)-1] + 1
	}
	for ; next <= format.MaxKeys; next++ {
		file = format.KeyFile(next)
		created, err := v.putBytes(ctx, v.catalogKey(n, file), armored)
		if err != nil || created {
			return file, err
		}
	}
	return "", &Error{Op: "rewrap", Name: n.String(), Err: fmt.Errorf("%w: it has %d keys already", ErrInvalid, format.MaxKeys),
		Hint: "Remove those of its objects key.*.age that nobody uses."}
}
