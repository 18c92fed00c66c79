// Package providertest is the one contract suite of all providers: what
// providers.Bucket promises, tried in the most hostile ways. Every provider's
// test calls Run, and so does the test of the decorators. What is reached over a
// network is broken in every way as well: RunFaults and RunNetwork.
package providertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// Harness is one store under test.
type Harness struct {
	// Bucket is open and empty. Run does not close it.
	Bucket providers.Bucket
	// Reopen opens the same store once more, as another process would. It is
	// closed by Run.
	Reopen func(t *testing.T) providers.Bucket
	// PageSize is how many objects one page of a listing holds; the suite
	// lists more. Zero means 1000.
	PageSize int
	// VerifiesSHA256 says that the store refuses a body whose hash is not
	// the one that was announced.
	VerifiesSHA256 bool
	// NoNesting says that "a" and "a/b" cannot both be objects.
	NoNesting bool
	// HidesNested says that "a" and "a/b" can both be objects, and that a
	// listing then leaves "a/b" out, as MinIO's does. No keys of snapferry's
	// are so.
	HidesNested bool
	// Races says that the store looks whether a key is free and takes it in two
	// steps, so that several creators at the same moment may all be told that
	// they won, as moto's do. No store for backups may be so.
	Races bool
}

// Run runs the suite, each test on a harness of its own.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"round trip", testRoundTrip},
		{"large body", testLarge},
		{"ranges", testRanges},
		{"empty object", testEmpty},
		{"missing key", testMissing},
		{"early close", testEarlyClose},
		{"invalid keys", testInvalidKeys},
		{"create only", testCreateOnly},
		{"concurrent creators", testConcurrentCreators},
		{"body fails half way", testFailingBody},
		{"body of the wrong length", testWrongLength},
		{"body of the wrong hash", testWrongHash},
		{"body is left alone after put", testBodyAfterPut},
		{"cancelled", testCancelled},
		{"cancelled half way", testCancelledHalfWay},
		{"list order", testListOrder},
		{"list prefixes", testListPrefixes},
		{"list pages", testListPages},
		{"list stops", testListStops},
		{"nesting", testNesting},
		{"delete", testDelete},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t)
			if h.PageSize == 0 {
				h.PageSize = 1000
			}
			test.run(t, h)
		})
	}
}

// Noise returns n bytes that do not compress and are the same every time.
func Noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte("providertest"))).Read(b) // never fails
	return b
}

func put(t *testing.T, b providers.Bucket, key string, content []byte) {
	t.Helper()
	if err := b.Put(t.Context(), key, providers.Bytes(content)); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(ctx context.Context, b providers.Bucket, key string, off, n int64) ([]byte, error) {
	r, err := b.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return got, err
}

func wantContent(t *testing.T, b providers.Bucket, key string, want []byte) {
	t.Helper()
	got, err := get(t.Context(), b, key, 0, -1)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("get %s: %d bytes that differ from the %d bytes put", key, len(got), len(want))
	}
}

func keys(t *testing.T, b providers.Bucket, prefix string) []string {
	t.Helper()
	var out []string
	for o, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		out = append(out, o.Key)
	}
	return out
}

// wantNothing asserts that a failed write left nothing that can be seen, here
// or by another process.
func wantNothing(t *testing.T, h Harness, key string) {
	t.Helper()
	other := h.Reopen(t)
	defer closeBucket(t, other)
	for _, b := range []providers.Bucket{h.Bucket, other} {
		if got := keys(t, b, ""); len(got) != 0 {
			t.Errorf("a failed write left %q", got)
		}
		if _, err := get(t.Context(), b, key, 0, -1); !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("get after a failed write: %v, want ErrNotFound", err)
		}
	}
}

func closeBucket(t *testing.T, b providers.Bucket) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// wantError asserts the cause of an error, its form, and whether it is worth
// another try.
func wantError(t *testing.T, err, want error, op, key string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s %q: %v, want %v", op, key, err, want)
	}
	e, ok := errors.AsType[*providers.Error](err)
	if !ok {
		t.Fatalf("%s %q: %T, want *providers.Error", op, key, err)
	}
	if e.Op != op || e.Key != key {
		t.Errorf("error names %s %q, want %s %q", e.Op, e.Key, op, key)
	}
}

func testRoundTrip(t *testing.T, h Harness) {
	want := []byte("hello, vault")
	put(t, h.Bucket, "daily/data/s/one.zst", want)
	wantContent(t, h.Bucket, "daily/data/s/one.zst", want)
	other := h.Reopen(t)
	defer closeBucket(t, other)
	wantContent(t, other, "daily/data/s/one.zst", want)
	for o, err := range other.List(t.Context(), "daily/") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Key != "daily/data/s/one.zst" || o.Size != int64(len(want)) || o.Created.IsZero() {
			t.Errorf("listed %+v", o)
		}
		if _, offset := o.Created.Zone(); offset != 0 {
			t.Errorf("created %v is not UTC", o.Created)
		}
	}
}

func testLarge(t *testing.T, h Harness) {
	want := Noise(33 << 20)
	put(t, h.Bucket, "large", want)
	wantContent(t, h.Bucket, "large", want)
	got, err := get(t.Context(), h.Bucket, "large", 20<<20+7, 5<<20)
	if err != nil || !bytes.Equal(got, want[20<<20+7:25<<20+7]) {
		t.Errorf("range in the middle: %d bytes, %v", len(got), err)
	}
}

func testRanges(t *testing.T, h Harness) {
	want := Noise(1000)
	put(t, h.Bucket, "a/b", want)
	for _, r := range []struct{ off, n, from, to int64 }{
		{0, -1, 0, 1000}, {0, 1000, 0, 1000}, {0, 1, 0, 1}, {10, -1, 10, 1000}, {10, 90, 10, 100},
		{999, -1, 999, 1000}, {999, 1, 999, 1000}, {990, 50, 990, 1000}, {0, 1 << 40, 0, 1000},
		{0, 0, 0, 0}, {500, 0, 500, 500},
	} {
		got, err := get(t.Context(), h.Bucket, "a/b", r.off, r.n)
		if err != nil || !bytes.Equal(got, want[r.from:r.to]) {
			t.Errorf("range %d, %d: %d bytes, %v; want bytes %d to %d", r.off, r.n, len(got), err, r.from, r.to)
		}
	}
	for _, r := range [][2]int64{{1000, -1}, {1000, 1}, {5000, -1}, {5000, 10}, {5000, 0}, {1 << 40, 1}, {-1, 1}, {-1, -1}} {
		_, err := get(t.Context(), h.Bucket, "a/b", r[0], r[1])
		wantError(t, err, providers.ErrRange, "get", "a/b")
	}
}

func testEmpty(t *testing.T, h Harness) {
	put(t, h.Bucket, "empty", nil)
	wantContent(t, h.Bucket, "empty", nil)
	if got, err := get(t.Context(), h.Bucket, "empty", 0, 10); err != nil || len(got) != 0 {
		t.Errorf("range of an empty object: %d bytes, %v", len(got), err)
	}
	_, err := get(t.Context(), h.Bucket, "empty", 1, -1)
	wantError(t, err, providers.ErrRange, "get", "empty")
	if got := keys(t, h.Bucket, ""); !slices.Equal(got, []string{"empty"}) {
		t.Errorf("listed %q", got)
	}
	err = h.Bucket.Put(t.Context(), "empty", providers.Bytes(nil))
	wantError(t, err, providers.ErrExists, "put", "empty")
}

func testMissing(t *testing.T, h Harness) {
	for _, key := range []string{"none", "none/below", "none/below/that.zst"} {
		_, err := get(t.Context(), h.Bucket, key, 0, -1)
		wantError(t, err, providers.ErrNotFound, "get", key)
		_, err = get(t.Context(), h.Bucket, key, 5, 5)
		wantError(t, err, providers.ErrNotFound, "get", key)
	}
	if got := keys(t, h.Bucket, ""); got != nil {
		t.Errorf("an empty store lists %q", got)
	}
	if got := keys(t, h.Bucket, "none/below/"); got != nil {
		t.Errorf("a missing prefix lists %q", got)
	}
	put(t, h.Bucket, "some", []byte("x"))
	_, err := get(t.Context(), h.Bucket, "some/below", 0, -1)
	wantError(t, err, providers.ErrNotFound, "get", "some/below")
}

func testEarlyClose(t *testing.T, h Harness) {
	want := Noise(4 << 20)
	put(t, h.Bucket, "long", want)
	for i := range 20 {
		r, err := h.Bucket.Get(t.Context(), "long", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, i*1000)
		if _, err := io.ReadFull(r, p); err != nil || !bytes.Equal(p, want[:len(p)]) {
			t.Fatalf("read of %d bytes: %v", len(p), err)
		}
		if err := r.Close(); err != nil {
			t.Fatalf("close after %d bytes: %v", len(p), err)
		}
	}
	wantContent(t, h.Bucket, "long", want)
}

func testInvalidKeys(t *testing.T, h Harness) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.hidden", "a\\b", "a b", "a\x00b",
		"a\nb", "ä", "a?b", "a%2fb", "C:a", fmt.Sprintf("%01025d", 0),
	} {
		err := h.Bucket.Put(t.Context(), key, providers.Bytes([]byte("x")))
		wantError(t, err, providers.ErrInvalidKey, "put", key)
		_, err = h.Bucket.Get(t.Context(), key, 0, -1)
		wantError(t, err, providers.ErrInvalidKey, "get", key)
		wantError(t, h.Bucket.Delete(t.Context(), key), providers.ErrInvalidKey, "delete", key)
	}
	for _, prefix := range []string{"/", "../", "a/../", "a//", "ä", "a b", ".x"} {
		var err error
		for _, err = range h.Bucket.List(t.Context(), prefix) {
			break
		}
		wantError(t, err, providers.ErrInvalidKey, "list", prefix)
	}
	if got := keys(t, h.Bucket, ""); got != nil {
		t.Errorf("an invalid key left %q", got)
	}
}

func testDelete(t *testing.T, h Harness) {
	put(t, h.Bucket, "x/a", []byte("1"))
	put(t, h.Bucket, "x/a..", []byte("2"))
	put(t, h.Bucket, "x/b../c", []byte("3"))
	for _, key := range []string{"none", "x", "x/none", "x/a/none", "none/below"} {
		if err := h.Bucket.Delete(t.Context(), key); err != nil {
			t.Errorf("delete of the missing %s: %v", key, err)
		}
	}
	if got := keys(t, h.Bucket, ""); !slices.Equal(got, []string{"x/a", "x/a..", "x/b../c"}) {
		t.Fatalf("deleting what is missing left %q", got)
	}
	for _, key := range []string{"x/b../c", "x/a"} {
		if err := h.Bucket.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		_, err := get(t.Context(), h.Bucket, key, 0, -1)
		wantError(t, err, providers.ErrNotFound, "get", key)
	}
	if got := keys(t, h.Bucket, ""); !slices.Equal(got, []string{"x/a.."}) {
		t.Errorf("left %q", got)
	}
	put(t, h.Bucket, "x/a", []byte("again"))
	wantContent(t, h.Bucket, "x/a", []byte("again"))
}
