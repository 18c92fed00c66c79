package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"

	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/providers"
)

// Keys are what an encrypted or signed vault takes. Each function is called
// once its key is needed, possibly more than once; nil means that there is
// none.
type Keys struct {
	// Recipients may read new backups, which are encrypted then.
	Recipients func(context.Context) (*envelope.Recipients, error)
	// Identities open encrypted backups.
	Identities func(context.Context) ([]age.Identity, error)
	// SignWith signs new backups, and makes the vault a signed one: of what is
	// found in it, only what carries a tag by this key is built upon.
	SignWith func(context.Context) (*signature.Key, error)
	// Signers are the keys of whose signatures one is demanded from every
	// manifest that is read. With SignWith and no Signers, its own is.
	Signers []signature.PublicKey
}

// signKey returns the key that signs, nil if the vault is not signed.
func (v *Vault) signKey(ctx context.Context) (*signature.Key, error) {
	if v.opts.Keys.SignWith == nil {
		return nil, nil //nolint:nilnil // no key, and no error
	}
	return v.opts.Keys.SignWith(ctx)
}

// Signers returns the keys whose signatures count; none: no signature is
// demanded.
func (v *Vault) Signers(ctx context.Context) ([]signature.PublicKey, error) {
	if len(v.opts.Keys.Signers) > 0 {
		return v.opts.Keys.Signers, nil
	}
	key, err := v.signKey(ctx)
	if key == nil || err != nil {
		return nil, err
	}
	return []signature.PublicKey{key.Public()}, nil
}

// loadKeys fetches what a writer needs of the keys.
func (w *Writer) loadKeys(ctx context.Context) (err error) {
	keys := w.v.opts.Keys
	if keys.Recipients != nil && w.recipients == nil {
		if w.recipients, err = keys.Recipients(ctx); err != nil {
			return err
		}
	}
	if w.key, err = w.v.signKey(ctx); err != nil || w.key == nil || len(keys.Signers) == 0 {
		return err
	}
	own := w.key.Public()
	if slices.ContainsFunc(keys.Signers, func(s signature.PublicKey) bool { return s.String() == own.String() }) {
		return nil
	}
	return &Error{Op: "begin", Name: w.spec.Series, Err: fmt.Errorf("%w: the signing key %s is none of the signers", ErrInvalid, own.Fingerprint()),
		Hint: "Nobody would take what it signs. Add its public key to the signers, or sign with another key."}
}

// The labels of tags: what they are of comes first.
const (
	tagCapture = "capture"
	tagSegment = "segment"
	tagExtents = "extents"
	tagTable   = "table"
	tagPolicy  = "policy"
	tagPromise = "promise"
)

// captureTag is the tag of a capture.json whose bytes before the tag's line
// are head.
func captureTag(key *signature.Key) func(head []byte) [sha256.Size]byte {
	return func(head []byte) [sha256.Size]byte { return key.Tag(head, tagCapture) }
}

// checkCaptureTag reports why a sealed capture.json is not one of key's own.
func checkCaptureTag(key *signature.Key, sealed []byte) error {
	head, tag, ok := format.Tagged(sealed)
	if !ok {
		return errors.New("its capture.json has no tag")
	}
	if !signature.Equal(tag, captureTag(key)(head)) {
		return errors.New("the tag of its capture.json is not by this vault's signing key")
	}
	return nil
}

// segmentNames returns how the segments of an image are named in a vault that
// key signs, if it is not nil.
func segmentNames(key *signature.Key, c *format.Capture, image string) func(int64, [sha256.Size]byte) format.SegmentName {
	encrypted := c.Encryption != nil
	return func(index int64, sum [sha256.Size]byte) format.SegmentName {
		n := format.SegmentName{Index: index, Sum: sum, Age: encrypted}
		if key != nil {
			n.Tag = segmentTag(key, c.Series, c.ID, image, n)
		}
		return n
	}
}

func segmentTag(key *signature.Key, series, id, image string, n format.SegmentName) string {
	tag := key.Tag(nil, tagSegment, id, series, image, fmt.Sprint(n.Index), hex.EncodeToString(n.Sum[:]))
	return hex.EncodeToString(tag[:format.TagBytes])
}

// withTag returns a sealed copy of an extents object or table that ends in its
// tag. The memory is not accounted for: such objects are small.
func withTag(budget *memory.Budget, plain *memory.Buffer, key *signature.Key, labels ...string) (*memory.Buffer, error) {
	h, tagged := key.NewTag(labels...), budget.NewBuffer()
	if _, err := io.Copy(io.MultiWriter(h, tagged), plain.Open()); err != nil {
		tagged.Free()
		return nil, err
	}
	if _, err := tagged.Write(format.AppendTag(nil, [sha256.Size]byte(h.Sum(nil)))); err != nil {
		return nil, err
	}
	tagged.Seal()
	return tagged, nil
}

// checkTag reports whether an object of size bytes ends in its tag by key.
func checkTag(r io.Reader, size int64, key *signature.Key, labels ...string) error {
	wrong := errors.New("it has no tag by this vault's signing key")
	if size < format.TagFrame {
		return wrong
	}
	h := key.NewTag(labels...)
	if _, err := io.CopyN(h, r, size-format.TagFrame); err != nil {
		return err
	}
	end, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	tag, ok := format.ParseTag(end)
	if !ok || !signature.Equal(tag, [sha256.Size]byte(h.Sum(nil))) {
		return wrong
	}
	return nil
}

// checkFit reports why the unfinished backup n, of which w.matches has nothing
// to say, cannot be continued: it is encrypted or signed in another way than
// new backups are, or what is there of it was planted.
func (w *Writer) checkFit(ctx context.Context, n format.Name, c *format.Capture, sealed []byte) (reason, err error) {
	e := c.Encryption
	switch {
	case w.recipients == nil && e != nil:
		return errors.New("it is encrypted, and this run does not encrypt"), nil
	case w.recipients != nil && e == nil:
		return errors.New("it is not encrypted, and this run encrypts"), nil
	case e != nil && !w.recipients.Sealed(e.Recipients, e.Recipient, []byte(e.Identity)):
		return errors.New("it is encrypted to other recipients"), nil
	case w.key == nil && c.Tag != "":
		return errors.New("it belongs to a signed vault, and no signing key is given; --sign names one"), nil
	case w.key == nil:
		return nil, nil
	}
	if e != nil {
		if _, err := envelope.ParsePublic(e.Recipient); err != nil {
			return err, nil
		}
	}
	if err := checkCaptureTag(w.key, sealed); err != nil {
		return err, nil
	}
	return w.checkPlanted(ctx, n, c)
}

// checkPlanted looks at what a writer would build upon without looking again.
func (w *Writer) checkPlanted(ctx context.Context, n format.Name, c *format.Capture) (reason, err error) {
	for i, im := range c.Images {
		if !im.Extents {
			continue
		}
		_, _, err := w.v.readExtents(ctx, n, im.Name, w.images[i].Size, nil)
		if errors.Is(err, ErrDamaged) {
			return err, nil
		}
		if err != nil && !errors.Is(err, providers.ErrNotFound) {
			return nil, err
		}
	}
	text, err := format.RestoreText(c)
	if err != nil {
		return nil, err
	}
	there, err := w.v.getBytes(ctx, w.v.catalogKey(n, format.RestoreFile), format.MaxRestore)
	switch {
	case errors.Is(err, providers.ErrNotFound) || err == nil && bytes.Equal(there, text):
		return nil, nil
	case err == nil:
		return errors.New("its RESTORE.md is not what this program writes"), nil
	case errors.Is(err, ErrDamaged):
		return err, nil
	}
	return nil, err
}
