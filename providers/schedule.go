package providers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Timetable says how many bytes a second may be sent and received, by the time
// of the week. Its zero value sets no limit. It does not change and may be
// shared.
type Timetable struct {
	changes []change // sorted by when; at least one unless there is no limit
}

// change is a moment of the week and the rates that hold from then on.
type change struct {
	when     int   // minutes since Monday 00:00
	up, down int64 // bytes a second; 0: no limit
}

const (
	minutesPerDay = 24 * 60
)

// Steady is the timetable of rates that hold at all times, in bytes a second;
// 0 or less is no limit.
func Steady(up, down int64) Timetable {
	if up <= 0 && down <= 0 {
		return Timetable{}
	}
	return Timetable{changes: []change{{0, max(up, 0), max(down, 0)}}}
}

// ParseTimetable reads rates in bytes a second, in the way of rclone:
//
//	20MB                              at all times, both ways
//	10MB:off                          10 MB up, no limit down
//	08:00,512kB 12:00,10MB 23:00,off  from these times of each day on
//	Mon-08:00,1MB Fri-18:00,off       from these times of the week on
//
// An entry with a weekday comes before one without at the same time. Rates are
// written as ParseBytes reads them, and "/s" may follow; off is no limit.
func ParseTimetable(s string) (Timetable, error) {
	entries := strings.Fields(s)
	if len(entries) == 0 {
		return Timetable{}, errors.New("it is empty")
	}
	if !strings.Contains(s, ",") {
		up, down, err := parseRates(strings.TrimSpace(s))
		return Steady(up, down), err
	}
	daily, weekly := map[int]change{}, map[int]change{}
	for _, entry := range entries {
		when, rates, _ := strings.Cut(entry, ",")
		at, everyDay, err := parseWhen(when)
		if err != nil {
			return Timetable{}, fmt.Errorf("%q: %w", entry, err)
		}
		c := change{when: at}
		if c.up, c.down, err = parseRates(rates); err != nil {
			return Timetable{}, fmt.Errorf("%q: %w", entry, err)
		}
		into := weekly
		if everyDay {
			into = daily
		}
		if _, taken := into[at]; taken {
			return Timetable{}, fmt.Errorf("%q: %s is there twice", entry, when)
		}
		into[at] = c
	}
	return combine(daily, weekly), nil
}

// combine lays what holds on every day below what holds on one.
func combine(daily, weekly map[int]change) Timetable {
	var t Timetable
	for _, c := range weekly {
		t.changes = append(t.changes, c)
	}
	for at, c := range daily {
		for d := range 7 {
			c.when = d*minutesPerDay + at
			if _, taken := weekly[c.when]; !taken {
				t.changes = append(t.changes, c)
			}
		}
	}
	slices.SortFunc(t.changes, func(a, b change) int { return cmp.Compare(a.when, b.when) })
	return t
}

func parseWhen(s string) (minute int, everyDay bool, err error) {
	name, clock, found := strings.Cut(s, "-")
	day := 0
	if found {
		if day = slices.IndexFunc(weekdays(), func(d string) bool { return strings.EqualFold(d, name) }); day < 0 {
			return 0, false, fmt.Errorf("%q is none of the days %s", name, strings.Join(weekdays(), ", "))
		}
	} else {
		clock = s
	}
	hours, minutes, colon := strings.Cut(clock, ":")
	h, herr := strconv.ParseUint(hours, 10, 8)
	m, merr := strconv.ParseUint(minutes, 10, 8)
	if herr != nil || merr != nil || !colon || len(hours) > 2 || len(minutes) != 2 || h > 23 || m > 59 {
		return 0, false, fmt.Errorf("%q is not a time of the day, 00:00 to 23:59", clock)
	}
	return day*minutesPerDay + int(h)*60 + int(m), !found, nil
}

func weekdays() []string { return []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} }

// parseRates reads RATE or UP:DOWN.
func parseRates(s string) (up, down int64, err error) {
	first, second, two := strings.Cut(s, ":")
	if up, err = parseRate(first); err != nil || !two {
		return up, up, err
	}
	down, err = parseRate(second)
	return up, down, err
}

func parseRate(s string) (int64, error) {
	if strings.EqualFold(s, "off") {
		return 0, nil
	}
	n, err := ParseBytes(strings.TrimSuffix(s, "/s"))
	if err != nil {
		return 0, fmt.Errorf("%q is no rate: write for instance 20MB, 512KiB or off", s)
	}
	return n, nil
}

// IsZero reports whether there is never a limit.
func (t Timetable) IsZero() bool {
	return !slices.ContainsFunc(t.changes, func(c change) bool { return c.up > 0 || c.down > 0 })
}

// At returns the rates at an instant, by the clock on the wall of its
// location, in bytes a second; 0 is no limit.
func (t Timetable) At(now time.Time) (up, down int64) {
	if len(t.changes) == 0 {
		return 0, 0
	}
	monday := (int(now.Weekday()) + 6) % 7
	minute := monday*minutesPerDay + now.Hour()*60 + now.Minute()
	after, _ := slices.BinarySearchFunc(t.changes, minute+1, func(c change, m int) int { return cmp.Compare(c.when, m) })
	// Before the first change of the week the last one of the week before holds.
	c := t.changes[(after+len(t.changes)-1)%len(t.changes)]
	return c.up, c.down
}

// String returns a text that ParseTimetable reads; empty if there is no limit.
func (t Timetable) String() string {
	switch len(t.changes) {
	case 0:
		return ""
	case 1:
		return t.changes[0].rates()
	}
	texts := make([]string, len(t.changes))
	for i, c := range t.changes {
		texts[i] = fmt.Sprintf("%s-%02d:%02d,%s", weekdays()[c.when/minutesPerDay], c.when%minutesPerDay/60, c.when%60, c.rates())
	}
	return strings.Join(texts, " ")
}

func (c change) rates() string {
	text := func(n int64) string {
		if n == 0 {
			return "off"
		}
		return strconv.FormatInt(n, 10)
	}
	if c.up == c.down {
		return text(c.up)
	}
	return text(c.up) + ":" + text(c.down)
}
