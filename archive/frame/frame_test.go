package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/internal/testenv"
)

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func samples() map[string][]byte {
	text := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog; "), 30000)
	return map[string][]byte{
		"one": {7}, "zero": make([]byte, 1<<20), "one zero": {0}, "noise": noise(1, 1<<20), "text": text,
		"odd noise": noise(2, maxBlock+1), "block of noise": noise(3, maxBlock), "zeros and a bit": append(make([]byte, 300000), 1),
		"nearly noise": append(noise(4, 500000), text[:1000]...),
	}
}

func TestFramesRoundTrip(t *testing.T) {
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	foreign, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	for _, level := range Levels() {
		enc, err := NewEncoder(level, 2<<20)
		if err != nil {
			t.Fatal(err)
		}
		for name, raw := range samples() {
			var out bytes.Buffer
			n, err := enc.Encode(&out, raw)
			if err != nil || n != out.Len() || n > MaxEncoded(len(raw)) {
				t.Fatalf("%s at %s: %d bytes for %d, %v", name, level, n, len(raw), err)
			}
			got := make([]byte, len(raw))
			zero, err := dec.Decode(got, out.Bytes())
			if err != nil || !bytes.Equal(got, raw) || zero != (IsZero(raw)) {
				t.Errorf("%s at %s: zero %v, %v", name, level, zero, err)
			}
			if all, err := foreign.DecodeAll(out.Bytes(), nil); err != nil || !bytes.Equal(all, raw) {
				t.Errorf("%s at %s: a plain decoder says %v", name, level, err)
			}
			var h zstd.Header
			if err := h.Decode(out.Bytes()); err != nil || !h.HasFCS || h.FrameContentSize != uint64(len(raw)) || !h.HasCheckSum {
				t.Errorf("%s at %s: header %+v, %v", name, level, h, err)
			}
		}
	}
	if _, err := NewEncoder("hardest", 10); err == nil {
		t.Error("an unknown level passed")
	}
}

// The probe may give up noise only: what is given up here costs ratio.
func TestProbe(t *testing.T) {
	text := samples()["text"]
	base64ish := slices.Clone(noise(9, 1<<20))
	for i, b := range base64ish {
		base64ish[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[b&63]
	}
	counters := make([]byte, 1<<20)
	for i := 0; i+8 <= len(counters); i += 8 {
		binary.LittleEndian.PutUint64(counters[i:], uint64(i)*7919)
	}
	for name, b := range map[string][]byte{"text": text, "base64": base64ish, "counters": counters, "half": append(noise(5, 1<<19), text[:1<<19]...)} {
		if !compressible(b) {
			t.Errorf("%s is given up", name)
		}
	}
	for seed := range uint64(50) {
		if compressible(noise(seed, 1<<20)) {
			t.Errorf("noise %d is not seen as such", seed)
		}
	}
}

// segment builds a whole segment of the given raw bytes.
func segment(t testing.TB, raw []byte, chunk int) ([]byte, Layout) {
	t.Helper()
	enc, err := NewEncoder(Fastest, chunk)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var frames []Entry
	for part := range slices.Chunk(raw, chunk) {
		n, err := enc.Encode(&out, part)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, Entry{Stored: uint32(n), Raw: uint32(len(part))})
	}
	b := AppendSeekTable(out.Bytes(), frames)
	return b, Layout{Stored: int64(len(b)), Raw: int64(len(raw)), Chunk: int64(chunk)}
}

func mixed() []byte {
	var all []byte
	for _, name := range []string{"text", "zero", "noise", "nearly noise"} {
		all = append(all, samples()[name]...)
	}
	return all
}

// What others make of a segment: the zstd command, and a reader of the
// seekable format.
func TestForeignReaders(t *testing.T) {
	raw := mixed()
	b, _ := segment(t, raw, 256<<10)
	cmd := exec.Command(testenv.Tool(t, "zstd"), "-dcq")
	cmd.Stdin = bytes.NewReader(b)
	if out, err := cmd.Output(); err != nil || !bytes.Equal(out, raw) {
		t.Errorf("zstd -d: %v, same %v", err, bytes.Equal(out, raw))
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	r, err := seekable.NewReader(bytes.NewReader(b), dec)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 1, 256<<10 - 1, 256 << 10, int64(len(raw)) - 5} {
		got := make([]byte, 5)
		if _, err := r.ReadAt(got, off); err != nil || !bytes.Equal(got, raw[off:off+5]) {
			t.Errorf("at %d: %x, %v", off, got, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// And what we make of theirs: frames of the zstd command with a seek table of
// the reference library, checksums included.
func TestForeignWriter(t *testing.T) {
	raw := mixed()
	const chunk = 300000
	var out bytes.Buffer
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	w, err := seekable.NewWriter(&out, enc)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(raw, chunk) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	frames, err := ParseSeekTable(b, Layout{Stored: int64(len(b)), Raw: int64(len(raw)), Chunk: chunk})
	if err != nil {
		t.Fatal(err)
	}
	decodeAll(t, b, frames, raw)
}

func decodeAll(t *testing.T, b []byte, frames []Entry, raw []byte) {
	t.Helper()
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	for i, f := range frames {
		got := make([]byte, f.Raw)
		if _, err := dec.Decode(got, b[:f.Stored]); err != nil || !bytes.Equal(got, raw[:f.Raw]) {
			t.Fatalf("frame %d: %v", i, err)
		}
		b, raw = b[f.Stored:], raw[f.Raw:]
	}
}

func TestSeekTable(t *testing.T) {
	raw := mixed()
	b, l := segment(t, raw, 100000)
	frames, err := ParseSeekTable(b, l)
	if err != nil {
		t.Fatal(err)
	}
	decodeAll(t, b, frames, raw)
	if _, err := ParseSeekTable(b[len(b)-SeekTableSize(len(frames)):], l); err != nil {
		t.Errorf("the table alone: %v", err)
	}
	for i := len(b) - SeekTableSize(len(frames)); i < len(b); i++ {
		bad := bytes.Clone(b)
		bad[i] ^= 0x55
		if _, err := ParseSeekTable(bad, l); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d of the seek table changed: %v", i-len(b), err)
		}
	}
	for name, bad := range map[string]Layout{
		"raw": {l.Stored, l.Raw + 1, l.Chunk}, "stored": {l.Stored + 1, l.Raw, l.Chunk}, "chunk": {l.Stored, l.Raw, l.Chunk - 1},
		"no raw": {l.Stored, 0, l.Chunk}, "negative": {l.Stored, -5, l.Chunk}, "huge chunk": {l.Stored, l.Raw, MaxChunk + 1},
		"huge": {l.Stored, MaxSegment + 1, l.Chunk}, "no chunk": {l.Stored, l.Raw, 0},
	} {
		if _, err := ParseSeekTable(b, bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A frame that expands past what was declared is refused before it does.
func TestBomb(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 64<<20), nil)
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	for _, frame := range [][]byte{bomb, append(enc.EncodeAll([]byte("ab"), nil), bomb...), nil, []byte("zstd?"), bomb[:len(bomb)-1]} {
		if _, err := dec.Decode(make([]byte, 4096), frame); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", len(frame), err)
		}
	}
	if n := testing.AllocsPerRun(5, func() { _, _ = dec.Decode(make([]byte, 4096), bomb) }); n > 50 {
		t.Errorf("%v allocations for a bomb", n)
	}
}

func TestEncodeWriterFails(t *testing.T) {
	enc, err := NewEncoder(Fastest, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range samples() {
		if _, err := enc.Encode(failing{}, raw); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestIsZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := make([]byte, rapid.IntRange(0, 20000).Draw(t, "n"))
		if !IsZero(b) {
			t.Fatal("zeros are not seen")
		}
		if len(b) > 0 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = 1
			if IsZero(b) {
				t.Fatal("a one is not seen")
			}
		}
	})
}

func FuzzSegment(f *testing.F) {
	b, l := segment(f, []byte("some raw bytes, and some more of them"), 16)
	f.Add(b, l.Raw, l.Chunk)
	f.Add([]byte{}, int64(1), int64(1))
	f.Fuzz(func(t *testing.T, b []byte, raw, chunk int64) {
		frames, err := ParseSeekTable(b, Layout{Stored: int64(len(b)), Raw: raw, Chunk: chunk})
		if err != nil || raw > 1<<20 {
			return
		}
		dec, err := NewDecoder()
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		sum := int64(0)
		for _, e := range frames {
			_, _ = dec.Decode(make([]byte, e.Raw), b[:e.Stored])
			b, sum = b[e.Stored:], sum+int64(e.Raw)
		}
		if sum != raw {
			t.Fatalf("frames of %d raw bytes for %d", sum, raw)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for name, raw := range map[string][]byte{"noise": noise(1, 4<<20), "zero": make([]byte, 4<<20)} {
		b.Run(name, func(b *testing.B) {
			enc, err := NewEncoder(Fastest, 4<<20)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := enc.Encode(io.Discard, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
