package archive_test

import (
	"net/url"
	"testing"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/local"
)

// openLocal opens a bucket in a folder.
func openLocal(t *testing.T, dir string) providers.Bucket {
	t.Helper()
	b, _, err := local.Open(t.Context(), &url.URL{Scheme: "file", Path: dir}, providers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
