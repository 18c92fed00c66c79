package frame

import (
	"encoding/binary"
	"fmt"
)

// The seek table of the zstd seekable format, version 0.1.0: a skippable
// frame at the end of the segment.
// https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
const (
	skippableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	skippableHead  = 8
	seekableFoot   = 9
	entryBytes     = 8
	checksumFlag   = 1 << 7
	checksumBytes  = 4
	reservedBits   = 0x7c
)

// Entry is the size of one frame, stored and raw, in bytes.
type Entry struct {
	Stored, Raw uint32
}

// SeekTableSize returns the bytes a seek table for n frames takes.
func SeekTableSize(n int) int { return skippableHead + n*entryBytes + seekableFoot }

// MaxSeekTable returns the bytes a seek table for n frames may take: other
// writers may add a checksum to each entry.
func MaxSeekTable(n int) int { return SeekTableSize(n) + n*checksumBytes }

// AppendSeekTable appends the seek table for the frames to dst.
func AppendSeekTable(dst []byte, frames []Entry) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, skippableMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(frames)*entryBytes+seekableFoot))
	for _, f := range frames {
		dst = binary.LittleEndian.AppendUint32(dst, f.Stored)
		dst = binary.LittleEndian.AppendUint32(dst, f.Raw)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(frames)))
	dst = append(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, seekableMagic)
}

// Layout says what a segment must look like.
type Layout struct {
	Stored int64 // bytes of the whole object
	Raw    int64 // bytes of data in it
	Chunk  int64 // raw bytes of every frame but the last
}

// ParseSeekTable reads the seek table from the end of a segment; tail must
// hold at least the table. It returns the frames only if they agree with the
// layout in every number: all else is ErrCorrupt.
func ParseSeekTable(tail []byte, l Layout) ([]Entry, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	if len(tail) < skippableHead+seekableFoot {
		return nil, fmt.Errorf("%w: %d bytes hold no seek table", ErrCorrupt, len(tail))
	}
	foot := tail[len(tail)-seekableFoot:]
	if binary.LittleEndian.Uint32(foot[5:]) != seekableMagic {
		return nil, fmt.Errorf("%w: the seek table's magic number is missing", ErrCorrupt)
	}
	n := int64(binary.LittleEndian.Uint32(foot))
	if want := (l.Raw + l.Chunk - 1) / l.Chunk; n != want {
		return nil, fmt.Errorf("%w: seek table has %d frames, %d were expected", ErrCorrupt, n, want)
	}
	each := int64(entryBytes)
	if foot[4]&checksumFlag != 0 {
		each += checksumBytes
	}
	if foot[4]&reservedBits != 0 {
		return nil, fmt.Errorf("%w: seek table has reserved bits set", ErrCorrupt)
	}
	size := skippableHead + n*each + seekableFoot
	if size > int64(len(tail)) {
		return nil, fmt.Errorf("%w: seek table of %d bytes in %d", ErrCorrupt, size, len(tail))
	}
	table := tail[int64(len(tail))-size:]
	if binary.LittleEndian.Uint32(table) != skippableMagic || int64(binary.LittleEndian.Uint32(table[4:])) != size-skippableHead {
		return nil, fmt.Errorf("%w: the seek table's frame header is wrong", ErrCorrupt)
	}
	return parseEntries(table[skippableHead:], l, n, each)
}

func parseEntries(b []byte, l Layout, n, each int64) ([]Entry, error) {
	frames := make([]Entry, n)
	stored := skippableHead + n*each + seekableFoot
	left := l.Raw
	for i := range frames {
		e := Entry{Stored: binary.LittleEndian.Uint32(b), Raw: binary.LittleEndian.Uint32(b[4:])}
		if want := min(left, l.Chunk); int64(e.Raw) != want {
			return nil, fmt.Errorf("%w: frame %d holds %d raw bytes, %d were expected", ErrCorrupt, i, e.Raw, want)
		}
		if int64(e.Stored) > int64(MaxEncoded(int(e.Raw))) {
			return nil, fmt.Errorf("%w: frame %d takes %d bytes for %d", ErrCorrupt, i, e.Stored, e.Raw)
		}
		left -= int64(e.Raw)
		stored += int64(e.Stored)
		frames[i] = e
		b = b[each:]
	}
	if stored != l.Stored {
		return nil, fmt.Errorf("%w: frames and seek table take %d bytes, the object has %d", ErrCorrupt, stored, l.Stored)
	}
	return frames, nil
}

func (l Layout) check() error {
	if l.Chunk <= 0 || l.Chunk > MaxChunk || l.Raw <= 0 || l.Raw > MaxSegment || l.Stored <= 0 {
		return fmt.Errorf("%w: %d bytes with %d raw in chunks of %d is outside the limits", ErrCorrupt, l.Stored, l.Raw, l.Chunk)
	}
	return nil
}
