package archive_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
)

// versionedWorld is a vault in a store that keeps versions.
func versionedWorld(t *testing.T) (*world, *faults.Versioned) {
	t.Helper()
	store := &faults.Versioned{}
	w := newWorld(t)
	w.bucket = store
	w.reopen()
	return w, store
}

func (w *world) keys() []string {
	w.t.Helper()
	var keys []string
	for o, err := range w.bucket.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// Whatever was deleted, overwritten, or both, of a backup: what was there
// first is read, and without asking for versions it is damage or gone.
func TestHistory(t *testing.T) {
	for _, protection := range []string{"plain", "encrypted and signed"} {
		for name, spoil := range map[string]func(*world, *faults.Versioned, string){
			"deleted": func(w *world, store *faults.Versioned, key string) { _ = store.Delete(w.t.Context(), key) },
			"overwritten": func(w *world, store *faults.Versioned, key string) {
				_ = store.Overwrite(w.t.Context(), key, providers.Bytes([]byte("ransom")))
			},
			"same size": func(w *world, store *faults.Versioned, key string) {
				_ = store.Overwrite(w.t.Context(), key, providers.Bytes(flip(w.object(key), 5)))
			},
			"both": func(w *world, store *faults.Versioned, key string) {
				_ = store.Overwrite(w.t.Context(), key, providers.Bytes([]byte("ransom")))
				_ = store.Delete(w.t.Context(), key)
			},
		} {
			t.Run(protection+" "+name, func(t *testing.T) {
				w, store := versionedWorld(t)
				if protection != "plain" {
					reader := ageKey(t)
					key, _ := signingKey(t, 1)
					w.encryptTo(reader.Recipient().String())
					w.openWith(reader)
					w.signWith(key)
				}
				s := mixedSpec(1)
				n, _ := w.backup(s)
				for _, key := range w.keys() {
					spoil(w, store, key)
				}
				if _, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{}); !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrNotFound) {
					t.Errorf("without versions: %v", err)
				}
				w.opts.History = store
				w.reopen()
				if e, err := w.vault.Find(t.Context(), "latest", false); err != nil || e.Name != n {
					t.Errorf("latest is %v, %v", e, err)
				}
				if r, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 1}); err != nil {
					t.Errorf("verify: %v, %+v", err, r.Damage)
				}
				for i, im := range s.Images {
					want := make([]byte, im.Size)
					_, _ = im.Data.ReadAt(want, 0)
					if got := w.restoreBoth(n, i); !bytes.Equal(got, want) {
						t.Errorf("image %d differs", i)
					}
				}
			})
		}
	}
}

func (w *world) object(key string) []byte {
	w.t.Helper()
	r, err := w.bucket.Get(w.t.Context(), key, 0, -1)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// A manifest that was overwritten by one that is whole, too: the first counts.
func TestOldestManifestCounts(t *testing.T) {
	w, store := versionedWorld(t)
	n, m := w.backup(mixedSpec(1))
	for _, key := range w.keys() {
		if strings.HasSuffix(key, "/manifest.json") {
			forged := *m
			forged.Facts = map[string]string{"forged": "yes"}
			b, err := format.Seal(&forged)
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Overwrite(t.Context(), key, providers.Bytes(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.opts.History = store
	w.reopen()
	if b, err := w.vault.Open(t.Context(), n); err != nil || b.Manifest.Facts["forged"] != "" {
		t.Errorf("%+v, %v", b, err)
	}
}

// Where no version is right, it is damage as ever.
func TestHistoryWithoutARightVersion(t *testing.T) {
	w, store := versionedWorld(t)
	data := mix(1, 2*testSegment)
	s := spec("s", image("file", data))
	wr, err := w.run(t.Context(), newTap(w.bucket, 1), s)
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("other"))
	key := "some/prefix/daily/data/s/" + wr.Name().ID.String() + "/file/" + format.SegmentName{Sum: sum}.String()
	for _, text := range []string{"wrong", "worse", "worst"} {
		if err := store.Overwrite(t.Context(), key, providers.Bytes([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	n, _ := w.backup(s)
	w.opts.History = store
	w.reopen()
	if r, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 1}); !errors.Is(err, archive.ErrDamaged) || r.Damage[0].Key != key {
		t.Errorf("%+v, %v", r, err)
	}
}
