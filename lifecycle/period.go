package lifecycle

import (
	"fmt"
	"time"
)

// Period is one hour, day, ISO week, month or year of a zone. Hours are those
// of UTC, which no change of clocks makes longer or shorter.
type Period struct {
	kind Tier
	zone *time.Location
	date time.Time // its first day as a date, or its first instant if an hour; UTC
}

// PeriodOf returns the period of kind k, which is not Manual, that contains t
// in zone.
func PeriodOf(k Tier, t time.Time, zone *time.Location) Period {
	if k == Hourly {
		return Period{k, zone, t.UTC().Truncate(time.Hour)}
	}
	y, m, d := t.In(zone).Date()
	switch k {
	case Weekly:
		monday := (int(t.In(zone).Weekday()) + 6) % 7 // days since
		d -= monday
	case Monthly:
		d = 1
	case Yearly:
		m, d = time.January, 1
	case Hourly, Daily, Manual:
	}
	return Period{k, zone, time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
}

// Add returns the period n periods later.
func (p Period) Add(n int) Period {
	switch p.kind {
	case Hourly:
		p.date = p.date.Add(time.Duration(n) * time.Hour)
	case Weekly:
		p.date = p.date.AddDate(0, 0, 7*n)
	case Monthly:
		p.date = p.date.AddDate(0, n, 0)
	case Yearly:
		p.date = p.date.AddDate(n, 0, 0)
	case Daily, Manual:
		p.date = p.date.AddDate(0, 0, n)
	}
	return p
}

// Start returns the first instant of the period.
func (p Period) Start() time.Time {
	if p.kind == Hourly {
		return p.date
	}
	return startOfDay(p.date, p.zone)
}

// Kind returns the tier whose periods are of this kind.
func (p Period) Kind() Tier { return p.kind }

// Contains reports whether t is in the period.
func (p Period) Contains(t time.Time) bool { return PeriodOf(p.kind, t, p.zone) == p }

// String names the period: 2026-11-25, 2026-W48, 2026-11, 2026.
func (p Period) String() string {
	switch p.kind {
	case Hourly:
		return p.date.Format("2006-01-02T15Z")
	case Weekly:
		year, week := p.date.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	case Monthly:
		return p.date.Format("2006-01")
	case Yearly:
		return p.date.Format("2006")
	case Daily, Manual:
	}
	return p.date.Format(time.DateOnly)
}

// startOfDay returns the first instant of a date in zone. Where clocks are
// changed at midnight, time.Date alone may give an instant of the day before,
// or the second of two midnights.
func startOfDay(date time.Time, zone *time.Location) time.Time {
	if zone == time.UTC {
		return date
	}
	y, m, d := date.Date()
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	changed, next := t.ZoneBounds()
	if t.Day() != d { // there is no midnight: the day begins as clocks go forward
		return next
	}
	if changed.IsZero() {
		return t
	}
	if t.Hour() != 0 || t.Minute() != 0 {
		return changed
	}
	// Clocks that went back may have passed this midnight before.
	_, now := t.Zone()
	_, before := changed.Add(-time.Nanosecond).Zone()
	first := t.Add(time.Duration(now-before) * time.Second)
	if before > now && first.Before(changed) && first.In(zone).Day() == d {
		return first
	}
	return t
}
