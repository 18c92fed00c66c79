package archive

import (
	"crypto/sha256"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
)

// This file is all that tells one vault's objects from another's: what
// becomes of a finished segment before it is stored, and what it is called.

// encrypts reports whether this backup's segments are encrypted: wrap then
// takes up to wrapMemory bytes beside the plain segment.
func (w *Writer) encrypts() bool { return false }

// wrapMemory is the most memory the stored form of a segment of that many
// bytes takes, in bytes: 0 where it is the segment itself.
func (w *Writer) wrapMemory(int64) int64 { return 0 }

// wrap returns a finished segment as this vault stores it, sealed: the
// segment itself, or another buffer, which the caller frees. The memory must
// have been acquired. It may be called from several goroutines.
func (w *Writer) wrap(plain *memory.Buffer) (*memory.Buffer, error) { return plain, nil }

// shape is that of the tables of this backup, for an image of that much data.
func (w *Writer) shape(data int64) format.TableShape {
	return format.TableShape{Data: data, Segment: w.capture.Segment, Chunk: w.capture.Chunk}
}

// segmentName names the segments of an image by index and hash of what is
// stored.
func (w *Writer) segmentName(string) func(index int64, sum [sha256.Size]byte) format.SegmentName {
	return plainName
}
