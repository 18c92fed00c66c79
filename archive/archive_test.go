package archive_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// The tests cut data into segments of 64 KiB in chunks of 16 KiB, so that a
// little data makes many segments.
const (
	testSegment = 64 << 10
	testChunk   = 16 << 10
)

// world is a vault in a folder, with the options of a test.
type world struct {
	t      *testing.T
	dir    string
	bucket providers.Bucket
	opts   archive.Options
	vault  *archive.Vault
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), opts: archive.Options{
		Workers: 3, Transfers: 3, Segment: testSegment, Chunk: testChunk, Program: "test",
		Now: func() time.Time { return time.Date(2026, 11, 22, 3, 0, 5, 0, time.UTC) },
	}}
	w.bucket = openLocal(t, w.dir)
	w.reopen()
	return w
}

// reopen makes a new Vault with the world's bucket and options.
func (w *world) reopen() {
	w.t.Helper()
	v, err := archive.NewVault(w.bucket, "some/prefix", w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.vault = v
}

// mix returns n bytes, of which some are zero, some noise, some repetitive.
func mix(seed uint64, n int) []byte {
	r := mrand.New(mrand.NewPCG(seed, seed))
	out := make([]byte, 0, n+testChunk)
	for len(out) < n {
		part := make([]byte, 1+r.IntN(3*testChunk))
		switch r.IntN(3) {
		case 0:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		case 1:
			for i := range part {
				part[i] = "snapshot manifest segment "[i%26] + byte(r.IntN(2))
			}
		}
		out = append(out, part...)
	}
	return out[:n]
}

func spec(series string, images ...archive.Image) archive.Spec {
	h := sha256.New()
	for _, im := range images {
		fmt.Fprintln(h, im.Title, im.Size)
		if im.Data != nil {
			_, _ = io.Copy(h, io.NewSectionReader(im.Data, 0, im.Size))
		}
	}
	s := archive.Spec{Tier: lifecycle.Daily, Series: series, Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
		Source: format.Identity{Type: "file", Host: "h", Path: "/p"}, Resumable: true, Images: images,
		Facts: map[string]string{"who": "test"}}
	h.Sum(s.Fingerprint[:0])
	return s
}

func image(title string, data []byte) archive.Image {
	return archive.Image{Title: title, Form: "raw", Size: int64(len(data)), Data: bytes.NewReader(data)}
}

func stream(title string, r io.Reader) archive.Image {
	return archive.Image{Title: title, Form: "stream", Stream: r}
}

// streamSpec is a spec of a stream: not resumable, with a random fingerprint.
func streamSpec(series string, im archive.Image) archive.Spec {
	s := spec(series, im)
	s.Resumable = false
	_, _ = rand.Read(s.Fingerprint[:])
	return s
}

func (w *world) backup(s archive.Spec) (format.Name, *format.Manifest) {
	w.t.Helper()
	wr, err := w.vault.Begin(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := wr.Ship(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	m, err := wr.Commit(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return wr.Name(), m
}

// memTarget is a RandomTarget in memory.
type memTarget []byte

func (m memTarget) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }
func (m memTarget) Zero(off, n int64) error                  { clear(m[off : off+n]); return nil }

// restoreBoth restores image i at random and in order, and compares.
func (w *world) restoreBoth(n format.Name, i int) []byte {
	w.t.Helper()
	b, err := w.vault.Open(w.t.Context(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	at := make(memTarget, b.Manifest.Images[i].Size)
	for j := range at {
		at[j] = 0xee
	}
	if err := b.RestoreAt(w.t.Context(), i, at); err != nil {
		w.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.RestoreStream(w.t.Context(), i, &out); err != nil {
		w.t.Fatal(err)
	}
	if !bytes.Equal(at, out.Bytes()) {
		w.t.Fatal("restore at random and in order differ")
	}
	return at
}

// files returns the paths of all objects below the prefix, by their key.
func (w *world) files() map[string]string {
	w.t.Helper()
	keys := map[string]string{}
	for o, err := range w.bucket.List(w.t.Context(), "some/prefix/") {
		if err != nil {
			w.t.Fatal(err)
		}
		keys[o.Key] = filepath.Join(w.dir, filepath.FromSlash(o.Key))
	}
	return keys
}

func TestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, testChunk - 1, testChunk, testChunk + 1, testSegment, testSegment + 1, 20*testSegment + 12345} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := newWorld(t)
			data := mix(uint64(size), size)
			n, m := w.backup(spec("s", image("Some File.img", data)))
			if m.RawBytes != int64(size) || !m.Checked || m.Images[0].Name != "some-file.img" || m.Facts["who"] != "test" {
				t.Fatalf("manifest %+v", m)
			}
			if got := w.restoreBoth(n, 0); !bytes.Equal(got, data) {
				t.Fatal("restored bytes differ")
			}
			r, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 1})
			if err != nil || r.Read != m.Images[0].Segments || r.Objects != r.Read+4 {
				t.Fatalf("verify: %+v, %v", r, err)
			}
		})
	}
}

func TestStream(t *testing.T) {
	for _, size := range []int{0, 1, testChunk, testSegment, testSegment + 1, 5*testSegment - 1} {
		w := newWorld(t)
		data := mix(uint64(size), size)
		n, m := w.backup(streamSpec("s", stream("dump", iotestOneByteAtATime(data))))
		if m.RawBytes != int64(size) {
			t.Fatalf("raw bytes %d, want %d", m.RawBytes, size)
		}
		if got := w.restoreBoth(n, 0); !bytes.Equal(got, data) {
			t.Fatal("restored bytes differ")
		}
	}
}

// iotestOneByteAtATime returns a reader of odd-sized reads.
func iotestOneByteAtATime(data []byte) io.Reader { return &oddReader{data: data} }

type oddReader struct {
	data []byte
	n    int
}

func (r *oddReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	r.n++
	k := copy(p[:min(len(p), 1+r.n%4097)], r.data)
	r.data = r.data[k:]
	return k, nil
}

// A stream that fails must never look as if it had ended.
func TestStreamFails(t *testing.T) {
	for _, cause := range []error{errors.New("boom"), io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF)} {
		w := newWorld(t)
		r := io.MultiReader(bytes.NewReader(mix(1, 3*testSegment+5)), errReader{cause})
		wr, err := w.vault.Begin(t.Context(), streamSpec("s", stream("dump", r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := wr.Ship(t.Context()); !errors.Is(err, cause) {
			t.Fatalf("ship: %v, want %v", err, cause)
		}
		if _, err := w.vault.Finish(t.Context(), wr.Name(), true); !errors.Is(err, archive.ErrRefused) {
			t.Fatalf("finish of a cut stream: %v", err)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A read that blocks for ever must not keep Ship from returning.
func TestStreamBlocks(t *testing.T) {
	w := newWorld(t)
	r, wr := io.Pipe()
	defer wr.Close()
	b, err := w.vault.Begin(t.Context(), streamSpec("s", stream("dump", r)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Ship(ctx) }()
	_, _ = wr.Write(make([]byte, testChunk))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("ship: %v", err)
	}
}

func extents(list ...format.Extent) func(context.Context) iter.Seq2[format.Extent, error] {
	return func(context.Context) iter.Seq2[format.Extent, error] {
		return func(yield func(format.Extent, error) bool) {
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func TestHoles(t *testing.T) {
	w := newWorld(t)
	size := 10 * testSegment
	data := make([]byte, size)
	list := []format.Extent{{Offset: 100, Length: 5}, {Offset: 105, Length: 3 * testSegment}, {Offset: int64(9*testSegment + 7), Length: 1000}}
	for i, e := range list {
		copy(data[e.Offset:], mix(uint64(i), int(e.Length)))
	}
	im := image("disk", data)
	im.Extents = extents(list...)
	n, m := w.backup(spec("s", im))
	if want := int64(5 + 3*testSegment + 1000); m.Images[0].Data != want {
		t.Fatalf("data %d, want %d", m.Images[0].Data, want)
	}
	if got := w.restoreBoth(n, 0); !bytes.Equal(got, data) {
		t.Fatal("restored bytes differ")
	}
	for name, bad := range map[string][]format.Extent{
		"overlap": {{Offset: 0, Length: 10}, {Offset: 9, Length: 1}}, "outside": {{Offset: int64(size), Length: 1}}, "empty": {{Offset: 1}},
		"negative": {{Offset: -1, Length: 5}}, "huge": {{Offset: 1, Length: 1<<63 - 1}},
	} {
		im.Extents, im.Title = extents(bad...), "disk-"+name
		wr, err := w.vault.Begin(t.Context(), spec("s", im))
		if err != nil {
			t.Fatal(err)
		}
		if err := wr.Ship(t.Context()); !errors.Is(err, archive.ErrChanged) {
			t.Errorf("%s: ship: %v", name, err)
		}
	}
}

func TestManyImages(t *testing.T) {
	w := newWorld(t)
	var images []archive.Image
	for i := range 5 {
		images = append(images, image("Vol", mix(uint64(i), i*testSegment/2)))
	}
	n, m := w.backup(spec("s", images...))
	for i, im := range images {
		got := w.restoreBoth(n, i)
		if want, _ := io.ReadAll(io.NewSectionReader(im.Data, 0, im.Size)); !bytes.Equal(got, want) {
			t.Errorf("image %d (%s) differs", i, m.Images[i].Name)
		}
	}
}

// Zeros cost nothing: no more than a few bytes a chunk.
func TestZeros(t *testing.T) {
	w := newWorld(t)
	n, m := w.backup(spec("s", image("zero", make([]byte, 8*testSegment))))
	if m.StoredBytes > 8*4*64 {
		t.Errorf("%d bytes stored for zeros", m.StoredBytes)
	}
	if got := w.restoreBoth(n, 0); !bytes.Equal(got, make([]byte, 8*testSegment)) {
		t.Fatal("restored bytes differ")
	}
}

// Every object of a backup, with one byte flipped, cut short, emptied,
// lengthened, removed, or swapped with its neighbour: verify names it, and
// restore of what depends on it is refused before anything wrong is written.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	data := mix(7, 5*testSegment+99)
	sparse := make([]byte, 4*testSegment)
	copy(sparse[testSegment:], mix(8, testSegment))
	im := image("disk", sparse)
	im.Extents = extents(format.Extent{Offset: testSegment, Length: testSegment})
	n, _ := w.backup(spec("s", image("file", data), im))
	files := w.files()
	keys := make([]string, 0, len(files))
	for o, err := range w.bucket.List(t.Context(), "some/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	for i, key := range keys {
		path := files[key]
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		neighbour, err := os.ReadFile(files[keys[(i+1)%len(keys)]])
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string][]byte{
			"flipped first": flip(good, 0), "flipped middle": flip(good, len(good)/2), "flipped last": flip(good, len(good)-1),
			"cut": good[:len(good)-1], "emptied": {}, "lengthened": append(bytes.Clone(good), 0), "removed": nil, "swapped": neighbour,
		} {
			if bad == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, bad, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.checkDamage(n, key, name, data, sparse)
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 1}); err != nil {
		t.Fatalf("everything is back, but: %v", err)
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x10
	return b
}

func (w *world) checkDamage(n format.Name, key, damage string, images ...[]byte) {
	w.t.Helper()
	r, err := w.vault.Verify(w.t.Context(), n, archive.VerifyOptions{Sample: 1})
	gone := strings.HasSuffix(key, "/manifest.json") && damage == "removed"
	switch {
	case gone && !errors.Is(err, archive.ErrNotFound):
		w.t.Errorf("%s %s: verify says %v", key, damage, err)
	case !gone && (!errors.Is(err, archive.ErrDamaged) || len(r.Damage) == 0 || r.Damage[0].Key != key):
		w.t.Errorf("%s %s: verify says %v, %+v", key, damage, err, r)
	}
	if strings.HasSuffix(key, "/RESTORE.md") {
		return // restore does not use it
	}
	b, err := w.vault.Open(w.t.Context(), n)
	if err != nil {
		return // nothing can be restored at all
	}
	failed := false
	for i, want := range images {
		var out bytes.Buffer
		if err := b.RestoreStream(w.t.Context(), i, &out); err != nil {
			failed = failed || errors.Is(err, archive.ErrDamaged)
			if !bytes.HasPrefix(want, out.Bytes()) {
				w.t.Errorf("%s %s: wrong bytes were written", key, damage)
			}
		}
		if err := b.RestoreAt(w.t.Context(), i, make(memTarget, len(want))); err != nil {
			failed = failed && errors.Is(err, archive.ErrDamaged)
		}
	}
	if !failed {
		w.t.Errorf("%s %s: everything was restored", key, damage)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
