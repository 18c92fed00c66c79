package archive_test

import (
	"testing"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		prefix, key string
		tier        lifecycle.Tier
		bulk, ok    bool
	}{
		{"", "daily/data/graph/ID/image/00000000.x.zst", lifecycle.Daily, true, true},
		{"a/b", "a/b/weekly/catalog/graph/ID/manifest.json", lifecycle.Weekly, false, true},
		{"a/b", "weekly/catalog/graph/ID/manifest.json", "", false, false},
		{"a", "a/b/weekly/data/graph", "", false, false},
		{"", "drills/graph/x.json", "", false, false},
		{"", "doctor/x/y", "", false, false},
		{"", "daily/other/x", "", false, false},
		{"", "daily/data", "", false, false},
		{"", "Daily/data/x", "", false, false},
		{"daily", "daily/data/x/y", "", false, false},
	} {
		if tier, bulk, ok := archive.Classify(c.prefix, c.key); tier != c.tier || bulk != c.bulk || ok != c.ok {
			t.Errorf("%q below %q: tier %q, bulk %v, %v", c.key, c.prefix, tier, bulk, ok)
		}
	}
}
