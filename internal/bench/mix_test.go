package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The comparison is only worth something if everybody measures the same bytes,
// and if they compress as those of a database do.
func TestMix(t *testing.T) {
	const want = "7b6bf4cf58ca47b3e20f6090923035c9e9c6f3703b6c98a0d1b13c4b8cfd6286"
	raw := make([]byte, 5*mixBlock)
	if _, err := io.ReadFull(newMix(42), raw); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the mix of seed 42 has SHA-256 %s, want %s", got, want)
	}
	if got := ratio(t, raw); got < 2.25 || got > 2.45 {
		t.Errorf("the mix compresses %.2f to 1, want about 2.34", got)
	}
}

func TestNoiseDoesNotCompress(t *testing.T) {
	raw := make([]byte, 4*mib)
	if _, err := io.ReadFull(newNoise(1), raw); err != nil {
		t.Fatal(err)
	}
	if got := ratio(t, raw); got > 1 {
		t.Errorf("noise compresses %.3f to 1", got)
	}
}

func TestLongStreamNeedsLittleSpace(t *testing.T) {
	raw, err := io.ReadAll(longStream(16 * mib))
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != 16*mib {
		t.Fatalf("the stream has %d bytes, want %d", len(raw), 16*mib)
	}
	if got := ratio(t, raw); got < 15 {
		t.Errorf("the stream compresses %.1f to 1, want at least 15", got)
	}
	if bytes.Equal(raw[:mib], raw[mib:2*mib]) {
		t.Error("the stream repeats itself")
	}
}

func ratio(t *testing.T, raw []byte) float64 {
	t.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return float64(len(raw)) / float64(len(e.EncodeAll(raw, nil)))
}

func TestSparseFileHasItsDataInPieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := writeSparse(path, 64*mib, 8*mib); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != 64*mib {
		t.Fatalf("the file has %d bytes", len(raw))
	}
	for i := range 8 {
		piece := raw[i*8*mib : (i+1)*8*mib]
		if !bytes.Equal(piece[mib:], make([]byte, 7*mib)) {
			t.Errorf("piece %d has data beyond its first MiB", i)
		}
	}
	if bytes.Equal(raw[:mib], make([]byte, mib)) {
		t.Error("the file has no data at all")
	}
}

func TestFolderHasAllItsFiles(t *testing.T) {
	dir := t.TempDir()
	if err := writeFolder(dir, 2500); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2500 {
		t.Errorf("there are %d files, want 2500", len(files))
	}
}
