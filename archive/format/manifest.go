package format

import (
	"crypto/sha256"
	"fmt"
	"math"
	"time"
)

// Manifest is manifest.json: written last, and what makes a backup exist. It
// holds the hash of every other object of the catalog entry, and those of the
// segments through their tables. Place and promise are not in it: a backup
// may be kept elsewhere, longer, as it is.
type Manifest struct {
	Format      int               `json:"format"`
	ID          string            `json:"id"`
	Series      string            `json:"series"`
	Kind        string            `json:"kind"`
	Time        time.Time         `json:"time"`      // the instant of the id, UTC
	Completed   time.Time         `json:"completed"` // when the manifest was made, by the writer's clock
	Program     string            `json:"program"`
	Source      Identity          `json:"source"`
	Checked     bool              `json:"checked"` // the source was found unchanged after reading
	RawBytes    int64             `json:"raw_bytes"`
	StoredBytes int64             `json:"stored_bytes"`
	Segment     int64             `json:"segment_bytes"`
	Chunk       int64             `json:"chunk_bytes"`
	Facts       map[string]string `json:"facts,omitempty"`
	Capture     ObjectRef         `json:"capture"`
	Restore     ObjectRef         `json:"restore"`
	Images      []ManifestImage   `json:"images"`
}

// ObjectRef pins the content of a catalog object.
type ObjectRef struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// ManifestImage is one image of a backup.
type ManifestImage struct {
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Form        string     `json:"form"`
	Size        int64      `json:"size"`       // bytes of the image
	Data        int64      `json:"data_bytes"` // bytes of it that are not holes
	StoredBytes int64      `json:"stored_bytes"`
	Segments    int64      `json:"segments"`
	Table       ObjectRef  `json:"table"`
	Extents     *ObjectRef `json:"extents,omitempty"`
}

// The largest catalog objects a reader loads, in bytes.
const (
	MaxTable         = 256 << 20
	MaxExtentsObject = 32 << 20
	MaxRestore       = 1 << 20
)

// Check refuses a manifest outside the limits, or one at another place than
// its own.
func (m *Manifest) Check(n Name) error {
	switch {
	case m.Format < 1 || m.Format > FormatVersion:
		return fmt.Errorf("format version %d: this program reads up to %d", m.Format, FormatVersion)
	case m.ID != n.ID.String() || m.Series != n.Series || m.Kind != n.ID.Kind:
		return fmt.Errorf("it belongs to %s/%s", m.Series, m.ID)
	case len(m.Images) < 1 || len(m.Images) > MaxImages:
		return fmt.Errorf("%d images, 1 to %d are allowed", len(m.Images), MaxImages)
	}
	if err := CheckSizes(m.Segment, m.Chunk); err != nil {
		return err
	}
	if err := m.Capture.check("capture", MaxDocument); err != nil {
		return err
	}
	if err := m.Restore.check("restore", MaxRestore); err != nil {
		return err
	}
	return m.checkImages()
}

func (m *Manifest) checkImages() error {
	var raw, stored int64
	seen := map[string]bool{}
	for i := range m.Images {
		im := &m.Images[i]
		if err := im.check(m.Segment, m.Chunk); err != nil {
			return fmt.Errorf("image %q: %w", im.Name, err)
		}
		if seen[im.Name] {
			return fmt.Errorf("two images are named %q", im.Name)
		}
		seen[im.Name] = true
		if im.Size > math.MaxInt64-raw || im.StoredBytes > math.MaxInt64-stored {
			return fmt.Errorf("sizes overflow")
		}
		raw += im.Size
		stored += im.StoredBytes
	}
	if raw != m.RawBytes || stored != m.StoredBytes {
		return fmt.Errorf("images add up to %d raw and %d stored bytes, the manifest says %d and %d", raw, stored, m.RawBytes, m.StoredBytes)
	}
	return nil
}

func (im *ManifestImage) check(segment, chunk int64) error {
	if err := CheckName(im.Name); err != nil {
		return err
	}
	if err := im.Table.check("table", MaxTable); err != nil {
		return err
	}
	switch {
	case im.Size < 0 || im.Data < 0 || im.Data > im.Size || im.Extents == nil && im.Data != im.Size:
		return fmt.Errorf("%d bytes of data in %d is impossible", im.Data, im.Size)
	case im.Data > MaxSegments*segment || im.Segments != Segments(im.Data, segment):
		return fmt.Errorf("%d segments for %d bytes of data", im.Segments, im.Data)
	case im.StoredBytes < 0 || im.StoredBytes > im.Segments*AgeSize(MaxStored(segment, chunk)):
		return fmt.Errorf("%d stored bytes in %d segments", im.StoredBytes, im.Segments)
	}
	if im.Extents != nil {
		return im.Extents.check("extents", MaxExtentsObject)
	}
	return nil
}

func (r *ObjectRef) check(what string, limit int64) error {
	if !IsHex(r.SHA256, 64) || r.Bytes < 1 || r.Bytes > limit {
		return fmt.Errorf("%s: %d bytes with hash %q is outside the limits", what, r.Bytes, r.SHA256)
	}
	return nil
}

// RefOf returns the reference to an object of these bytes.
func RefOf(b []byte) ObjectRef {
	return ObjectRef{SHA256: fmt.Sprintf("%x", sha256.Sum256(b)), Bytes: int64(len(b))}
}

// Agrees reports whether two manifests are of the same capture and the same
// bytes. Their tables may name different objects of the same content.
func (m *Manifest) Agrees(o *Manifest) bool {
	if m.Capture != o.Capture || m.RawBytes != o.RawBytes || len(m.Images) != len(o.Images) {
		return false
	}
	for i := range m.Images {
		a, b := m.Images[i], o.Images[i]
		if a.Name != b.Name || a.Size != b.Size || a.Data != b.Data {
			return false
		}
	}
	return true
}
