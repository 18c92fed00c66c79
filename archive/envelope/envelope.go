// Package envelope encrypts backups with age. Each capture has a key pair of
// its own, made when it is begun: segments are encrypted to its public key, and
// its private key, the identity, is encrypted once to everybody who may read
// the backup. So a writer holds public keys alone, a slow key or one that must
// be touched is asked once for each backup, and a new reader costs one small
// object.
package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// The causes that callers tell apart.
var (
	// ErrNoMatch: none of the identities opens the envelope.
	ErrNoMatch = errors.New("no identity matches")
	// ErrMalformed: it is no envelope of a capture's key.
	ErrMalformed = errors.New("malformed envelope")
	// ErrInvalid: what should be a recipient or an identity is none.
	ErrInvalid = errors.New("invalid key")
)

// MaxArmored is the largest envelope that is read, in bytes.
const MaxArmored = 48 << 10

// Seal makes the key pair of a capture: its public key, and its identity
// encrypted to the recipients, armored.
func Seal(r *Recipients) (public string, armored []byte, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", nil, fmt.Errorf("make key: %w", err)
	}
	armored, err = r.seal(identity)
	return identity.Recipient().String(), armored, err
}

// Key is the opened identity of a capture.
type Key struct{ identity *age.X25519Identity }

// Open opens an envelope. public is the key that it must belong to: an
// envelope of another one, which anybody could have made, is ErrMalformed. If
// the identities are asked in vain it is ErrNoMatch; any other error is that of
// an identity that could not be asked, such as a plugin that is not there.
func Open(armored []byte, public string, identities []age.Identity) (*Key, error) {
	if len(armored) > MaxArmored {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxArmored)
	}
	sealed, err := io.ReadAll(armor.NewReader(bytes.NewReader(armored)))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if _, err := age.ExtractHeader(bytes.NewReader(sealed)); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if len(identities) == 0 {
		return nil, ErrNoMatch
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if _, none := errors.AsType[*age.NoIdentityMatchError](err); none {
		return nil, ErrNoMatch
	}
	if err != nil {
		return nil, fmt.Errorf("open envelope: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxArmored))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	identity, err := age.ParseX25519Identity(strings.TrimSuffix(string(text), "\n"))
	if err != nil || identity.Recipient().String() != public {
		return nil, fmt.Errorf("%w: it does not hold the key of this backup", ErrMalformed)
	}
	return &Key{identity: identity}, nil
}

// Rewrap encrypts the identity to other recipients.
func (k *Key) Rewrap(r *Recipients) (armored []byte, err error) { return r.seal(k.identity) }

// Decrypt copies what was encrypted to the public key from src to dst. An
// error is one of src or dst, or says that src is not such a thing, or not all
// of it.
func (k *Key) Decrypt(dst io.Writer, src io.Reader) error {
	r, err := age.Decrypt(src, k.identity)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	if _, err := io.CopyBuffer(onlyWriter{dst}, r, make([]byte, copySize)); err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	return nil
}

// Public is the public key of a capture.
type Public struct{ recipient *age.X25519Recipient }

// ParsePublic reads what Seal returned as public.
func ParsePublic(s string) (*Public, error) {
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	return &Public{recipient: r}, nil
}

// Encrypt copies src to dst, encrypted. Errors are those of src and dst.
func (p *Public) Encrypt(dst io.Writer, src io.Reader) error {
	w, err := age.Encrypt(dst, p.recipient)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	_, err = io.CopyBuffer(w, src, make([]byte, copySize))
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	return nil
}

// copySize is that of the pieces age encrypts, in bytes.
const copySize = 64 << 10

// onlyWriter hides a ReadFrom that would read in pieces of its own.
type onlyWriter struct{ io.Writer }

// seal encrypts an identity, as the line that age -i reads.
func (r *Recipients) seal(identity *age.X25519Identity) ([]byte, error) {
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, r.all...)
	if err != nil {
		return nil, fmt.Errorf("encrypt the key of the backup: %w", err)
	}
	_, err = io.WriteString(w, identity.String()+"\n")
	if err := errors.Join(err, w.Close(), text.Close()); err != nil {
		return nil, fmt.Errorf("encrypt the key of the backup: %w", err)
	}
	if out.Len() > MaxArmored {
		return nil, fmt.Errorf("%w: the envelope for these recipients has more than %d bytes", ErrInvalid, MaxArmored)
	}
	return out.Bytes(), nil
}
