package lifecycle_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

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
func (v *vault) listed(b *backup, now time.Time) bool {
	members := v.seen(b)
	for i, x := 0, b; i < len(members); i, x = i+1, x.parent {
		capture, manifest := x.objects[0], x.objects[1]
		there := func(o object) bool { return !o.created.After(now) && (o.gone.IsZero() || o.gone.After(now)) }
		members[i].Complete = x.committed && there(manifest) && there(capture)
	}
	if v.bug == manifestAlone {
		o := b.objects[1]
		return b.committed && !o.created.After(now) && (o.gone.IsZero() || o.gone.After(now))
	}
	return lifecycle.Restorable(members, lifecycle.FloorOf(members, v.sets(now)...), now)
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

// violation looks at the vault at one instant.
func (v *vault) violation(now time.Time, pruned bool) string {
	listed := make([]bool, len(v.backups))
	for i, b := range v.backups {
		listed[i] = v.listed(b, now)
		if listed[i] && !b.intact(now) {
			return fmt.Sprintf("at %v the backup of %v is listed, and something it needs is gone", now, b.c0)
		}
	}
	if len(v.eras) > 1 || len(v.foreign) > 0 && v.foreignHarms() {
		return "" // the promise is of rules that stay; foreign ones are a warning at commit
	}
	if bad := v.broken(now, listed); bad != "" || !pruned {
		return bad
	}
	v.prune(now, listed)
	if bad := v.broken(now, listed); bad != "" {
		return "after prune, " + bad
	}
	return ""
}

// prune leaves listed what would be, had nothing removed anything but prune.
func (v *vault) prune(now time.Time, listed []bool) {
	items := make([]lifecycle.Item, len(v.backups))
	for i, b := range v.backups {
		items[i] = lifecycle.Item{Series: fmt.Sprint(b.series), Tier: b.tier, Time: b.t, Complete: b.committed && !b.m.After(now), ID: fmt.Sprint(i)}
		if items[i].Complete {
			items[i].Promise = &b.promise
		}
		if b.parent != nil {
			items[i].Parent = fmt.Sprint(slices.Index(v.backups, b.parent))
		}
	}
	verdicts := v.eras[0].policy.Prune(items, now, 1)
	for i := range v.backups {
		listed[i] = items[i].Complete && !verdicts[i].Remove
		for p := v.backups[i].parent; p != nil; p = p.parent {
			listed[i] = listed[i] && !verdicts[slices.Index(v.backups, p)].Remove
		}
	}
}

// broken tells a promise that what is listed does not keep.
func (v *vault) broken(now time.Time, listed []bool) string {
	p, z := v.eras[0].policy, v.zone
	for _, k := range kinds() {
		keep := p.Keep(k)
		if keep.Count == 0 {
			continue
		}
		is := max(index(k, now, z), index(k, now.Add(-time.Hour), z))
		of := make([]int, len(v.backups))
		for i, b := range v.backups {
			of[i] = index(k, b.t, z)
		}
		for i, b := range v.backups {
			if b.asked != "" && !b.asked.Holds(k) {
				continue // whoever chose the tier chose no more
			}
			if !b.committed || b.m.After(now) || is > of[i]+keep.Count+keep.Slack {
				continue
			}
			if k == base(p) && !listed[i] {
				return fmt.Sprintf("at %v the %s backup of %v is not restorable", now, k, b.c0)
			}
			if !listed[i] && !v.some(listed, func(j int, o *backup) bool { return o.series == b.series && of[j] == of[i] }) {
				return fmt.Sprintf("at %v nothing is left of the %s period of %v", now, k, b.t)
			}
			if b.asked == k && !listed[i] {
				return fmt.Sprintf("at %v the backup of %v that was kept as %s is not restorable", now, b.t, k)
			}
		}
	}
	return ""
}

func (v *vault) some(listed []bool, fits func(int, *backup) bool) bool {
	for j, o := range v.backups {
		if listed[j] && fits(j, o) {
			return true
		}
	}
	return false
}

func base(p lifecycle.Policy) lifecycle.Tier {
	for _, k := range kinds() {
		if p.Keep(k).Count > 0 {
			return k
		}
	}
	return lifecycle.Manual
}

func (v *vault) foreignHarms() bool {
	return v.foreign[0].Prefixes == nil || v.foreign[0].Prefixes[0] != "other/"
}

// unclean tells what stays too long, and what goes that is none of ours.
func (v *vault) unclean() string {
	for _, e := range v.eras {
		for _, x := range e.set.Effects {
			for _, key := range []string{"prod/manual/data/s0/x", "prod/daily.txt", "prod/daily/notes", "prod/weekly-report/data/x", "prod2/daily/data/x", "x"} {
				if x.Own && acts(x, key) {
					return fmt.Sprintf("%s acts on %s", &x, key)
				}
			}
		}
	}
	if len(v.eras) > 1 {
		return "" // it is job that keeps the rules of tiers that are not empty
	}
	p := v.eras[0].policy
	for _, b := range v.backups {
		if !b.tier.Holds(base(p)) {
			continue
		}
		for i := range b.objects {
			o := &b.objects[i]
			end, ever := v.allowed(b, o)
			if most := o.created.Add(longest(p, b.tier, o.room)); !ever || end.After(most) {
				return fmt.Sprintf("an object of %s in %s of %v may stay until %v (%v), %v is enough", o.room, b.tier, o.created, end, ever, most)
			}
		}
	}
	return ""
}

// longest is the time after which nothing of a tier is needed by anybody, and
// the delays of the slowest store are over.
func longest(p lifecycle.Policy, tier lifecycle.Tier, room lifecycle.Room) time.Duration {
	units := []time.Duration{time.Hour, 25 * time.Hour, 7*oneDay + time.Hour, 31 * oneDay, 366 * oneDay}
	var most time.Duration
	for i, k := range kinds() {
		if keep := p.Keep(k); keep.Count > 0 && tier.Holds(k) {
			most = max(most, time.Duration(keep.Count+keep.Slack+1)*units[i])
		}
	}
	most += time.Duration(p.MaxChain+2) * oneDay // what rounds up to days and to midnights
	if room == lifecycle.Data {
		most += 9 * oneDay
	}
	return most
}

// check looks at the instants around which something changes.
func (w *world) check() string {
	for i, v := range w.vaults {
		if bad := v.check(); bad != "" {
			return fmt.Sprintf("in vault %d of %d, %s in %s, %d policies, the first %s: %s", i+1, len(w.vaults), v.store, v.zone, len(v.eras), kept(v.eras[0].policy), bad)
		}
	}
	return ""
}

func kept(p lifecycle.Policy) (text string) {
	for _, k := range kinds() {
		if keep := p.Keep(k); keep.Count > 0 {
			text += fmt.Sprintf("%s=%d+%d ", k, keep.Count, keep.Slack)
		}
	}
	return fmt.Sprintf("%schain=%d", text, p.MaxChain)
}

func (v *vault) check() string {
	if bad := v.unclean(); bad != "" {
		return bad
	}
	var at []time.Time
	for _, b := range v.backups {
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
	for i := range min(30, len(at)) {
		if bad := v.violation(at[v.c("look", len(at))], i == 0); bad != "" {
			return bad
		}
	}
	return ""
}
