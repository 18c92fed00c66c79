package lifecycle

import (
	"fmt"
	"slices"
	"time"
)

// Item is one backup, or what is left of one, as prune sees it.
type Item struct {
	Series string
	Tier   Tier
	// Time is when it was captured, as it says itself: files that were moved
	// may have any age.
	Time     time.Time
	Complete bool
	Promise  *Promise // nil: it has none
	// ID tells it from others of its series, and Parent is the ID of what it
	// is a differential of; empty: it is a full backup.
	ID, Parent string
}

// Verdict is what is to become of an item, and why.
type Verdict struct {
	Remove bool
	Reason string
}

// Prune decides what goes in a vault whose store has no rules: what they would
// have removed, less the last complete backups of each series, what those that
// stay need, and what may still be in the making. last is at least 1.
func (p Policy) Prune(items []Item, now time.Time, last int) []Verdict {
	verdicts := make([]Verdict, len(items))
	lives := map[Tier]int{}
	for _, t := range kinds() {
		if days, ok := p.CatalogDays(t); ok {
			lives[t] = days
		}
	}
	for i := range items {
		verdicts[i] = p.expired(&items[i], lives[items[i].Tier], now)
	}
	newest := map[string]int{} // complete backups of a series that were seen
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return items[b].Time.Compare(items[a].Time) })
	for _, i := range order {
		x := &items[i]
		if !x.Complete {
			continue
		}
		if newest[x.Series]++; newest[x.Series] <= max(last, 1) && verdicts[i].Remove {
			verdicts[i] = Verdict{Reason: "one of the last of its series"}
		}
	}
	for _, i := range order { // children come before their parents
		if !verdicts[i].Remove {
			keepParents(items, verdicts, i)
		}
	}
	return verdicts
}

// keepParents keeps what a backup that stays needs.
func keepParents(items []Item, verdicts []Verdict, i int) {
	for items[i].Parent != "" {
		parent := -1
		for j := range items {
			if items[j].Series == items[i].Series && items[j].ID == items[i].Parent && items[j].Complete {
				if parent = j; verdicts[j].Remove {
					verdicts[j] = Verdict{Reason: "needed by " + items[i].ID}
				}
			}
		}
		if parent < 0 {
			return
		}
		i = parent
	}
}

// expired says whether rules would have removed an item, which lives so many
// days; 0: for ever.
func (p Policy) expired(x *Item, days int, now time.Time) Verdict {
	if days == 0 {
		return Verdict{Reason: "kept for ever"}
	}
	end, why := x.Time.Add(time.Duration(days)*day), p.stands(x)
	if x.Promise != nil && x.Promise.Until.After(end) {
		end = x.Promise.Until
	}
	if made := x.Time.Add(p.UploadLimit()); made.After(end) {
		end, why = made, "it may still be in the making"
	}
	when := end.In(p.zone()).Format(time.DateOnly)
	if now.Before(end) {
		return Verdict{Reason: fmt.Sprintf("%s, until %s", why, when)}
	}
	return Verdict{Remove: true, Reason: fmt.Sprintf("%s, until %s", why, when)}
}

// stands says what an item is kept for: "daily 2026-11-25, monthly 2026-11".
func (p Policy) stands(x *Item) string {
	if !x.Complete {
		return "not complete"
	}
	if x.Promise == nil || len(x.Promise.Stands) == 0 {
		return string(x.Tier)
	}
	text := ""
	for _, k := range x.Promise.Stands {
		if text != "" {
			text += ", "
		}
		text += string(k) + " " + p.Period(k, x.Promise.Time).String()
	}
	return text
}
