package providertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

func testListOrder(t *testing.T, h Harness) {
	// Bytes below the slash are - and . ; a folder's own name does not count.
	want := []string{
		"A/z", "B", "Z/a", "a-/x", "a-b", "a-b.c/d", "a-b/c", "a.b", "a.b/c/d", "a/a-b", "a/b-c/d", "a/b.c", "a/b/c",
		"a/b0", "a0", "a0-b/c", "a_b/c", "b/c/d/e/f/g", "b0/c", "z..z/y",
	}
	if h.NoNesting || h.HidesNested {
		want = slices.DeleteFunc(want, func(k string) bool { return k == "a-b" || k == "a.b" })
		want = append(want, "zz-b", "zz/b", "zz.c")
	} else {
		want = append(want, "zz", "zz-b", "zz/b", "zz.c")
	}
	for _, key := range slices.Backward(want) {
		put(t, h.Bucket, key, []byte(key))
	}
	slices.Sort(want)
	if got := keys(t, h.Bucket, ""); !slices.Equal(got, want) {
		t.Errorf("listed\n%q, want\n%q", got, want)
	}
	for i, after := range want {
		var got []string
		for o, err := range providers.ListAfter(t.Context(), h.Bucket, "", after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o.Key)
		}
		if !slices.Equal(got, want[i+1:]) {
			t.Errorf("after %q listed\n%q, want\n%q", after, got, want[i+1:])
		}
	}
}

func testListPrefixes(t *testing.T, h Harness) {
	all := []string{"p-x", "p.d/a", "p/a/1", "p/a/2", "p/a-b/3", "p/ab", "p/b/c/d", "p0", "q/a/1"}
	slices.Sort(all)
	for _, key := range all {
		put(t, h.Bucket, key, nil)
	}
	for _, prefix := range []string{"", "p", "p/", "p/a", "p/a/", "p/a-", "p/a/1", "p/a/1x", "p/b/c", "p/b/c/", "p/b/c/d", "p.", "q", "r", "r/s/t", "p0/"} {
		want := slices.DeleteFunc(slices.Clone(all), func(k string) bool { return !strings.HasPrefix(k, prefix) })
		if got := keys(t, h.Bucket, prefix); !slices.Equal(got, want) {
			t.Errorf("prefix %q lists %q, want %q", prefix, got, want)
		}
		for _, after := range []string{"p/a/1", "p/a", "p/b/c/z", "zzz", "0"} {
			want := slices.DeleteFunc(slices.Clone(want), func(k string) bool { return k <= after })
			var got []string
			for o, err := range providers.ListAfter(t.Context(), h.Bucket, prefix, after) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, o.Key)
			}
			if !slices.Equal(got, want) {
				t.Errorf("prefix %q after %q lists %q, want %q", prefix, after, got, want)
			}
		}
	}
}

func testListPages(t *testing.T, h Harness) {
	n := h.PageSize + h.PageSize/10 + 3
	want := make([]string, n)
	jobs := make(chan int)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range jobs {
				want[i] = fmt.Sprintf("many/%c/%08d.zst", 'a'+i%3, i)
				errs <- h.Bucket.Put(t.Context(), want[i], providers.Bytes([]byte(want[i])[:i%8]))
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	close(errs)
	if err := errors.Join(drain(errs)...); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	i := 0
	for o, err := range h.Bucket.List(t.Context(), "many/") {
		if err != nil {
			t.Fatal(err)
		}
		if i >= n || o.Key != want[i] {
			t.Fatalf("object %d is %q", i, o.Key)
		}
		i++
	}
	if i != n {
		t.Errorf("listed %d objects of %d", i, n)
	}
}

func drain(errs <-chan error) (out []error) {
	for err := range errs {
		out = append(out, err)
	}
	return out
}

func testListStops(t *testing.T, h Harness) {
	for i := range 10 {
		put(t, h.Bucket, fmt.Sprintf("s/%d", i), nil)
	}
	var got []string
	for o, err := range h.Bucket.List(t.Context(), "s/") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, o.Key); len(got) == 3 {
			break
		}
	}
	if !slices.Equal(got, []string{"s/0", "s/1", "s/2"}) {
		t.Errorf("listed %q", got)
	}
	seq := h.Bucket.List(t.Context(), "s/")
	for range 2 { // a sequence can be ranged over again
		n := 0
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 10 {
			t.Errorf("listed %d of 10", n)
		}
	}
}

// testNesting: a key that is the folder of another is stored beside it, or
// refused with an error that says why; never confused with it.
func testNesting(t *testing.T, h Harness) {
	put(t, h.Bucket, "a/b/c", []byte("below"))
	put(t, h.Bucket, "x", []byte("above"))
	above := h.Bucket.Put(t.Context(), "a/b", providers.Bytes([]byte("above")))
	below := h.Bucket.Put(t.Context(), "x/y", providers.Bytes([]byte("below")))
	if h.NoNesting {
		wantError(t, above, providers.ErrUnsupported, "put", "a/b")
		wantError(t, below, providers.ErrUnsupported, "put", "x/y")
		_, err := get(t.Context(), h.Bucket, "a/b", 0, -1)
		wantError(t, err, providers.ErrNotFound, "get", "a/b")
	} else if err := errors.Join(above, below); err != nil {
		t.Fatal(err)
	}
	wantContent(t, h.Bucket, "a/b/c", []byte("below"))
	wantContent(t, h.Bucket, "x", []byte("above"))
}
