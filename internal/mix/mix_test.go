package mix

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A comparison is only worth something if everybody measures the same bytes,
// and if they compress as those of a database do.
func TestMix(t *testing.T) {
	const want = "7b6bf4cf58ca47b3e20f6090923035c9e9c6f3703b6c98a0d1b13c4b8cfd6286"
	raw := read(t, "mix", 42, 5*BlockBytes)
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the mix of seed 42 has SHA-256 %s, want %s", got, want)
	}
}

func TestKindsCompressAsTheyShould(t *testing.T) {
	for _, k := range []struct {
		kind        string
		least, most float64
	}{{"mix", 2.25, 2.45}, {"text", 2, 4}, {"noise", 0.99, 1}, {"zero", 1000, 1e9}} {
		raw := read(t, k.kind, 1, 5*BlockBytes)
		if got := ratio(t, raw); got < k.least || got > k.most {
			t.Errorf("%s compresses %.2f to 1, want %g to %g", k.kind, got, k.least, k.most)
		}
		if k.kind != "zero" && bytes.Equal(raw[:BlockBytes], read(t, k.kind, 2, BlockBytes)) {
			t.Errorf("%s is the same for two seeds", k.kind)
		}
	}
	if _, err := New("soup", 1); err == nil {
		t.Error("an unknown kind is taken")
	}
}

func read(t *testing.T, kind string, seed uint64, n int) []byte {
	t.Helper()
	r, err := New(kind, seed)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		t.Fatal(err)
	}
	return raw
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
