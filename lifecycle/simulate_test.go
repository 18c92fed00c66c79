package lifecycle_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
)

func daysOf(n int, at time.Time) []lifecycle.Run {
	runs := make([]lifecycle.Run, n)
	for i := range runs {
		runs[i].Time = at.AddDate(0, 0, i)
	}
	return runs
}

// What is left of two years of dailies on a day that can be counted by hand.
func TestSimulateTwoYears(t *testing.T) {
	keep := func(n int) lifecycle.Keep { return lifecycle.Keep{Count: n} }
	p := lifecycle.Policy{Daily: keep(14), Weekly: keep(8), Monthly: keep(12), Yearly: keep(3)}
	start := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	h := p.Simulate(lifecycle.GCS, daysOf(800, start))
	now := time.Date(2027, 12, 31, 12, 0, 0, 0, time.UTC)
	var left []string
	for _, i := range h.On(now) {
		left = append(left, h.Points[i].Time.Format(time.DateOnly)+" "+string(h.Points[i].Tier))
	}
	want := []string{"2026-01-01 yearly", "2026-12-01 monthly", "2027-01-01 yearly"}
	for m := time.February; m <= time.December; m++ {
		if m == time.November { // Mondays before the first of a month, eight weeks and the current one back
			want = append(want, "2027-11-01 monthly", "2027-11-08 weekly", "2027-11-15 weekly", "2027-11-22 weekly", "2027-11-29 weekly")
			continue
		}
		want = append(want, time.Date(2027, m, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)+" monthly")
	}
	want = append(want, "2027-12-06 weekly", "2027-12-13 weekly")
	for d := 17; d <= 31; d++ {
		tier := " daily"
		if d == 20 || d == 27 {
			tier = " weekly"
		}
		want = append(want, time.Date(2027, 12, d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)+tier)
	}
	if !slices.Equal(left, want) {
		t.Errorf("left %q\nwant %q", left, want)
	}
	if last, never := h.LastPoint(); never || !last.Equal(h.Points[365].Time.Add(1461*24*time.Hour)) && last.Before(h.Points[730].Time) {
		t.Errorf("the last goes %v, %v", last, never)
	}
}

// A failed first of the month is made up for by the second.
func TestSimulateFailures(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}, Monthly: lifecycle.Keep{Count: 6}}
	runs := daysOf(40, time.Date(2026, 1, 25, 3, 0, 0, 0, time.UTC))
	for i := range runs {
		runs[i].Failed = runs[i].Time.Day() == 1
	}
	h := p.Simulate(lifecycle.S3, runs)
	if len(h.Failed) != 2 || len(h.Points) != 38 {
		t.Fatalf("%d failed, %d points", len(h.Failed), len(h.Points))
	}
	for _, point := range h.Points {
		if point.Time.Day() == 2 && point.Tier != lifecycle.Monthly {
			t.Errorf("%v is %s", point.Time, point.Tier)
		}
	}
}

// A simulated history keeps what a policy promises, chains or not.
func TestSimulateKeepsThePromise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := lifecycle.Policy{Daily: lifecycle.Keep{Count: rapid.IntRange(1, 20).Draw(rt, "daily")},
			Weekly: lifecycle.Keep{Count: rapid.IntRange(0, 6).Draw(rt, "weekly")}, MaxChain: rapid.IntRange(0, 10).Draw(rt, "chain"),
			Zone: zone(rt, rapid.SampledFrom(zones()).Draw(rt, "zone"))}
		runs := daysOf(120, time.Date(2026, 1, 1, rapid.IntRange(0, 23).Draw(rt, "hour"), 0, 0, 0, time.UTC))
		for i := range runs {
			runs[i].Failed = rapid.IntRange(0, 9).Draw(rt, "failed") == 0
		}
		h := p.Simulate(lifecycle.GCS, runs)
		differentials := 0
		for i := range h.Points {
			x := &h.Points[i]
			if !x.Floor.Covers(x.Until) {
				rt.Errorf("%v is promised until %v and goes %v", x.Time, x.Until, x.Floor.At)
			}
			if !x.Full() {
				differentials++
				if parent := &h.Points[x.Parent]; x.Floor.At.After(parent.Floor.At) {
					rt.Errorf("%v outlives its parent", x.Time)
				}
			}
		}
		if p.MaxChain > 0 && differentials == 0 && len(h.Points) > 60 {
			rt.Errorf("no differential in %d points", len(h.Points))
		}
		if p.MaxChain == 0 && differentials > 0 {
			rt.Errorf("%d differentials", differentials)
		}
	})
}
