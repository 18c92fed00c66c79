package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestLongStreamNeedsLittleSpace(t *testing.T) {
	r, err := longStream(16 * mib)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
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
