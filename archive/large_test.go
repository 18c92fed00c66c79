package archive_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/internal/testenv"
)

// Random bytes of a backup in segments of the real size.
func TestRandomDamageOfLarge(t *testing.T) {
	w := newWorld(t)
	w.opts.Segment, w.opts.Chunk = 0, 0
	w.reopen()
	data := bytes.Repeat(mix(1, 1<<20), 80)
	n, m := w.backup(spec("s", image("file", data)))
	if m.Images[0].Segments != 3 {
		t.Fatalf("%d segments", m.Images[0].Segments)
	}
	var keys, paths []string
	for key, path := range w.files() {
		keys, paths = append(keys, key), append(paths, path)
	}
	r := rand.New(rand.NewPCG(11, 12))
	for range testenv.Effort(6, 200) {
		i := r.IntN(len(keys))
		good, err := os.ReadFile(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		at := r.IntN(len(good))
		if err := os.WriteFile(paths[i], flip(good, at), 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 1})
		if !errors.Is(err, archive.ErrDamaged) || report.Damage[0].Key != keys[i] {
			t.Errorf("byte %d of %s: %v, %+v", at, keys[i], err, report)
		}
		if b, err := w.vault.Open(t.Context(), n); err == nil && !strings.HasSuffix(keys[i], "/RESTORE.md") {
			if err := b.RestoreAt(t.Context(), 0, make(memTarget, len(data))); !errors.Is(err, archive.ErrDamaged) {
				t.Errorf("byte %d of %s: restore: %v", at, keys[i], err)
			}
		}
		if err := os.WriteFile(paths[i], good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A sample reads a part of the segments, the same for one seed.
	for _, part := range []float64{0, 0.5, 1} {
		a, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: part, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: part, Seed: 5})
		if err != nil || a.Read != b.Read || part == 0 && a.Read != 0 || part == 1 && a.Read != 3 {
			t.Errorf("sample %v: %+v, %+v, %v", part, a, b, err)
		}
	}
}
