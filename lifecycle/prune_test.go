package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
)

func TestPruneReasons(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}, Monthly: lifecycle.Keep{Count: 3}, MaxChain: 3}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	daily := func(t time.Time) *lifecycle.Promise {
		return &lifecycle.Promise{Tier: lifecycle.Daily, Time: t, Stands: []lifecycle.Tier{lifecycle.Daily}, Until: p.Until(lifecycle.Daily, t)}
	}
	items := []lifecycle.Item{
		{Series: "a", Tier: lifecycle.Daily, Time: ago(40), Complete: true, ID: "old", Promise: daily(ago(40))},
		{Series: "a", Tier: lifecycle.Daily, Time: ago(12), Complete: true, ID: "base"},
		{Series: "a", Tier: lifecycle.Daily, Time: ago(10), Complete: true, ID: "diff", Parent: "base", Promise: daily(ago(10))},
		{Series: "a", Tier: lifecycle.Monthly, Time: ago(24), Complete: true, ID: "month",
			Promise: &lifecycle.Promise{Tier: lifecycle.Monthly, Time: ago(24), Stands: []lifecycle.Tier{lifecycle.Daily, lifecycle.Monthly}, Until: p.Until(lifecycle.Monthly, ago(24))}},
		{Series: "a", Tier: lifecycle.Manual, Time: ago(900), Complete: true, ID: "manual"},
		{Series: "b", Tier: lifecycle.Daily, Time: ago(90), Complete: true, ID: "only"},
		{Series: "b", Tier: lifecycle.Daily, Time: ago(95), Complete: true, ID: "before"},
		{Series: "b", Tier: lifecycle.Daily, Time: ago(50), ID: "left"},
		{Series: "b", Tier: lifecycle.Daily, Time: ago(1), ID: "begun"},
	}
	want := []string{"remove daily 2026-10-16, until 2026-10-27", "keep needed by diff", "keep daily 2026-11-15, until 2026-11-26",
		"keep daily 2026-11-01, monthly 2026-11, until 2027-03-07", "keep kept for ever", "keep one of the last of its series", "remove daily, until 2026-09-02",
		"remove not complete, until 2026-10-17", "keep not complete, until 2026-12-05"}
	for i, v := range p.Prune(items, now, 1) {
		text := "keep " + v.Reason
		if v.Remove {
			text = "remove " + v.Reason
		}
		if text != want[i] {
			t.Errorf("%s: %s, want %s", items[i].ID, text, want[i])
		}
	}
	for i, v := range p.Prune(items, now, 2) {
		if items[i].ID == "before" && v.Remove {
			t.Error("the second last is removed")
		}
	}
	p.MaxUpload = 100 * 24 * time.Hour
	if v := p.Prune(items[7:8], now, 1)[0]; v.Remove || !strings.Contains(v.Reason, "in the making") {
		t.Errorf("while an upload may take so long: %+v", v)
	}
}

// Prune removes nothing that rules would have kept, that is promised, that is
// the last, or that something that stays needs; and in the end all that expires.
func TestPruneProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := lifecycle.Policy{Zone: zone(rt, rapid.SampledFrom(zones()).Draw(rt, "zone")), MaxChain: rapid.IntRange(0, 9).Draw(rt, "chain")}
		p.Daily.Count, p.Weekly.Count = rapid.IntRange(1, 20).Draw(rt, "daily"), rapid.IntRange(0, 6).Draw(rt, "weekly")
		start := time.Date(2026, 2, 1, 3, 0, 0, 0, time.UTC)
		var items []lifecycle.Item
		for i := range rapid.IntRange(1, 60).Draw(rt, "backups") {
			at := start.AddDate(0, 0, i)
			promise := p.Promote(at, func(q lifecycle.Period) bool { return rapid.Bool().Draw(rt, "taken") })
			x := lifecycle.Item{Series: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "series"), Tier: promise.Tier, Time: at, ID: fmt.Sprint(i),
				Complete: rapid.IntRange(0, 4).Draw(rt, "complete") > 0}
			if x.Complete {
				x.Promise = &promise
			}
			if n := len(items); n > 0 && items[n-1].Complete && items[n-1].Series == x.Series && rapid.Bool().Draw(rt, "differential") {
				x.Parent = items[n-1].ID
			}
			items = append(items, x)
		}
		last := rapid.IntRange(1, 3).Draw(rt, "last")
		now := start.AddDate(0, 0, rapid.IntRange(0, 150).Draw(rt, "now"))
		verdicts := p.Prune(items, now, last)
		left := map[string]int{}
		for i, v := range verdicts {
			x := items[i]
			if !v.Remove {
				if x.Complete {
					left[x.Series]++
				}
				for j := range items {
					if x.Parent != "" && x.Complete && items[j].ID == x.Parent && items[j].Series == x.Series && verdicts[j].Remove {
						rt.Errorf("%s stays, and %s, which it needs, goes", x.ID, x.Parent)
					}
				}
				continue
			}
			days, ok := p.CatalogDays(x.Tier)
			if floor := x.Time.Add(time.Duration(days) * 24 * time.Hour); !ok || now.Before(floor) || x.Promise != nil && now.Before(x.Promise.Until) ||
				now.Before(x.Time.Add(p.UploadLimit())) {
				rt.Errorf("%s goes at %v: %s", x.ID, now, v.Reason)
			}
		}
		for _, series := range []string{"a", "b"} {
			all := 0
			for _, x := range items {
				if x.Series == series && x.Complete {
					all++
				}
			}
			if left[series] < min(last, all) {
				rt.Errorf("%d of %d are left of %s, want %d", left[series], all, series, last)
			}
		}
		gone := 0
		for _, v := range p.Prune(items, now.AddDate(5, 0, 0), last) {
			if v.Remove {
				gone++
			}
		}
		if most := 2*last*11 + 22; len(items)-gone > most { // the last of two series, and chains below them
			rt.Errorf("%d of %d stay for ever", len(items)-gone, len(items))
		}
	})
}
