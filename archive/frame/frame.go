// Package frame turns chunks of data into zstd frames and back, and knows the
// seek table that closes a segment.
//
// A segment is a row of zstd frames, one a chunk, followed by the seek table
// of the zstd seekable format: any zstd decoder reads it from front to back,
// any reader of the seekable format seeks in it. Every frame states its
// content size and ends with a content checksum.
package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// Limits a reader enforces, whatever an object claims.
const (
	// MaxChunk is the largest chunk, in raw bytes.
	MaxChunk = 16 << 20
	// MaxSegment is the largest segment, in raw bytes.
	MaxSegment = 256 << 20
	// maxBlock is the largest block of a zstd frame (RFC 8878, 3.1.1.2.4).
	maxBlock = 128 << 10
	// frameOverhead bounds what a frame of stored blocks adds besides its
	// block headers: magic, descriptor, content size, checksum.
	frameOverhead = 4 + 1 + 8 + 4
)

// ErrCorrupt marks bytes that are not what the format demands.
var ErrCorrupt = errors.New("corrupt segment")

// MaxEncoded returns the most bytes a chunk of n raw bytes can take as a
// frame: compressible or not, no frame made here is larger.
func MaxEncoded(n int) int {
	blocks := max(1, (n+maxBlock-1)/maxBlock)
	return n + 3*blocks + frameOverhead
}

// Level is how hard an Encoder tries. The format does not depend on it.
type Level string

// The levels, from the fastest to the one that packs best.
const (
	Stored  Level = "stored" // for what is compressed already
	Fastest Level = "fastest"
	Default Level = "default"
	Better  Level = "better"
	Best    Level = "best"
	// Auto begins at Fastest; whoever drives the Encoder changes its level
	// with Use.
	Auto Level = "auto"
)

// Levels lists the levels a user may name.
func Levels() []Level { return append(append([]Level{Auto}, Ladder()...), Stored) }

// Ladder lists the levels Auto chooses from, each harder than the one before.
func Ladder() []Level { return []Level{Fastest, Default, Better, Best} }

func (l Level) zstd() (zstd.EncoderLevel, bool) {
	switch l {
	case Fastest:
		return zstd.SpeedFastest, true
	case Default:
		return zstd.SpeedDefault, true
	case Better:
		return zstd.SpeedBetterCompression, true
	case Best:
		return zstd.SpeedBestCompression, true
	}
	return 0, false
}

// Memory returns the bytes an Encoder of this level holds on to for chunks
// of the given size, its output buffer included. TestLevelMemory holds the
// figures against what klauspost/compress really takes.
func (l Level) Memory(chunk int) int64 {
	out := int64(MaxEncoded(chunk))
	window := int64(min(chunk, windowSize))
	switch l {
	case Stored:
		return 0
	case Fastest, Auto:
		return out + fastWindow + 1<<20
	case Default:
		return out + window + 3<<20
	case Better:
		return out + window + 8<<20
	default:
		return out + window + 36<<20
	}
}

// Extra returns the bytes that an Encoder takes beyond those of Fastest while
// it also keeps an encoder of this level: 0 for Fastest itself.
func (l Level) Extra(chunk int) int64 {
	if l == Fastest {
		return 0
	}
	return l.Memory(chunk) - int64(MaxEncoded(chunk))
}

// How far back a match may reach, in bytes. The fastest level's table is so
// small that it forgets most of what lies further back than a megabyte: four
// times the window gave 1.2 % on source code and under 0.1 % on programs.
const (
	windowSize = 4 << 20
	fastWindow = 1 << 20
)

// Encoder makes frames. It is not safe for concurrent use: every worker has
// its own.
type Encoder struct {
	enc *zstd.Encoder // nil: store everything
	// fast is kept once it was used, and beside it one harder encoder.
	fast, hard *zstd.Encoder
	hardLevel  Level
	out        []byte
	// zero is the frame of the last all-zero chunk, which had zeroLen bytes.
	zero    []byte
	zeroLen int
}

// NewEncoder returns an Encoder for chunks up to the given size in bytes.
func NewEncoder(level Level, chunk int) (*Encoder, error) {
	if level == Stored {
		return &Encoder{}, nil
	}
	if level == Auto {
		level = Fastest
	}
	e := &Encoder{}
	if err := e.Use(level); err != nil {
		return nil, err
	}
	e.out = make([]byte, 0, MaxEncoded(chunk))
	return e, nil
}

// Use makes the next frames at another level: Fastest, or one harder, for
// which an encoder is made when it is first used. Only the last harder one is
// kept. An Encoder that stores everything cannot be changed.
func (e *Encoder) Use(level Level) (err error) {
	if level == Fastest {
		if e.fast == nil {
			if e.fast, err = newZstd(level); err != nil {
				return err
			}
		}
		e.enc = e.fast
		return nil
	}
	if e.hardLevel != level {
		e.hard, e.hardLevel = nil, "" // the old one can go before the new one is made
		if e.hard, err = newZstd(level); err != nil {
			return err
		}
		e.hardLevel = level
	}
	e.enc = e.hard
	return nil
}

// Relax goes back to Fastest and lets go of the harder encoder.
func (e *Encoder) Relax() error {
	e.hard, e.hardLevel = nil, ""
	return e.Use(Fastest)
}

func newZstd(level Level) (*zstd.Encoder, error) {
	zl, ok := level.zstd()
	if !ok {
		return nil, fmt.Errorf("unknown compression level %q", level)
	}
	window := windowSize
	if level == Fastest {
		window = fastWindow
	}
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zl),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true),
		zstd.WithWindowSize(window),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	return enc, nil
}

// Encode writes chunk, which must not be empty, as one frame to w, in pieces, and returns the frame's
// size. Zeros become a few bytes, what does not shrink is stored as it is.
// Errors are those of w.
func (e *Encoder) Encode(w io.Writer, chunk []byte) (int, error) {
	if IsZero(chunk) {
		return w.Write(e.encodeZero(len(chunk)))
	}
	if e.enc != nil && compressible(chunk) {
		e.out = e.enc.EncodeAll(chunk, e.out[:0])
		if len(e.out) < len(chunk) {
			return w.Write(e.out)
		}
	}
	return writeStored(w, chunk)
}

func (e *Encoder) encodeZero(n int) []byte {
	if e.zero == nil || e.zeroLen != n {
		e.zero = appendZero(e.zero[:0], n)
		e.zeroLen = n
	}
	return e.zero
}

// IsZero reports whether all bytes of b are zero.
func IsZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// zeros is what IsZero compares with; a page at a time keeps it in the cache.
var zeros [4096]byte //nolint:gochecknoglobals // never written

// appendHeader writes a frame header: single segment, content size of 8
// bytes, checksum. Eight bytes for every size keep the frames alike.
func appendHeader(dst []byte, n int) []byte {
	const descriptor = 3<<6 | 1<<5 | 1<<2
	dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, descriptor)
	return binary.LittleEndian.AppendUint64(dst, uint64(n))
}

// The block types of RFC 8878, 3.1.1.2.2, as they stand in a block header.
const (
	blockRaw = 0 << 1
	blockRLE = 1 << 1
)

func appendBlockHeader(dst []byte, kind, size int, last bool) []byte {
	h := size<<3 | kind
	if last {
		h |= 1
	}
	return append(dst, byte(h), byte(h>>8), byte(h>>16))
}

// writeStored frames chunk as raw blocks.
func writeStored(w io.Writer, chunk []byte) (int, error) {
	var scratch [frameOverhead]byte
	total, err := w.Write(appendHeader(scratch[:0], len(chunk)))
	if err != nil {
		return total, err
	}
	sum := xxhash.Sum64(chunk)
	for rest := chunk; ; {
		size := min(len(rest), maxBlock)
		head := appendBlockHeader(scratch[:0], blockRaw, size, size == len(rest))
		for _, part := range [][]byte{head, rest[:size]} {
			n, err := w.Write(part)
			if total += n; err != nil {
				return total, err
			}
		}
		if rest = rest[size:]; len(rest) == 0 {
			break
		}
	}
	n, err := w.Write(binary.LittleEndian.AppendUint32(scratch[:0], uint32(sum)))
	return total + n, err
}

// appendZero frames n zero bytes as run-length blocks.
func appendZero(dst []byte, n int) []byte {
	dst = appendHeader(dst, n)
	h := xxhash.New()
	for rest := n; ; {
		size := min(rest, maxBlock)
		dst = append(appendBlockHeader(dst, blockRLE, size, size == rest), 0)
		for left := size; left > 0; left -= min(left, len(zeros)) {
			_, _ = h.Write(zeros[:min(left, len(zeros))])
		}
		if rest -= size; rest == 0 {
			break
		}
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(h.Sum64()))
}

// Decoder reads frames back. It is not safe for concurrent use.
type Decoder struct {
	dec     *zstd.Decoder
	zero    []byte
	zeroLen int
}

// NewDecoder returns a Decoder for chunks up to MaxChunk.
func NewDecoder() (*Decoder, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxChunk),
		zstd.WithDecodeAllCapLimit(true),
	)
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &Decoder{dec: dec}, nil
}

// Decode decompresses one frame into dst, which must have exactly the length
// the frame was declared to have. Any other size, more than one frame, or a
// wrong checksum is ErrCorrupt. If the frame is the one Encode makes of
// zeros, dst is left as it is and zero is true.
func (d *Decoder) Decode(dst, frame []byte) (zero bool, err error) {
	if d.zero == nil || d.zeroLen != len(dst) {
		d.zero, d.zeroLen = appendZero(d.zero[:0], len(dst)), len(dst)
	}
	if bytes.Equal(frame, d.zero) {
		return true, nil
	}
	out, err := d.dec.DecodeAll(frame, dst[:0:len(dst)])
	if err != nil {
		return false, fmt.Errorf("%w: decode frame: %w", ErrCorrupt, err)
	}
	if len(out) != len(dst) {
		return false, fmt.Errorf("%w: frame holds %d bytes, %d were declared", ErrCorrupt, len(out), len(dst))
	}
	return false, nil
}

// Close releases what the decoder holds.
func (d *Decoder) Close() { d.dec.Close() }
