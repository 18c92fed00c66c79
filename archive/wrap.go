package archive

import (
	"crypto/sha256"

	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
)

// This file is all that tells one vault's objects from another's: what
// becomes of a finished segment before it is stored, and what it is called.

// encrypts reports whether this backup's segments are encrypted: wrap then
// takes up to wrapMemory bytes beside the plain segment.
func (w *Writer) encrypts() bool { return w.capture.Encryption != nil }

// wrapMemory is the most memory the stored form of a segment of that many
// bytes takes, in bytes: 0 where it is the segment itself.
func (w *Writer) wrapMemory(plain int64) int64 {
	if !w.encrypts() {
		return 0
	}
	return memory.RoundUp(format.AgeSize(plain))
}

// wrap returns a finished segment as this vault stores it, sealed: the
// segment itself, or another buffer, which the caller frees. The memory must
// have been acquired. It may be called from several goroutines.
func (w *Writer) wrap(plain *memory.Buffer) (*memory.Buffer, error) {
	if !w.encrypts() {
		return plain, nil
	}
	public, err := envelope.ParsePublic(w.capture.Encryption.Recipient)
	if err != nil {
		return nil, err
	}
	stored := w.budget.NewBuffer()
	if err := public.Encrypt(stored, plain.Open()); err != nil {
		stored.Free()
		return nil, err
	}
	stored.Seal()
	return stored, nil
}

// wrapExtents returns an extents object as this vault stores it, sealed: the
// object itself, or another buffer, which the caller frees.
func (w *Writer) wrapExtents(image string, plain *memory.Buffer) (*memory.Buffer, error) {
	if w.key == nil {
		return plain, nil
	}
	return withTag(w.budget, plain, w.key, tagExtents, w.capture.ID, w.capture.Series, image)
}

// shape is that of the tables of this backup, for an image of that much data.
func (w *Writer) shape(data int64) format.TableShape { return w.capture.Shape(data) }

// segmentName names the segments of an image by index and hash of what is
// stored.
func (w *Writer) segmentName(image string) func(index int64, sum [sha256.Size]byte) format.SegmentName {
	return segmentNames(w.key, w.capture, image)
}
