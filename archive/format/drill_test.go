package format_test

import (
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive/format"
)

func TestDrillFile(t *testing.T) {
	d := format.Drill{Series: "graph", ID: "20261201T030000Z-full-1f3a9c0b5d7e2468", Time: time.Date(2026, 12, 1, 4, 5, 6, 0, time.UTC), Good: true}
	const good = "graph/20261201T030000Z-full-1f3a9c0b5d7e2468-20261201T040506Z-good"
	if d.File() != good {
		t.Error(d.File())
	}
	if back, ok := format.ParseDrillFile(good + ".json"); !ok || back != d {
		t.Errorf("%+v, %t", back, ok)
	}
	for _, bad := range []string{"", good, good + ".md", "x/" + good + ".json", "graph/20261201T030000Z-full-1f3a9c0b5d7e2468-good.json",
		"graph/20261201T030000Z-full-1f3a9c0b5d7e2468-20261301T040506Z-good.json", "graph/20261201T030000Z-full-1f3a9c0b5d7e2468-20261201T040506Z-fine.json", "../20261201T030000Z-full-1f3a9c0b5d7e2468-20261201T040506Z-good.json"} {
		if d, ok := format.ParseDrillFile(bad); ok {
			t.Errorf("%q was taken: %+v", bad, d)
		}
	}
}

func FuzzParseDrillFile(f *testing.F) {
	f.Add("graph/20261201T030000Z-full-1f3a9c0b5d7e2468-20261201T040506Z-good.json")
	f.Add("graph/20261201T030000Z-diff-1f3a9c0b5d7e2468-1f3a9c0b5d7e2468-20261201T040506Z-failed.json")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := format.ParseDrillFile(s); ok && d.File()+".json" != s {
			t.Errorf("%q is read as %+v", s, d)
		}
	})
}
