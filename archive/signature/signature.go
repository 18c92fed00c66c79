// Package signature signs manifests with an Ed25519 key, in the form of
// ssh-keygen -Y sign, and makes the tags by which the owner of that key knows
// their own objects again.
package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Namespace is the purpose of the signatures: none made for another is taken.
const Namespace = "snapferry"

// MaxSize is the largest signature that is read, in bytes.
const MaxSize = 4 << 10

// tagInfo separates the tag key from every other use of the seed.
const tagInfo = "snapferry tag 1"

// The causes that callers tell apart.
var (
	// ErrInvalidKey: not an Ed25519 key in OpenSSH's form.
	ErrInvalidKey = errors.New("invalid signing key")
	// ErrProtected: a private key that takes a passphrase.
	ErrProtected = errors.New("the signing key is protected by a passphrase")
	// ErrMalformed: not a signature of this program's kind.
	ErrMalformed = errors.New("malformed signature")
	// ErrWrong: a signature of other bytes.
	ErrWrong = errors.New("the signature is of other bytes")
	// ErrStranger: a right signature by a key that is not trusted.
	ErrStranger = errors.New("the signature is by a key that is not trusted")
)

// Key signs. It is safe for concurrent use.
type Key struct {
	signer ssh.Signer
	tag    []byte
}

// ParseKey reads an OpenSSH private key of type ed25519. Errors wrap
// ErrInvalidKey or ErrProtected and repeat nothing of the text.
func ParseKey(text []byte) (*Key, error) {
	raw, err := ssh.ParseRawPrivateKey(text)
	if _, missing := errors.AsType[*ssh.PassphraseMissingError](err); missing {
		return nil, ErrProtected
	}
	private, ok := raw.(*ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: it is no OpenSSH private key of type ed25519", ErrInvalidKey)
	}
	signer, err := ssh.NewSignerFromKey(*private)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	tag, err := hkdf.Key(sha256.New, private.Seed(), nil, tagInfo, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive tag key: %w", err)
	}
	return &Key{signer: signer, tag: tag}, nil
}

// Public returns the key that verifies.
func (k *Key) Public() PublicKey { return PublicKey{k.signer.PublicKey()} }

// Sign returns the armored signature of message.
func (k *Key) Sign(message []byte) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(message), k.signer, sshsig.HashSHA512, Namespace)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sshsig.Armor(sig), nil
}

// NewTag begins a tag: an HMAC-SHA256 of the labels, each with its length
// before it, and of what is written then.
func (k *Key) NewTag(labels ...string) hash.Hash {
	h := hmac.New(sha256.New, k.tag)
	for _, label := range labels {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(label))))
		_, _ = h.Write([]byte(label))
	}
	return h
}

// Tag returns the tag of labels and content.
func (k *Key) Tag(content []byte, labels ...string) (tag [sha256.Size]byte) {
	h := k.NewTag(labels...)
	_, _ = h.Write(content)
	h.Sum(tag[:0])
	return tag
}

// Equal compares two tags in constant time.
func Equal(a, b [sha256.Size]byte) bool { return hmac.Equal(a[:], b[:]) }

// PublicKey is a key that verifies. Its zero value is none.
type PublicKey struct{ key ssh.PublicKey }

// ParsePublicKey reads a line such as those in files that end in .pub:
// ssh-ed25519, the key, and a comment that does not count.
func ParsePublicKey(line string) (PublicKey, error) {
	if strings.Contains(strings.ToUpper(line), "PRIVATE KEY") {
		return PublicKey{}, fmt.Errorf("%w: it is a private key, and who verifies takes the public one", ErrInvalidKey)
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(options) > 0 || key.Type() != ssh.KeyAlgoED25519 {
		return PublicKey{}, fmt.Errorf("%w: it is no line that begins with ssh-ed25519", ErrInvalidKey)
	}
	return PublicKey{key}, nil
}

// String returns the line of the key, without a comment.
func (p PublicKey) String() string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(p.key)), "\n")
}

// Fingerprint returns the key's fingerprint as ssh-keygen -l shows it:
// SHA256:…
func (p PublicKey) Fingerprint() string { return ssh.FingerprintSHA256(p.key) }

// Verify checks a signature of message and returns whose it is. It fails with
// ErrMalformed, ErrWrong, or, if trusted is not empty and does not hold the
// key, with ErrStranger, which comes with the key.
func Verify(message, armored []byte, trusted []PublicKey) (PublicKey, error) {
	if len(armored) > MaxSize {
		return PublicKey{}, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	sig, err := sshsig.Unarmor(armored)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if sig.PublicKey.Type() != ssh.KeyAlgoED25519 || sig.Namespace != Namespace || sig.HashAlgorithm != sshsig.HashSHA512 {
		return PublicKey{}, fmt.Errorf("%w: it is of type %s for %q with %s", ErrMalformed, sig.PublicKey.Type(), sig.Namespace, sig.HashAlgorithm)
	}
	by := PublicKey{sig.PublicKey}
	if err := sshsig.Verify(bytes.NewReader(message), sig, sig.PublicKey, sshsig.HashSHA512, Namespace); err != nil {
		return PublicKey{}, fmt.Errorf("%w: %v", ErrWrong, err)
	}
	if len(trusted) == 0 {
		return by, nil
	}
	for _, t := range trusted {
		if bytes.Equal(t.key.Marshal(), sig.PublicKey.Marshal()) {
			return by, nil
		}
	}
	return by, fmt.Errorf("%w: %s", ErrStranger, by.Fingerprint())
}
