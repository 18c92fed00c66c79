package lifecycle_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
)

// zone loads a zone once: worlds ask for the same few a million times.
func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	if z, ok := loaded.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := loaded.LoadOrStore(name, z)
	return first.(*time.Location)
}

var loaded sync.Map // of *time.Location by name

// zones change their clocks at every time of day there is: never, at one, at
// two, at midnight forwards (no 00:00) and backwards (two of them), by half an
// hour.
func zones() []string {
	return []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Beirut", "Africa/Cairo", "America/Havana", "America/Santiago",
		"Atlantic/Azores", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "America/Asuncion"}
}

func kinds() []lifecycle.Tier {
	return []lifecycle.Tier{lifecycle.Hourly, lifecycle.Daily, lifecycle.Weekly, lifecycle.Monthly, lifecycle.Yearly}
}

func TestKnownDays(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}, Weekly: lifecycle.Keep{Count: 8}, Monthly: lifecycle.Keep{Count: 12}, Yearly: lifecycle.Keep{Count: 3}}
	for name, want := range map[string][]int{"UTC": {15, 63, 397, 1461}, "Europe/Berlin": {16, 64, 398, 1461}} {
		p.Zone = zone(t, name)
		for i, tier := range kinds()[1:] {
			days, ok := p.CatalogDays(tier)
			if !ok || days != want[i] || p.Window(tier) != want[i] {
				t.Errorf("%s in %s: %d days, window %d, want %d", tier, name, days, p.Window(tier), want[i])
			}
		}
	}
}

func TestCatalogDays(t *testing.T) {
	// A backup in weekly stands for its day, too.
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 90}, Weekly: lifecycle.Keep{Count: 8, Slack: 1}, MaxChain: 7}
	for tier, want := range map[lifecycle.Tier]int{lifecycle.Daily: 98, lifecycle.Weekly: 98, lifecycle.Monthly: 98} {
		if days, ok := p.CatalogDays(tier); !ok || days != want {
			t.Errorf("%s: %d days, %v, want %d", tier, days, ok, want)
		}
	}
	for _, tier := range []lifecycle.Tier{lifecycle.Hourly, lifecycle.Manual} {
		if days, ok := p.CatalogDays(tier); ok {
			t.Errorf("%s lives %d days", tier, days)
		}
	}
	if days := (lifecycle.Policy{Hourly: lifecycle.Keep{Count: 24}}).Window(lifecycle.Hourly); days != 2 {
		t.Errorf("25 hours are %d days", days)
	}
}

func TestCheckLock(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}, MaxChain: 7}
	for days, fits := range map[int]bool{1: true, 22: true, 23: false, 30: false} {
		if err := p.CheckLock(lifecycle.Daily, days); (err == nil) != fits {
			t.Errorf("a lock of %d days: %v", days, err)
		}
	}
	for _, free := range []lifecycle.Tier{lifecycle.Manual, lifecycle.Hourly} {
		if err := p.CheckLock(free, 100_000); err != nil {
			t.Errorf("%s lives for ever: %v", free, err)
		}
	}
	for want, c := range map[string]struct {
		p    lifecycle.Policy
		tier lifecycle.Tier
	}{
		"daily keeps 14 whole days and today: 15 days, plus a chain of 7: objects live 22 days, the lock is 2000":                                  {p, lifecycle.Daily},
		"weekly keeps one whole week, 2 more as slack and this one: 28 days: objects live 28 days, the lock is 2000":                               {lifecycle.Policy{Weekly: lifecycle.Keep{Count: 1, Slack: 2}}, lifecycle.Weekly},
		"daily keeps 14 whole days and today: 15 days, and yearly holds backups that stand for those, too: objects live 15 days, the lock is 2000": {lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}}, lifecycle.Yearly},
		"hourly keeps 23 whole hours and this one: 1 day: objects live 1 day, the lock is 2000":                                                    {lifecycle.Policy{Hourly: lifecycle.Keep{Count: 23}}, lifecycle.Hourly},
		"monthly keeps 3 whole months and this one: 123 days: objects live 123 days, the lock is 2000":                                             {lifecycle.Policy{Monthly: lifecycle.Keep{Count: 3}}, lifecycle.Monthly},
		"yearly keeps one whole year and this one: 731 days: objects live 731 days, the lock is 2000":                                              {lifecycle.Policy{Yearly: lifecycle.Keep{Count: 1}}, lifecycle.Yearly},
	} {
		err := c.p.CheckLock(c.tier, 2000)
		if !errors.Is(err, lifecycle.ErrLockTooLong) || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		if e, ok := errors.AsType[*lifecycle.LockError](err); !ok || e.Lock != 2000 || e.Days != e.Window+e.Chain {
			t.Errorf("%+v", e)
		}
	}
}

// The first instant of a day is the earliest at which a clock on the wall
// shows its date, in every zone and on every day.
func TestStartOfDay(t *testing.T) {
	for _, name := range zones() {
		z := zone(t, name)
		for date := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); date.Year() < 2026; date = date.AddDate(0, 0, 1) {
			got := lifecycle.PeriodOf(lifecycle.Daily, time.Date(date.Year(), date.Month(), date.Day(), 12, 0, 0, 0, z), z).Start()
			shown := func(at time.Time) time.Time {
				y, m, d := at.In(z).Date()
				return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
			}
			// No zone is more than 15 hours away from UTC.
			want := date.Add(-15 * time.Hour)
			for shown(want).Before(date) {
				want = want.Add(30 * time.Minute)
			}
			if !got.Equal(want) {
				t.Fatalf("%s in %s begins %v, want %v", date.Format(time.DateOnly), name, got, want.In(z))
			}
		}
	}
}

func TestPeriodsTile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		z := zone(rt, rapid.SampledFrom(zones()).Draw(rt, "zone"))
		k := rapid.SampledFrom(kinds()).Draw(rt, "kind")
		at := instant(rt, z)
		p := lifecycle.PeriodOf(k, at, z)
		if p.Start().After(at) || !p.Add(1).Start().After(at) {
			rt.Fatalf("%v is not in %v to %v", at, p.Start(), p.Add(1).Start())
		}
		if again := lifecycle.PeriodOf(k, p.Start(), z); again != p {
			rt.Fatalf("the start of %v is of %v", p, again)
		}
		if last := lifecycle.PeriodOf(k, p.Add(1).Start().Add(-1), z); last != p {
			rt.Fatalf("the end of %v is of %v", p, last)
		}
	})
}

// instant draws one, often close to a midnight, where mistakes are.
func instant(rt *rapid.T, z *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(1_704_100_000, 2_998_000_000).Draw(rt, "second"), 0)
	if rapid.Bool().Draw(rt, "midnight") {
		y, m, d := at.In(z).Date()
		at = time.Date(y, m, d, 0, 0, rapid.IntRange(-1, 1).Draw(rt, "off"), 0, z)
	}
	return at
}

// What a tier promises is kept by its days, and one day less would break it.
func TestWindowHoldsAndIsTight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := lifecycle.Policy{Zone: zone(rt, rapid.SampledFrom(zones()).Draw(rt, "zone"))}
		keep := lifecycle.Keep{Count: rapid.IntRange(1, 60).Draw(rt, "count"), Slack: rapid.IntRange(0, 3).Draw(rt, "slack")}
		k := rapid.SampledFrom(kinds()).Draw(rt, "kind")
		for kind, field := range map[lifecycle.Tier]*lifecycle.Keep{lifecycle.Hourly: &p.Hourly, lifecycle.Daily: &p.Daily,
			lifecycle.Weekly: &p.Weekly, lifecycle.Monthly: &p.Monthly, lifecycle.Yearly: &p.Yearly} {
			if kind == k {
				*field = keep
			}
		}
		window := time.Duration(p.Window(k)) * 24 * time.Hour
		at := instant(rt, p.Zone)
		if life := p.Until(k, at).Sub(at); life > window || life <= 0 {
			rt.Fatalf("%v is promised for %v, the window is %v", at, life, window)
		}
		longest := time.Duration(0)
		period := lifecycle.PeriodOf(k, time.Date(2024, 1, 1, 12, 0, 0, 0, p.Zone), p.Zone)
		for n := 0; n < 42*366 && period.Start().Year() < 2065; n++ {
			longest = max(longest, p.Until(k, period.Start()).Sub(period.Start()))
			if longest > window-24*time.Hour {
				return
			}
			period = period.Add(1)
		}
		rt.Fatalf("the longest promise is %v, the window %v", longest, window)
	})
}

// Days only grow: with what is kept, with the tier, with the chain.
func TestDaysAreMonotone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.IntRange(0, 30)
		p := lifecycle.Policy{Hourly: lifecycle.Keep{Count: count.Draw(rt, "h")}, Daily: lifecycle.Keep{Count: count.Draw(rt, "d")},
			Weekly: lifecycle.Keep{Count: count.Draw(rt, "w")}, Monthly: lifecycle.Keep{Count: count.Draw(rt, "m")}, MaxChain: count.Draw(rt, "chain")}
		more := p
		more.Daily.Count++
		i := rapid.IntRange(1, len(kinds())-1).Draw(rt, "tier")
		tier := kinds()[i]
		below, _ := p.CatalogDays(kinds()[i-1])
		days, ok := p.CatalogDays(tier)
		moreDays, moreOK := more.CatalogDays(tier)
		if days < below || ok && (!moreOK || moreDays < days) || ok && (p.CheckLock(tier, days) != nil || p.CheckLock(tier, days+1) == nil) {
			rt.Fatalf("%s: %d days after %d, %d with one more day", tier, days, below, moreDays)
		}
	})
}
