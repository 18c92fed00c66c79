package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxDocument is the largest capture.json or manifest.json, in bytes.
const MaxDocument = 64 << 10

// A sealed document is indented JSON whose last member is the SHA-256, in
// hexadecimal, of every byte before that member's line. So a document proves
// itself: no byte of it can change, and none can be added or cut off, without
// being noticed, and it stays plain JSON for everybody else.
const (
	sealOpen  = "  \"seal\": \""
	sealClose = "\"\n}\n"
	sealSize  = len(sealOpen) + 2*sha256.Size + len(sealClose)
)

// Seal encodes doc, a struct, as a sealed document.
func Seal(doc any) ([]byte, error) { return SealTagged(doc, nil) }

// A tag is the member before the seal: a message authentication code of every
// byte before its line, in hexadecimal.
const (
	tagOpen  = "  \"tag\": \""
	tagClose = "\",\n"
	tagSize  = len(tagOpen) + 2*sha256.Size + len(tagClose)
)

// SealTagged is Seal with a tag, which mac makes of the bytes before it; doc
// must have none yet.
func SealTagged(doc any, mac func([]byte) [sha256.Size]byte) ([]byte, error) {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	head, ok := bytes.CutSuffix(b, []byte("\n}"))
	if !ok {
		return nil, errors.New("encode: nothing to seal")
	}
	head = append(head, ",\n"...)
	if mac != nil {
		tag := mac(head)
		head = append(hex.AppendEncode(append(head, tagOpen...), tag[:]), tagClose...)
	}
	sum := sha256.Sum256(head)
	out := append(head, sealOpen...)
	out = hex.AppendEncode(out, sum[:])
	out = append(out, sealClose...)
	if len(out) > MaxDocument {
		return nil, fmt.Errorf("encode: %d bytes, %d are allowed", len(out), MaxDocument)
	}
	return out, nil
}

// Unseal checks the seal of b and decodes it into doc. Members that doc does
// not know are passed over.
func Unseal(b []byte, doc any) error {
	if len(b) > MaxDocument {
		return fmt.Errorf("%d bytes, %d are allowed", len(b), MaxDocument)
	}
	if len(b) < sealSize {
		return errors.New("cut short, or no sealed document")
	}
	head, tail := b[:len(b)-sealSize], b[len(b)-sealSize:]
	sum := sha256.Sum256(head)
	want := sealOpen + hex.EncodeToString(sum[:]) + sealClose
	if string(tail) != want {
		return errors.New("the content does not match its seal")
	}
	if err := json.Unmarshal(b, doc); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}

// Tagged returns the tag of a sealed document, and what it is of. ok is false
// if it has none.
func Tagged(b []byte) (head []byte, tag [sha256.Size]byte, ok bool) {
	if len(b) < sealSize+tagSize {
		return nil, tag, false
	}
	b = b[:len(b)-sealSize]
	head, line := b[:len(b)-tagSize], b[len(b)-tagSize:]
	digits, opened := bytes.CutPrefix(line, []byte(tagOpen))
	digits, closed := bytes.CutSuffix(digits, []byte(tagClose))
	if !opened || !closed || !IsHex(string(digits), 2*sha256.Size) {
		return nil, tag, false
	}
	_, err := hex.Decode(tag[:], digits)
	return head, tag, err == nil
}
