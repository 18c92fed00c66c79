package providers_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/providers"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1500": 1500, "256MiB": 256 << 20, "256mib": 256 << 20, "1.5GB": 1_500_000_000, "1 GiB": 1 << 30,
		"0.5KiB": 512, "2TiB": 2 << 40, "20MB": 20_000_000, "3kB": 3000, "3KB": 3000, "7B": 7,
	} {
		if got, err := providers.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "x", "-1", "+1", "1e3", "1.5.5GB", "0x10", "inf", "NaN", "1M", "1 G", "9999999TiB", "1MiBs"} {
		if got, err := providers.ParseBytes(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, seed := range []string{"256MiB", "1.5GB", "20MB", "-1", "1e309", "0.0000001TiB", "9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := providers.ParseBytes(text)
		if err == nil && n < 0 {
			t.Errorf("%q is %d", text, n)
		}
	})
}

func table(t *testing.T, text string) providers.Timetable {
	t.Helper()
	tt, err := providers.ParseTimetable(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return tt
}

func TestTimetable(t *testing.T) {
	const daily = "08:00,512kB 12:00,10MB:off 23:00,off"
	const weekly = "Mon-08:00,1MB Fri-18:00,off 12:00,2MB fri-12:00,3MB/s:4MB/s"
	for _, c := range []struct {
		text, at string // 2026-11-23 is a Monday
		up, down int64
	}{
		{"20MB", "2026-11-23T00:00:00Z", 20_000_000, 20_000_000},
		{"20 MB", "2026-11-23T00:00:00Z", 20_000_000, 20_000_000},
		{"10MB/s:off", "2026-11-23T00:00:00Z", 10_000_000, 0},
		{"off:1KiB", "2026-11-23T00:00:00Z", 0, 1024},
		{"off", "2026-11-23T00:00:00Z", 0, 0},
		{daily, "2026-11-23T07:59:59Z", 0, 0},
		{daily, "2026-11-23T08:00:00Z", 512_000, 512_000},
		{daily, "2026-11-24T11:59:59Z", 512_000, 512_000},
		{daily, "2026-11-29T12:00:00Z", 10_000_000, 0},
		{daily, "2026-11-29T23:30:00Z", 0, 0},
		// By the wall clock of the location: 07:00 in UTC is 08:00 there.
		{daily, "2026-11-23T08:00:00+01:00", 512_000, 512_000},
		{weekly, "2026-11-23T07:59:00Z", 2_000_000, 2_000_000}, // of Sunday
		{weekly, "2026-11-23T08:00:00Z", 1_000_000, 1_000_000},
		{weekly, "2026-11-23T12:00:00Z", 2_000_000, 2_000_000},
		{weekly, "2026-11-27T12:00:00Z", 3_000_000, 4_000_000},
		{weekly, "2026-11-27T18:00:00Z", 0, 0},
		{weekly, "2026-11-28T11:59:00Z", 0, 0},
		{weekly, "2026-11-28T12:00:00Z", 2_000_000, 2_000_000},
		{"Wed-10:00,1", "2026-11-23T00:00:00Z", 1, 1}, // the only change holds always
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if up, down := table(t, c.text).At(at); up != c.up || down != c.down {
			t.Errorf("%q at %s: %d up, %d down", c.text, c.at, up, down)
		}
	}
	if up, down := (providers.Timetable{}).At(time.Unix(0, 0)); up != 0 || down != 0 {
		t.Errorf("without limits: %d, %d", up, down)
	}
}

func TestTimetableRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"": "empty", " ": "empty", "fast": "no rate", "10MB:": "no rate", "1MB:2MB:3MB": "no rate", "-1": "no rate",
		"08:00,1MB 08:00,2MB": "twice", "Mon-08:00,1MB mon-8:00,1MB": "twice", "24:00,1MB": "00:00 to 23:59", "08:60,1MB": "00:00 to 23:59",
		"8:0,1MB": "00:00 to 23:59", "8,1MB": "00:00 to 23:59", "Mo-08:00,1MB": "Mon, Tue", "08:00,1MB 12:00": "no rate", "08:00, 1MB": "no rate",
		"08:00,1MB,2MB": "no rate", "20MB 30MB": "no rate", "-08:00,1MB": "none of the days",
	} {
		if tt, err := providers.ParseTimetable(text); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q is taken as %q: %v", text, tt, err)
		}
	}
}

// What a timetable prints is read as the same timetable.
func FuzzParseTimetable(f *testing.F) {
	for _, seed := range []string{"20MB", "10MB:off", "off", "08:00,512kB 12:00,10MB 23:00,off", "Mon-08:00,1MB Fri-18:00,off 12:00,2MB", ",", "00:00,0", "23:59,1:2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tt, err := providers.ParseTimetable(text)
		if err != nil || tt.IsZero() {
			return
		}
		again, err := providers.ParseTimetable(tt.String())
		if err != nil || again.String() != tt.String() {
			t.Fatalf("%q prints as %q, which is %q, %v", text, tt, again, err)
		}
		for minute := range 7 * 24 * 60 {
			at := time.Date(2026, 11, 23, 0, minute, 0, 0, time.UTC)
			up, down := tt.At(at)
			up2, down2 := again.At(at)
			if up != up2 || down != down2 || up < 0 || down < 0 {
				t.Fatalf("%q at %v: %d, %d, and then %d, %d", text, at, up, down, up2, down2)
			}
		}
	})
}

// Transfers that are under way follow a change within a second, in both
// directions, however slow the rate was before.
func TestBandwidthFollowsTheTimetable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00 UTC, a Saturday
		origin := time.Now().UTC()
		for _, c := range []struct {
			text string
			want time.Duration
		}{
			// 10 kB/s for a minute are 600 kB; the rest has no limit.
			{"00:00,10kB 00:01,off", time.Minute},
			{"00:00,10 00:01,off", time.Minute}, // a read of 16 KiB alone would take 27 minutes
			// 600 kB, then 9,400 kB at 1 MB/s.
			{"00:00,10kB 00:01,1MB", time.Minute + 9400*time.Millisecond},
			// Nothing holds it back before the limit comes.
			{"00:00,off 00:01,10", 0},
			// 9 MB in the first minute, then one at 10 kB/s.
			{"00:00,150kB 00:01,10kB", time.Minute + 100*time.Second},
		} {
			began := time.Now()
			now := func() time.Time { return origin.Add(time.Since(began)) }
			b := providers.Decorate(discard{}, providers.Policy{Bandwidth: table(t, c.text), Now: now, Tries: 1})
			body := providers.Bytes(make([]byte, 2_500_000))
			took := elapsed(t, 4, func() error { return b.Put(t.Context(), "a", body) })
			if d := took - c.want; d < -5*time.Second || d > time.Second {
				t.Errorf("%q: took %v, want %v", c.text, took, c.want)
			}
		}
	})
}

// The rate holds whatever the sizes and the number of transfers are.
func TestBandwidthIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.Int64Range(10_000, 1<<30).Draw(rt, "rate")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 4<<20), 1, 12).Draw(rt, "sizes")
		total := 0
		for _, n := range sizes {
			total += n
		}
		var took time.Duration
		synctest.Test(t, func(t *testing.T) {
			b := providers.Decorate(discard{}, providers.Policy{Bandwidth: providers.Steady(rate, 0), Tries: 1})
			began := time.Now()
			if err := many(len(sizes), func(i int) error {
				return b.Put(context.Background(), "a", providers.Bytes(make([]byte, sizes[i])))
			}); err != nil {
				t.Error(err)
			}
			took = time.Since(began)
		})
		// What passes at once is at most a quarter of a second's bytes, or 16 KiB.
		least := time.Duration(float64(total-max(int(rate/4), 16<<10))/float64(rate)*float64(time.Second)) - time.Microsecond
		most := time.Duration(float64(total)/float64(rate)*float64(time.Second)) + 50*time.Millisecond
		if took < least || took > most {
			rt.Fatalf("%d bytes at %d a second took %v, not %v to %v", total, rate, took, least, most)
		}
	})
}
