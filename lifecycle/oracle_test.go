package lifecycle_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// The oracle: what is promised of a world, by calendars of its own.

// intact reports whether all that b needs is there. A listing shows what has
// no manifest yet as such.
func (b *backup) intact(now time.Time) bool {
	for ; b != nil; b = b.parent {
		if !b.committed || b.m.After(now) {
			return false
		}
		for _, o := range b.objects {
			if !o.gone.IsZero() && !o.gone.After(now) {
				return false
			}
		}
	}
	return true
}

// listed reports whether the program calls b restorable.
func (w *world) listed(b *backup, now time.Time) bool {
	members := w.seen(b)
	for i, x := 0, b; i < len(members); i, x = i+1, x.parent {
		capture, manifest := x.objects[0], x.objects[1]
		there := func(o object) bool { return !o.created.After(now) && (o.gone.IsZero() || o.gone.After(now)) }
		members[i].Complete = x.committed && there(manifest) && there(capture)
	}
	if w.bug == manifestAlone {
		o := b.objects[1]
		return b.committed && !o.created.After(now) && (o.gone.IsZero() || o.gone.After(now))
	}
	return lifecycle.Restorable(members, lifecycle.FloorOf(members, w.sets(now)...), now)
}

// index counts the periods of a calendar.
func index(k lifecycle.Tier, t time.Time, z *time.Location) int {
	y, m, d := t.In(z).Date()
	days := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	switch k {
	case lifecycle.Hourly:
		return int(t.Unix() / 3600)
	case lifecycle.Daily:
		return days
	case lifecycle.Weekly:
		return (days + 3) / 7 // 1 January 1970 was a Thursday
	case lifecycle.Monthly:
		return 12*y + int(m)
	default:
		return y
	}
}

// violation looks at the world at one instant.
func (w *world) violation(now time.Time) string {
	listed := make([]bool, len(w.backups))
	for i, b := range w.backups {
		listed[i] = w.listed(b, now)
		if listed[i] && !b.intact(now) {
			return fmt.Sprintf("at %v the backup of %v is listed, and something it needs is gone", now, b.c0)
		}
	}
	if len(w.eras) > 1 || len(w.foreign) > 0 && w.foreignHarms() {
		return "" // the promise is of rules that stay; foreign ones are a warning at commit
	}
	p := w.eras[0].policy
	for i, b := range w.backups {
		if !b.committed || b.m.After(now) {
			continue
		}
		for _, k := range kinds() {
			keep := p.Keep(k)
			z := w.zone
			of := index(k, b.t, z)
			if b.chosen && !b.tier.Holds(k) {
				continue // whoever chose the tier chose no more
			}
			if keep.Count == 0 || max(index(k, now, z), index(k, now.Add(-time.Hour), z)) > of+keep.Count+keep.Slack {
				continue
			}
			if k == base(p) && !listed[i] {
				return fmt.Sprintf("at %v the %s backup of %v is not restorable", now, k, b.c0)
			}
			if !slices.ContainsFunc(w.backups, func(o *backup) bool {
				j := slices.Index(w.backups, o)
				return o.series == b.series && index(k, o.t, z) == of && listed[j]
			}) {
				return fmt.Sprintf("at %v nothing is left of the %s period of %v", now, k, b.t)
			}
		}
	}
	return ""
}

func base(p lifecycle.Policy) lifecycle.Tier {
	for _, k := range kinds() {
		if p.Keep(k).Count > 0 {
			return k
		}
	}
	return lifecycle.Manual
}

func (w *world) foreignHarms() bool {
	return w.foreign[0].Prefixes == nil || w.foreign[0].Prefixes[0] != "other/"
}

// check looks at the instants around which something changes.
func (w *world) check() string {
	var at []time.Time
	for _, b := range w.backups {
		for _, o := range b.objects {
			if !o.gone.IsZero() {
				at = append(at, o.gone)
			}
		}
		at = append(at, b.m, b.promise.Until.Add(-1))
		for _, k := range kinds() {
			if u := b.policy.Until(k, b.t); !u.IsZero() {
				at = append(at, u.Add(-1))
			}
		}
	}
	for range min(40, len(at)) {
		if bad := w.violation(at[w.c("look", len(at))]); bad != "" {
			return bad
		}
	}
	return ""
}
