// Package format is the bytes of an archive: names, documents, extents and
// tables, each with its encoder, its decoder and its limits. It does no I/O;
// docs/format.md is its specification.
package format

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// ErrInvalid marks a name, an id or a size outside the grammar or the limits.
var ErrInvalid = errors.New("invalid")

// maxName is the longest series or image name, in bytes.
const maxName = 63

// CheckName refuses what cannot be the name of a series or an image in every
// store and on every file system: anything but [a-z0-9][a-z0-9._-]{0,62},
// two dots in a row, a dot at the end, and Windows device names.
func CheckName(s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("%w name %q: it has %d bytes, 1 to %d are allowed", ErrInvalid, s, len(s), maxName)
	}
	for i := range len(s) {
		if !nameByte(s[i], i == 0) {
			return fmt.Errorf("%w name %q: %q is not allowed there; use a-z, 0-9 and, after the first, . _ -", ErrInvalid, s, s[i])
		}
	}
	if strings.Contains(s, "..") || s[len(s)-1] == '.' {
		return fmt.Errorf("%w name %q: two dots in a row, or one at the end", ErrInvalid, s)
	}
	if deviceName(s) {
		return fmt.Errorf("%w name %q: a device name on Windows", ErrInvalid, s)
	}
	return nil
}

func nameByte(c byte, first bool) bool {
	if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
		return true
	}
	return !first && (c == '.' || c == '_' || c == '-')
}

// deviceName reports whether Windows would take s for a device, with or
// without an extension.
func deviceName(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && '0' <= stem[3] && stem[3] <= '9'
}

// FitName makes any string a valid name: lower case, every other byte a
// dash, cut to 63 bytes. A name that had to be cut, or of which nothing was
// left, ends in eight digits of its hash, so that two names do not meet.
func FitName(s string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(s)) {
		switch {
		case nameByte(c, b.Len() == 0):
			b.WriteByte(c)
		case b.Len() > 0:
			b.WriteByte('-')
		}
	}
	fit := strings.TrimRight(b.String(), ".-_")
	for strings.Contains(fit, "..") {
		fit = strings.ReplaceAll(fit, "..", ".")
	}
	sum := sha256.Sum256([]byte(s))
	switch mark := hex.EncodeToString(sum[:4]); {
	case fit == "":
		return "x-" + mark
	case deviceName(fit):
		return "x-" + fit
	case len(fit) > maxName:
		return strings.TrimRight(fit[:maxName-len(mark)-1], ".-_") + "-" + mark
	}
	return fit
}

// The kinds of a backup.
const (
	KindFull = "full"
	KindDiff = "diff"
)

// ID is the identity of a backup within its series. Its text form sorts by
// time: 20261122T030000Z-full-1f3a9c0b5d7e2468, and for a differential its
// parent's fingerprint after it.
type ID struct {
	Time        time.Time // to the second, UTC
	Kind        string
	Fingerprint string // 16 hexadecimal digits
	Parent      string // the same of the parent; empty for a full
}

const (
	idTime = "20060102T150405Z"
	// FingerprintDigits is how much of a fingerprint an id holds.
	FingerprintDigits = 16
)

// String returns the text form.
func (id ID) String() string {
	s := id.Time.UTC().Format(idTime) + "-" + id.Kind + "-" + id.Fingerprint
	if id.Parent != "" {
		s += "-" + id.Parent
	}
	return s
}

// ParseID reads the text form, and only that: ParseID(s).String() == s.
func ParseID(s string) (ID, error) {
	bad := fmt.Errorf("%w backup id %q", ErrInvalid, s)
	parts := strings.Split(s, "-")
	if len(parts) < 3 || len(parts) > 4 {
		return ID{}, bad
	}
	t, err := time.Parse(idTime, parts[0])
	if err != nil || t.Format(idTime) != parts[0] {
		return ID{}, bad
	}
	id := ID{Time: t, Kind: parts[1], Fingerprint: parts[2]}
	if !IsHex(id.Fingerprint, FingerprintDigits) {
		return ID{}, bad
	}
	if len(parts) == 4 {
		if id.Parent = parts[3]; !IsHex(id.Parent, FingerprintDigits) {
			return ID{}, bad
		}
	}
	if id.Kind != KindFull && id.Kind != KindDiff || (id.Kind == KindDiff) != (id.Parent != "") {
		return ID{}, bad
	}
	return id, nil
}

// IsHex reports whether s is that many lower-case hexadecimal digits.
func IsHex(s string, digits int) bool {
	if len(s) != digits {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Name is the full name of a backup in a vault: TIER/SERIES/ID.
type Name struct {
	Tier   lifecycle.Tier
	Series string
	ID     ID
}

func (n Name) String() string { return string(n.Tier) + "/" + n.Series + "/" + n.ID.String() }

// ParseName reads the parts of TIER/SERIES/ID.
func ParseName(tier, series, id string) (Name, error) {
	t, err := lifecycle.ParseTier(tier)
	if err != nil {
		return Name{}, err
	}
	if err := CheckName(series); err != nil {
		return Name{}, err
	}
	parsed, err := ParseID(id)
	if err != nil {
		return Name{}, err
	}
	return Name{Tier: t, Series: series, ID: parsed}, nil
}

// The objects of a backup's catalog entry: their names, or the ends of them.
const (
	CaptureFile  = "capture.json"
	ManifestFile = "manifest.json"
	PromiseFile  = "promise.json"
	RestoreFile  = "RESTORE.md"

	ExtentsSuffix = ".extents.zst"
	TableSuffix   = ".table.zst"

	// KeyPrefix is how the names of rewrapped keys begin.
	KeyPrefix = "key."
	keySuffix = ".age"
	// SignaturePrefix and SignatureSuffix enclose the hash of the manifest that
	// was signed.
	SignaturePrefix = "manifest."
	SignatureSuffix = ".sig"
)

// MaxKeys is the most rewrapped keys a backup may have.
const MaxKeys = 1000

// KeyFile returns the name of a backup's n-th rewrapped key, from 1.
func KeyFile(n int) string { return KeyPrefix + strconv.Itoa(n) + keySuffix }

// ParseKeyFile reads the number of KeyFile, 1 to MaxKeys.
func ParseKeyFile(s string) (n int, ok bool) {
	digits, opened := strings.CutPrefix(s, KeyPrefix)
	digits, closed := strings.CutSuffix(digits, keySuffix)
	n, err := strconv.Atoi(digits)
	return n, opened && closed && err == nil && n >= 1 && n <= MaxKeys && KeyFile(n) == s
}

// SignatureFile returns the name of the signature of a manifest of these bytes.
func SignatureFile(manifest []byte) string {
	return SignaturePrefix + RefOf(manifest).SHA256 + SignatureSuffix
}

// TableFile returns the name of the table of an image whose hash is sum.
func TableFile(image, sum string) string { return image + "." + sum + TableSuffix }

// SegmentName is the parsed name of a segment:
// <index>.<sha256>[.<tag>].zst[.age].
type SegmentName struct {
	Index int64
	Sum   [sha256.Size]byte
	Tag   string // of a signed vault
	Age   bool   // of an encrypted one
}

const (
	indexDigits = 8
	// TagBytes is how much of a tag the name of a segment holds.
	TagBytes  = 16
	tagDigits = 2 * TagBytes
)

// String returns the name of the segment's object.
func (n SegmentName) String() string {
	s := fmt.Sprintf("%0*d.%s", indexDigits, n.Index, hex.EncodeToString(n.Sum[:]))
	if n.Tag != "" {
		s += "." + n.Tag
	}
	s += ".zst"
	if n.Age {
		s += ".age"
	}
	return s
}

// ParseSegment reads the name of a segment. ok is false for anything else.
func ParseSegment(s string) (n SegmentName, ok bool) {
	s, n.Age = strings.CutSuffix(s, ".age")
	s, zst := strings.CutSuffix(s, ".zst")
	parts := strings.Split(s, ".")
	if !zst || len(parts) < 2 || len(parts) > 3 || len(parts[0]) != indexDigits || !IsHex(parts[1], 2*sha256.Size) {
		return n, false
	}
	for _, c := range []byte(parts[0]) {
		if c < '0' || c > '9' {
			return n, false
		}
		n.Index = n.Index*10 + int64(c-'0')
	}
	if _, err := hex.Decode(n.Sum[:], []byte(parts[1])); err != nil {
		return n, false
	}
	if len(parts) == 3 {
		n.Tag = parts[2]
		return n, IsHex(n.Tag, tagDigits)
	}
	return n, true
}
