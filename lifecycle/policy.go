package lifecycle

import (
	"iter"
	"sync"
	"time"
)

// Keep says how long backups stand for periods of one kind.
type Keep struct {
	Count int  // whole periods kept beside the current one (n_k); 0: this kind is not kept
	Slack int  // further periods that make up for ones without a success (s_k)
	Move  Move // of the data of this kind's tier to another storage class
}

// Move is a transition of a tier's data, never of its catalog, to another
// storage class; zero: there is none.
type Move struct {
	Days  int    // after creation, whole days of 24 hours; at least 1
	Class string // as the store spells it: GLACIER_IR, NEARLINE, Cool
}

// Policy is what a vault promises to keep. Its zero value promises nothing and
// so lets every backup live for ever. Policies can be compared with ==, if
// their zones come from the same call; Equal takes zones by their names.
type Policy struct {
	Hourly, Daily, Weekly, Monthly, Yearly Keep
	// Zone is where days, weeks, months and years begin; nil means UTC.
	Zone *time.Location
	// MaxChain is the age in days, from the root on, at which the last
	// differential of a chain may be taken; 0 where there are none.
	MaxChain int
	// MaxUpload is the longest time from the first object of a backup to its
	// manifest; 0 means DefaultMaxUpload.
	MaxUpload time.Duration
	// Undo is how many days what was overwritten or deleted stays as an older
	// version, in a store that keeps those; 0 means DefaultUndo.
	Undo int
	// Restore is how many days the longest restore may take, thawing included;
	// 0 means 1.
	Restore int
}

// What a Policy means where it says nothing.
const (
	DefaultMaxUpload = 72 * time.Hour
	DefaultUndo      = 14 // days
)

// UploadLimit is the longest time from the first object of a backup to its
// manifest.
func (p Policy) UploadLimit() time.Duration {
	if p.MaxUpload > 0 {
		return p.MaxUpload
	}
	return DefaultMaxUpload
}

// UndoDays is how many days older versions stay.
func (p Policy) UndoDays() int {
	if p.Undo > 0 {
		return p.Undo
	}
	return DefaultUndo
}

// IsZero reports whether the policy keeps nothing for a time.
func (p Policy) IsZero() bool { return p.Base() == Manual }

// Equal reports whether two policies promise the same.
func (p Policy) Equal(o Policy) bool {
	if p.zone().String() != o.zone().String() || p.UploadLimit() != o.UploadLimit() || p.UndoDays() != o.UndoDays() || max(p.Restore, 1) != max(o.Restore, 1) {
		return false
	}
	o.Zone, o.MaxUpload, o.Undo, o.Restore = p.Zone, p.MaxUpload, p.Undo, p.Restore
	return p == o
}

// Keep returns how long backups stand for periods of the kind of tier t;
// zero for Manual, which stands for none.
func (p Policy) Keep(t Tier) Keep {
	if keep := p.At(t); keep != nil {
		return *keep
	}
	return Keep{}
}

// At is where the policy says how long backups stand for periods of the kind of
// tier t; nil for Manual and for what is no tier.
func (p *Policy) At(t Tier) *Keep {
	switch t {
	case Hourly:
		return &p.Hourly
	case Daily:
		return &p.Daily
	case Weekly:
		return &p.Weekly
	case Monthly:
		return &p.Monthly
	case Yearly:
		return &p.Yearly
	case Manual:
	}
	return nil
}

// kinds are the tiers that stand for a period, from the shortest on.
func kinds() []Tier { return []Tier{Hourly, Daily, Weekly, Monthly, Yearly} }

func (p Policy) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// Period returns the period of kind k, which is not Manual, that contains t.
func (p Policy) Period(k Tier, t time.Time) Period { return PeriodOf(k, t, p.zone()) }

// Until is U_k of the period of kind k that contains t: the instant to which a
// backup promoted for that period is promised. It is the start of the period
// after the current one, the Count and the Slack. The zero time means that
// this kind is not kept.
func (p Policy) Until(k Tier, t time.Time) time.Time {
	keep := p.Keep(k)
	if keep.Count <= 0 {
		return time.Time{}
	}
	return p.Period(k, t).Add(keep.Count + keep.Slack + 1).Start()
}

// The years over which windows are measured. Rules of time zones and leap
// days repeat well within them.
const firstYear, lastYear = 2024, 2064

// day is what a store's rules count in, whatever a zone calls a day.
const day = 24 * time.Hour

// Window is W_k: the days after its creation at which an object may go that
// stands for any period of kind k from 2024 to 2064, rounded up; exact for
// days of 23 and 25 hours. It is 0 if the kind is not kept.
func (p Policy) Window(k Tier) int {
	keep := p.Keep(k)
	if keep.Count <= 0 {
		return 0
	}
	n := keep.Count + keep.Slack + 1
	if k == Hourly { // hours are all alike
		return ceilDays(time.Duration(n) * time.Hour)
	}
	known := span{k, n, p.zone()}
	if days, ok := windows.Load(known); ok {
		return days.(int)
	}
	longest := 0
	for q := range p.telling(k, n) {
		longest = max(longest, ceilDays(q.Add(n).Start().Sub(q.Start())))
	}
	windows.Store(known, longest)
	return longest
}

// windows has the days of each span that was measured: a check asks for the
// same few once for each backup.
var windows sync.Map //nolint:gochecknoglobals // of int by span; nobody can tell that they are remembered

// span is n periods of a kind.
type span struct {
	kind Tier
	n    int
	zone *time.Location
}

// telling yields the periods from 2024 to 2064 of which one is the longest
// with the n-1 that follow. Days and weeks are longer than others only where
// clocks change at their beginning or at their end, so those around such
// instants tell for all.
func (p Policy) telling(k Tier, n int) iter.Seq[Period] {
	return func(yield func(Period) bool) {
		first := p.Period(k, time.Date(firstYear, 1, 7, 12, 0, 0, 0, p.zone()))
		goesOn := yield(first)
		try := func(q Period) {
			if y := q.date.Year(); goesOn && firstYear <= y && y <= lastYear {
				goesOn = yield(q)
			}
		}
		if k == Monthly || k == Yearly {
			for q := first.Add(1); goesOn && q.date.Year() <= lastYear; q = q.Add(1) {
				try(q)
			}
			return
		}
		change := p.nextChange(first.Start())
		for goesOn && !change.IsZero() && change.Year() <= lastYear+1+n/365 {
			at := p.Period(k, change)
			for i := -1; i <= 1; i++ {
				try(at.Add(i))
				try(at.Add(i - n))
			}
			change = p.nextChange(change)
		}
	}
}

// nextChange returns when clocks change next after t, or an instant at which
// they may; the zero time if they never do again.
func (p Policy) nextChange(t time.Time) time.Time {
	_, next := t.In(p.zone()).ZoneBounds()
	if !next.IsZero() && !next.After(t) { // after 2037 Go may give the last second of a year as its own end
		return t.Add(day)
	}
	return next
}

func ceilDays(d time.Duration) int { return int((d + day - 1) / day) }

// Held is H(T): the longest window of the kinds up to t, since a backup stands
// for all of them, and the kind it is of. It is 0 where none is kept.
func (p Policy) Held(t Tier) (days int, kind Tier) {
	for _, k := range kinds() {
		if w := p.Window(k); w > days {
			days, kind = w, k
		}
		if k == t {
			break
		}
	}
	return days, kind
}

// CatalogDays is D_cat(T): the days after which a rule may remove the catalog
// objects of tier t. ok is false if none ever does: t is Manual, or nothing is
// kept of it and of the tiers below.
func (p Policy) CatalogDays(t Tier) (days int, ok bool) {
	if t == Manual {
		return 0, false
	}
	held, _ := p.Held(t)
	return held + p.MaxChain, held > 0
}

// DataDays is D_data(T): as CatalogDays, for the data of the tier. Data stays
// longer than the catalog that lists it: by the days the store's rules may be
// late, and those a restore takes that began while it was listed.
func (p Policy) DataDays(t Tier, s Store) (days int, ok bool) {
	days, ok = p.CatalogDays(t)
	return days + p.grace(s), ok
}

// grace is G: the days by which data outlives its catalog.
func (p Policy) grace(s Store) int { return 1 + s.lag() + max(p.Restore, 1) }
