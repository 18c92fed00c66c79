package lifecycle

import (
	"slices"
	"time"
)

// Promise is what one backup stands for, and until when.
type Promise struct {
	Tier   Tier      // where it is kept
	Time   time.Time // t(b): the instant it was captured at, by the store's clock
	Stands []Tier    // the kinds of periods it stands for, from the shortest on; none: nothing is promised
	Until  time.Time // the end of the longest of them; zero: it is kept for ever
	// Begun is when it was written down where it is, by the store's clock: of a
	// copy, much later than Time. Zero: nobody knows.
	Begun time.Time
}

// StandsFor reports whether the backup stands for the period.
func (b Promise) StandsFor(p Period) bool {
	return slices.Contains(b.Stands, p.kind) && p.Contains(b.Time)
}

// Base is the shortest kind that is kept: every backup stands for its period
// of that. It is Manual if none is kept.
func (p Policy) Base() Tier {
	for _, k := range kinds() {
		if p.Keep(k).Count > 0 {
			return k
		}
	}
	return Manual
}

// Promote decides what a backup captured at t stands for: its period of the
// base kind, and every longer one that no earlier complete backup of its
// series stands for, which taken tells. Its tier is the longest of them.
func (p Policy) Promote(t time.Time, taken func(Period) bool) Promise {
	return p.promote(Yearly, t, taken)
}

// PromoteIn is Promote for a backup whose tier was chosen by somebody: it
// stands for no longer kind, and for the tier's own at all events.
func (p Policy) PromoteIn(tier Tier, t time.Time, taken func(Period) bool) Promise {
	if tier == Manual {
		return Promise{Tier: Manual, Time: t}
	}
	b := p.promote(tier, t, func(q Period) bool { return q.kind != tier && taken(q) })
	b.Tier = tier
	return b
}

func (p Policy) promote(longest Tier, t time.Time, taken func(Period) bool) Promise {
	b, base := Promise{Tier: Manual, Time: t}, p.Base()
	for _, k := range kinds() {
		if p.Keep(k).Count > 0 && (k == base || !taken(p.Period(k, t))) {
			b.Stands, b.Tier = append(b.Stands, k), k
			if u := p.Until(k, t); u.After(b.Until) {
				b.Until = u
			}
		}
		if k == longest {
			break
		}
	}
	return b
}
