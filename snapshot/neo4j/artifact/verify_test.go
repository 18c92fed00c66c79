package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// The dumps in testdata were made by neo4j-admin of the version in their names:
//
//	neo4j-admin database dump neo4j --to-stdout
//
// of a database with a thousand nodes.
func realDumps(t testing.TB) map[string][]byte {
	t.Helper()
	dumps := map[string][]byte{}
	paths, err := filepath.Glob("testdata/*.dump")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dumps in testdata: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dumps[filepath.Base(path)] = b
	}
	return dumps
}

func TestVerifyOfRealNeo4j(t *testing.T) {
	dump := func(format string, files, bytes int64) Header {
		return Header{Format: format, Kind: Dump, Counted: true, Files: files, Bytes: bytes}
	}
	want := map[string]Info{
		"neo4j-3.5.35.dump":    {dump(FormatLegacyZstd, 34, 335327), 2, 2 << 20, true},
		"neo4j-4.4.44.dump":    {dump(FormatZstd, 36, 1084210), 2, 2 << 20, true},
		"neo4j-5.26.31.dump":   {dump(FormatZstd, 36, 1070717), 7, 2 << 20, true},
		"neo4j-2026.09.0.dump": {dump(FormatZstd, 36, 1071249), 5, 2 << 20, true},
	}
	for name, dump := range realDumps(t) {
		got, err := Verify(bytes.NewReader(dump))
		if err != nil || got != want[name] {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want[name])
		}
		if _, err := Verify(iotest.OneByteReader(bytes.NewReader(dump))); err != nil {
			t.Errorf("%s, byte by byte: %v", name, err)
		}
	}
}

func TestVerifyTruncatedAnywhere(t *testing.T) {
	for name, dump := range realDumps(t) {
		// All positions of a small dump of every format are tried in
		// TestVerifyFormats, all of these where time is no matter.
		step := 97
		if os.Getenv("SNAPFERRY_PROVE") != "" {
			step = 1
		}
		for n := 0; n < len(dump); n += step {
			if n > len(dump)-64 {
				step = 1 // the checksum and the last block, always byte by byte
			}
			if _, err := Verify(bytes.NewReader(dump[:n])); !errors.Is(err, ErrBad) {
				t.Fatalf("%s cut to %d of %d bytes: %v", name, n, len(dump), err)
			}
		}
	}
}

// A changed bit is noticed, unless the bytes still mean the very same content:
// a distance that points to other zeros, for example.
func TestVerifyDamagedAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	content := func(dump []byte) []byte {
		dec, err := zstd.NewReader(bytes.NewReader(bytes.TrimPrefix(dump, []byte(FormatZstd))))
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		b, err := io.ReadAll(dec)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, dump := range realDumps(t) {
		noticed := 0
		for range 300 {
			at, bit := rng.IntN(len(dump)), byte(1)<<rng.IntN(8)
			bad := bytes.Clone(dump)
			bad[at] ^= bit
			if _, err := Verify(bytes.NewReader(bad)); errors.Is(err, ErrBad) {
				noticed++
			} else if !bytes.Equal(content(bad), content(dump)) {
				t.Fatalf("%s with bit %#x of byte %d changed: %v", name, bit, at, err)
			}
		}
		if noticed < 290 {
			t.Errorf("%s: only %d of 300 changes were noticed", name, noticed)
		}
	}
}

func TestVerifyTrailing(t *testing.T) {
	for name, dump := range realDumps(t) {
		for _, tail := range []string{"x", "\x00", strings.Repeat("z", 4096), string(dump)} {
			if _, err := Verify(strings.NewReader(string(dump) + tail)); !errors.Is(err, ErrBad) {
				t.Errorf("%s with %d bytes behind it: %v", name, len(tail), err)
			}
		}
	}
}

func TestVerifyPassesReadErrorsOn(t *testing.T) {
	broken := errors.New("wire cut")
	for name, dump := range realDumps(t) {
		r := io.MultiReader(bytes.NewReader(dump[:len(dump)/2]), iotest.ErrReader(broken))
		if _, err := Verify(r); !errors.Is(err, broken) || errors.Is(err, ErrBad) {
			t.Errorf("%s: %v, want the reader's own error", name, err)
		}
	}
}

// A dump made here, so that each part of it can be wrong.
type dumpSpec struct {
	magic, marker string
	version       uint32
	files, bytes  int64
	entries       []tar.Header
	noTrailer     bool
	padding       []byte
}

func goodSpec() dumpSpec {
	return dumpSpec{magic: FormatZstd, marker: "zstd", version: 1, files: 2, bytes: 1300, entries: []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir}, {Name: "./neostore", Size: 1000}, {Name: "./checkpoint.0", Size: 300},
	}}
}

func (s dumpSpec) tar(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range s.entries {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("n"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	finish := w.Close
	if s.noTrailer {
		finish = w.Flush
	}
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), s.padding...)
}

func (s dumpSpec) encode(t testing.TB, options ...zstd.EOption) []byte {
	t.Helper()
	out := bytes.NewBufferString(s.magic)
	var w io.WriteCloser
	if s.marker == "" {
		w = gzip.NewWriter(out)
	} else {
		enc, err := zstd.NewWriter(out, options...)
		if err != nil {
			t.Fatal(err)
		}
		w = enc
		head := binary.BigEndian.AppendUint32([]byte(s.marker), s.version)
		head = binary.BigEndian.AppendUint64(head, uint64(s.files))
		head = binary.BigEndian.AppendUint64(head, uint64(s.bytes))
		if _, err := w.Write(head); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(s.tar(t)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestVerifyFormats(t *testing.T) {
	for format, magic := range map[string]string{
		FormatZstd: FormatZstd, FormatLegacyZstd: "", FormatGzip: FormatGzip, FormatLegacyGzip: "",
	} {
		spec := goodSpec()
		spec.magic = magic
		isGzip := format == FormatGzip || format == FormatLegacyGzip
		if isGzip {
			spec.marker = ""
		}
		dump := spec.encode(t)
		info, err := Verify(bytes.NewReader(dump))
		if err != nil || info.Format != format || info.Counted == isGzip || info.Files != 2 || info.Bytes != 1300 || info.Directories != 1 {
			t.Errorf("%s: %+v, %v", format, info, err)
		}
		for n := range dump {
			if _, err := Verify(bytes.NewReader(dump[:n])); !errors.Is(err, ErrBad) {
				t.Errorf("%s cut to %d of %d bytes: %v", format, n, len(dump), err)
			}
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	for name, change := range map[string]func(*dumpSpec){
		"another magic":        func(s *dumpSpec) { s.magic = "DZV9" },
		"another marker":       func(s *dumpSpec) { s.marker = "gzip" },
		"another version":      func(s *dumpSpec) { s.version = 2 },
		"one file fewer":       func(s *dumpSpec) { s.files = 3 },
		"one file more":        func(s *dumpSpec) { s.files = 1 },
		"one byte fewer":       func(s *dumpSpec) { s.bytes = 1301 },
		"one byte more":        func(s *dumpSpec) { s.bytes = 1299 },
		"negative files":       func(s *dumpSpec) { s.files = -1 },
		"negative bytes":       func(s *dumpSpec) { s.bytes = -1 << 63 },
		"no end of archive":    func(s *dumpSpec) { s.noTrailer = true },
		"data after the end":   func(s *dumpSpec) { s.padding = []byte("more") },
		"zeros without end":    func(s *dumpSpec) { s.padding = make([]byte, 2*maxPadding) },
		"a name that leads up": func(s *dumpSpec) { s.entries[1].Name = "./../neostore" },
		"an absolute name":     func(s *dumpSpec) { s.entries[1].Name = "/neostore" },
		"a symlink": func(s *dumpSpec) {
			s.entries = append(s.entries, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "neostore"})
		},
		"a device": func(s *dumpSpec) {
			s.entries = append(s.entries, tar.Header{Name: "d", Typeflag: tar.TypeChar})
		},
	} {
		spec := goodSpec()
		change(&spec)
		if _, err := Verify(bytes.NewReader(spec.encode(t))); !errors.Is(err, ErrBad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	spec := goodSpec()
	spec.bytes = 3*maxWindow + 300
	spec.entries[1].Size = 3 * maxWindow
	if _, err := Verify(bytes.NewReader(spec.encode(t, zstd.WithWindowSize(2*maxWindow)))); !errors.Is(err, ErrBad) {
		t.Errorf("a window of 16 MiB: %v", err)
	}
}

// TestVerifyMemory decodes 256 MiB of content and looks at what stays.
func TestVerifyMemory(t *testing.T) {
	spec := goodSpec()
	spec.files, spec.bytes = 1, 256<<20
	spec.entries = []tar.Header{{Name: "./neostore", Size: spec.bytes}}
	dump := spec.encode(t, zstd.WithWindowSize(maxWindow))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := Verify(bytes.NewReader(dump)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
		t.Errorf("allocated %d bytes, want at most 32 MiB", got)
	} else {
		t.Logf("allocated %d bytes in all", got)
	}
}

func FuzzVerify(f *testing.F) {
	// Small ones alone: the engine minimizes every input, which takes minutes
	// with a real dump.
	spec := goodSpec()
	f.Add(spec.encode(f))
	f.Add(spec.encode(f)[:50])
	spec.magic, spec.marker = FormatGzip, ""
	f.Add(spec.encode(f))
	f.Add([]byte(FormatZstd + zstdMagic + "\x04\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, dump []byte) {
		info, err := Verify(bytes.NewReader(dump))
		if (err == nil) != (info.Format != "") {
			t.Fatalf("%+v with error %v", info, err)
		}
		if err == nil && (info.Files < 0 || info.Bytes < 0 || info.Window > maxWindow) {
			t.Fatalf("accepted %+v", info)
		}
	})
}

// FuzzDumpContent goes past the checksum, to the header and the tar.
func FuzzDumpContent(f *testing.F) {
	good := goodSpec()
	head := []byte("zstd\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x05\x14")
	f.Add(append(bytes.Clone(head), good.tar(f)...))
	f.Add(head)
	good.entries = append(good.entries, tar.Header{Name: strings.Repeat("n", 300), Size: 1, PAXRecords: map[string]string{"SNAPFERRY.x": "y"}})
	f.Add(append(bytes.Clone(head), good.tar(f)...))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		info, err := Verify(bytes.NewReader(enc.EncodeAll(content, []byte(FormatZstd))))
		if err == nil && (info.Bytes > int64(len(content)) || info.Files < 0 || info.Format != FormatZstd) {
			t.Fatalf("accepted %+v of %d bytes", info, len(content))
		}
	})
}
