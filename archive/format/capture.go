package format

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/snapferry/snapferry/archive/frame"
)

// FormatVersion is the version of the format written here, and the highest
// one that is read.
const FormatVersion = 1

// The sizes written by default, in raw bytes.
const (
	DefaultSegment = 32 << 20
	DefaultChunk   = 4 << 20
)

// MaxSegments is the most segments an image may have: 64 TiB of data in
// segments of 32 MiB, the largest disk any cloud sells.
const MaxSegments = 1 << 21

// MaxImages is the most images a backup may have, so that its manifest stays
// small.
const MaxImages = 64

// Identity says what a source is. A series belongs to one of them.
type Identity struct {
	Type string `json:"type"`
	Host string `json:"host,omitempty"`
	Path string `json:"path,omitempty"`
	ID   string `json:"id,omitempty"`
}

func (i Identity) String() string {
	s := i.Type
	for _, part := range []string{i.Host, i.Path, i.ID} {
		if part != "" {
			s += " " + part
		}
	}
	return s
}

// Capture is capture.json: what every later worker on this backup, on this
// machine or another, must not choose again. It is the first object written.
type Capture struct {
	Format      int       `json:"format"`
	ID          string    `json:"id"`
	Series      string    `json:"series"`
	Kind        string    `json:"kind"`
	Time        time.Time `json:"time"`    // the instant of the id, UTC
	Program     string    `json:"program"` // name and version of the writer
	Fingerprint string    `json:"fingerprint"`
	Source      Identity  `json:"source"`
	Resumable   bool      `json:"resumable"`
	Compression string    `json:"compression"`
	Segment     int64     `json:"segment_bytes"`
	Chunk       int64     `json:"chunk_bytes"`
	// Facts are for people: versions, counts.
	Facts  map[string]string `json:"facts,omitempty"`
	Images []CaptureImage    `json:"images"`
	// Encryption is set where the segments are encrypted.
	Encryption *Encryption `json:"encryption,omitempty"`
	// Tag is set in signed vaults: see SealTagged.
	Tag string `json:"tag,omitempty"`
}

// Encryption says how the segments of a capture are encrypted: to a key of
// its own, which is encrypted to the recipients.
type Encryption struct {
	Recipient string `json:"recipient"` // public key of the capture: age1…
	// Recipients are those the identity was encrypted to; a passphrase is
	// "scrypt".
	Recipients []string `json:"recipients"`
	// Identity is the capture's private key, an armored age file. RESTORE.md
	// relies on its being the last member.
	Identity string `json:"identity"`
}

// isAgeKey reports whether s can stand where a shell reads a public key.
func isAgeKey(s string) bool {
	digits, ok := strings.CutPrefix(s, "age1")
	return ok && digits != "" && strings.Trim(digits, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// MaxRecipients is the most recipients a backup may have.
const MaxRecipients = 64

func (e *Encryption) check() error {
	switch {
	case e == nil:
		return nil
	case !isAgeKey(e.Recipient):
		return fmt.Errorf("recipient %q is no public key of age", e.Recipient)
	case slices.ContainsFunc(e.Recipients, func(r string) bool { return strings.ContainsFunc(r, unicode.IsControl) }):
		return errors.New("a recipient holds control characters")
	case len(e.Recipients) < 1 || len(e.Recipients) > MaxRecipients:
		return fmt.Errorf("%d recipients, 1 to %d are allowed", len(e.Recipients), MaxRecipients)
	case e.Identity == "":
		return errors.New("encrypted, and without an identity")
	}
	return nil
}

// Base is how the fingerprint of the backup begins that a differential builds on;
// empty: it is a full one.
func (c *Capture) Base() string {
	id, err := ParseID(c.ID)
	if err != nil {
		return ""
	}
	return id.Parent
}

// CaptureImage is one image of a capture.
type CaptureImage struct {
	Name    string `json:"name"`    // as in keys
	Title   string `json:"title"`   // as the user knows it
	Form    string `json:"form"`    // raw, tar or stream
	Size    *int64 `json:"size"`    // bytes; null for a stream
	Extents bool   `json:"extents"` // an extents object says which parts are data
}

// Check refuses a capture.json outside the limits, or one that stands at
// another place than its own.
func (c *Capture) Check(n Name) error {
	switch {
	case c.Format < 1 || c.Format > FormatVersion:
		return fmt.Errorf("format version %d: this program reads up to %d", c.Format, FormatVersion)
	case c.ID != n.ID.String() || c.Series != n.Series || c.Kind != n.ID.Kind:
		return fmt.Errorf("it belongs to %s/%s", c.Series, c.ID)
	case !IsHex(c.Fingerprint, 64) || c.Fingerprint[:FingerprintDigits] != n.ID.Fingerprint:
		return fmt.Errorf("fingerprint %q is not the one of its id", c.Fingerprint)
	case c.Compression != "zstd":
		return fmt.Errorf("compression %q is unknown", c.Compression)
	case len(c.Images) < 1 || len(c.Images) > MaxImages:
		return fmt.Errorf("%d images, 1 to %d are allowed", len(c.Images), MaxImages)
	case c.Tag != "" && !IsHex(c.Tag, 64):
		return fmt.Errorf("tag %q is none", c.Tag)
	}
	if err := c.Encryption.check(); err != nil {
		return err
	}
	if err := CheckSizes(c.Segment, c.Chunk); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, im := range c.Images {
		if err := im.check(c.Segment); err != nil {
			return err
		}
		if seen[im.Name] {
			return fmt.Errorf("two images are named %q", im.Name)
		}
		seen[im.Name] = true
	}
	return nil
}

func (im *CaptureImage) check(segment int64) error {
	if err := CheckName(im.Name); err != nil {
		return err
	}
	switch {
	case im.Size == nil && im.Extents:
		return fmt.Errorf("image %q: a stream has no extents", im.Name)
	case im.Size != nil && (*im.Size < 0 || *im.Size/segment >= MaxSegments && !im.Extents):
		return fmt.Errorf("image %q: %d bytes is outside the limits", im.Name, *im.Size)
	}
	return nil
}

// CheckSizes refuses segment and chunk sizes, in bytes, a reader won't take.
func CheckSizes(segment, chunk int64) error {
	if chunk < 1 || chunk > frame.MaxChunk || segment < chunk || segment > frame.MaxSegment || segment%chunk != 0 {
		return fmt.Errorf("segments of %d bytes in chunks of %d are outside the limits", segment, chunk)
	}
	return nil
}

// Segments returns how many segments data bytes make.
func Segments(data, segment int64) int64 { return (data + segment - 1) / segment }

// SegmentRaw returns the raw bytes of segment i of an image of data bytes.
func SegmentRaw(i, data, segment int64) int64 { return min(segment, data-i*segment) }

// Shape returns what the tables of the capture must add up to, for an image of
// that much data; < 0 where nobody knows.
func (c *Capture) Shape(data int64) TableShape {
	return TableShape{Data: data, Segment: c.Segment, Chunk: c.Chunk, Signed: c.Tag != "", Age: c.Encryption != nil}
}

// AgeSize returns the most bytes an age file of n bytes takes that is
// encrypted to one X25519 key: a header below 512 bytes, and 16 bytes for every
// 64 KiB.
func AgeSize(n int64) int64 { return n + 16*(n>>16+1) + 512 }

// MaxStored returns the most bytes a segment of raw bytes may take, not
// encrypted.
func MaxStored(raw, chunk int64) int64 {
	n := (raw + chunk - 1) / chunk
	return n*int64(frame.MaxEncoded(int(chunk))) + int64(frame.SeekTableSize(int(n)))
}
