package local

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

// TestContractNamed runs the contract as on systems without O_TMPFILE.
func TestContractNamed(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		dir := t.TempDir()
		reopen := func(t *testing.T) providers.Bucket {
			b, err := New(dir, providers.Options{})
			if err != nil {
				t.Fatal(err)
			}
			b.unnamed = false
			return b
		}
		t.Cleanup(func() {
			left, err := os.ReadDir(dir + "/" + tmpDir)
			if err != nil && !os.IsNotExist(err) || len(left) != 0 {
				t.Errorf("%d temporary files are left, %v", len(left), err)
			}
		})
		return providertest.Harness{Bucket: reopen(t), Reopen: reopen, NoNesting: true}
	})
}

// TestSmallPages lists folders with many more names than are held at once.
func TestSmallPages(t *testing.T) {
	dir := t.TempDir()
	b, err := New(dir, providers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprintf("d%d/f-%d", i%7, i))
		if err := b.Put(t.Context(), want[i], providers.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	root, err := b.openRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []int{1, 2, 3, 7, 42, 43, 44, 300, 1000} {
		var got []string
		w := walker{ctx: context.Background(), page: page, yield: func(o providers.Object, err error) bool {
			got = append(got, o.Key)
			return err == nil
		}}
		if err := w.enter(root, ""); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d objects, want %d in order", page, len(got), len(want))
		}
	}
}
