package lifecycle

import "fmt"

// Room is one of the two parts of a tier: rules act on each by itself.
type Room string

// The rooms: what lists and describes backups, and their segments.
const (
	Catalog Room = "catalog"
	Data    Room = "data"
)

// Doctor and Canary are where doctor puts an object that rules must remove: its
// rule tells whether the store runs what it keeps. No backup has this tier.
const (
	Doctor Tier = "doctor"
	Canary Room = "canary"
)

// CanaryDays is how long a canary lives by its rule.
const CanaryDays = 1

// Prefix is where the keys of a tier's room begin, in a vault below root: ""
// or a prefix without a slash at its end.
func Prefix(root string, t Tier, r Room) string {
	if root != "" {
		root += "/"
	}
	return root + string(t) + "/" + string(r) + "/"
}

// Action is what a rule does.
type Action string

// The actions.
const (
	Expire           Action = "expire"            // the object goes; where versions are kept it becomes an older one
	ExpireNoncurrent Action = "expire-noncurrent" // older versions go, so many days after they became that
	RemoveMarkers    Action = "remove-markers"    // delete markers that hide nothing go
	AbortUploads     Action = "abort-uploads"     // parts of uploads that nobody completed go
	Transition       Action = "change-class"      // the object moves to another storage class
)

// Rule is one lifecycle rule of ours, in no store's language.
type Rule struct {
	Tier   Tier
	Room   Room
	Action Action
	Days   int    // after creation, or after becoming an older version; whole days of 24 hours
	Class  string // of a Transition
}

func (r Rule) String() string {
	s := fmt.Sprintf("%s/%s: %s", r.Tier, r.Room, r.Action)
	if r.Class != "" {
		s += " to " + r.Class
	}
	if r.Days > 0 {
		s += " after " + inDays(r.Days)
	}
	return s
}

// abortDays is when uploads in parts are given up; snapferry makes none.
const abortDays = 7

// Rules returns the rules that keep a vault of this policy in a store: those
// of a tier together, the tiers in order, and that of canaries last. Tiers whose
// backups live for ever have none.
func (p Policy) Rules(s Store) []Rule {
	var rules []Rule
	held := 0
	for _, t := range kinds() {
		if held = max(held, p.Window(t)); held == 0 {
			continue
		}
		for _, room := range []Room{Catalog, Data} {
			days := held + p.MaxChain
			if room == Data {
				days += p.grace(s)
			}
			rules = append(rules, Rule{t, room, Expire, days, ""}, Rule{t, room, ExpireNoncurrent, p.UndoDays(), ""},
				Rule{t, room, RemoveMarkers, 0, ""}, Rule{t, room, AbortUploads, abortDays, ""})
		}
		if move := p.Keep(t).Move; move.Days > 0 {
			rules = append(rules, Rule{t, Data, Transition, move.Days, move.Class})
		}
	}
	if held > 0 {
		rules = append(rules, Rule{Doctor, Canary, Expire, CanaryDays, ""}, Rule{Doctor, Canary, ExpireNoncurrent, CanaryDays, ""},
			Rule{Doctor, Canary, RemoveMarkers, 0, ""})
	}
	return rules
}
