package archive_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
)

// The beginning of an image is read by a range of its first segment, whatever it
// is and whether it is encrypted.
func TestHead(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, encrypted := range []bool{false, true} {
		w := newWorld(t)
		if encrypted {
			w.encryptTo(identity.Recipient().String())
			w.openWith(identity)
		}
		text, noise := bytes.Repeat([]byte("a text that shrinks "), 40_000), mix(3, 3*testSegment)
		hole := make([]byte, 4*testSegment)
		copy(hole[2*testSegment:], mix(4, testSegment))
		sparse := image("sparse", hole)
		sparse.Extents = extents(format.Extent{Offset: 2 * testSegment, Length: testSegment})
		s := spec("s", image("text", text), image("noise", noise), sparse, image("short", []byte("short")))
		n, _ := w.backup(s)
		b, err := w.vault.Open(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range [][]byte{text, noise, hole, []byte("short")} {
			for _, size := range []int{1, 1000, 100_000} {
				got, err := b.Head(t.Context(), i, size)
				if err != nil || len(got) == 0 || len(got) > size || !bytes.HasPrefix(want, got) || len(got) < min(size, 1000, len(want)) {
					t.Errorf("encrypted %t, image %d: %d of %d bytes, %v", encrypted, i, len(got), size, err)
				}
			}
		}
		for key := range w.files() {
			if strings.Contains(key, "/data/") && strings.Contains(key, "/noise/00000000") {
				if err := w.bucket.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := b.Head(t.Context(), 1, 10); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("a segment is missing: %v", err)
		}
	}
}
