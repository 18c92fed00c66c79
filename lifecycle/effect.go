package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Effect is what one native rule of a store may do to objects, ours or
// somebody else's. Conditions that cannot be told from an object's name and
// creation count as met: tags, sizes, classes, last access.
type Effect struct {
	Rule string // its id or name, or its number where rules have none: "rule 3"
	Own  bool   // it is one of ours
	// Class is where the object is moved to; empty: it is removed.
	Class string
	// Noncurrent: it acts on older versions alone, never on what is read.
	Noncurrent bool
	Prefixes   []string // of the keys it acts on; none: all
	Days       int      // after creation (or after becoming an older version)
	// NotBefore is a date before which it does not act.
	NotBefore time.Time
	// CreatedBefore: it leaves what was created later; zero: it does not.
	CreatedBefore time.Time
	// Partial: the rule has conditions that were taken as met.
	Partial bool
}

// Removes reports whether the effect takes current objects away.
func (e *Effect) Removes() bool { return e.Class == "" && !e.Noncurrent }

func (e *Effect) String() string {
	s := e.Rule + ": remove"
	if e.Class != "" {
		s = e.Rule + ": move to " + e.Class
	}
	if e.Noncurrent {
		s += " older versions"
	}
	if e.Days > 0 {
		s += " after " + inDays(e.Days)
	}
	if !e.NotBefore.IsZero() {
		s += " from " + e.NotBefore.Format(time.DateOnly)
	}
	if !e.CreatedBefore.IsZero() {
		s += " if created before " + e.CreatedBefore.Format(time.DateOnly)
	}
	switch len(e.Prefixes) {
	case 0:
		s += " everywhere"
	case 1:
		s += fmt.Sprintf(" in %q", e.Prefixes[0])
	default:
		s += fmt.Sprintf(" in %q and %d more", e.Prefixes[0], len(e.Prefixes)-1)
	}
	return s
}

// touches reports whether the effect may act on an object whose key begins
// with prefix: the rule's own prefix may be shorter, or longer and fit some.
func (e *Effect) touches(prefix string) bool {
	for _, p := range e.Prefixes {
		if strings.HasPrefix(prefix, p) || strings.HasPrefix(p, prefix) {
			return true
		}
	}
	return len(e.Prefixes) == 0
}

// Ruleset is what all native rules of a store may do.
type Ruleset struct {
	Store   Store
	Effects []Effect
	// Ended is when the store stopped to act by these rules, since others
	// replaced them; zero: they are live. See RuleDelay.
	Ended time.Time
}

// RuleDelay is how long a store may still act by rules that were replaced:
// GCS and Azure say 24 hours, S3 says no more than "a delay".
const RuleDelay = 48 * time.Hour

// Earliest returns the earliest instant at which a rule may remove an object
// that was created then and whose key begins with prefix, and which rule;
// nil: none ever does. The instant may be past.
func (r Ruleset) Earliest(prefix string, created time.Time) (time.Time, *Effect) {
	return r.earliest(prefix, created, (*Effect).Removes)
}

// Moved is Earliest for the move to another storage class.
func (r Ruleset) Moved(prefix string, created time.Time) (time.Time, *Effect) {
	return r.earliest(prefix, created, func(e *Effect) bool { return e.Class != "" && !e.Noncurrent })
}

// Cleans reports whether some rule surely removes, sooner or later, all current
// objects whose keys begin with prefix, or with older set, all that became older
// versions. A rule with conditions of its own does not.
func (r Ruleset) Cleans(prefix string, older bool) bool {
	for i := range r.Effects {
		e := &r.Effects[i]
		if e.Class != "" || e.Noncurrent != older || e.Partial || !e.CreatedBefore.IsZero() || !r.Ended.IsZero() {
			continue
		}
		if len(e.Prefixes) == 0 || slices.ContainsFunc(e.Prefixes, func(p string) bool { return strings.HasPrefix(prefix, p) }) {
			return true
		}
	}
	return false
}

func (r Ruleset) earliest(prefix string, created time.Time, acts func(*Effect) bool) (first time.Time, by *Effect) {
	for i := range r.Effects {
		e := &r.Effects[i]
		if !acts(e) || !e.touches(prefix) || !e.CreatedBefore.IsZero() && !created.Before(e.CreatedBefore) {
			continue
		}
		at := r.Store.after(created, e.Days)
		if e.NotBefore.After(at) {
			at = e.NotBefore
		}
		if !r.Ended.IsZero() && !at.Before(r.Ended) {
			continue
		}
		if by == nil || at.Before(first) {
			first, by = at, e
		}
	}
	return first, by
}

// Ruleset returns what rules of ours below root do in a store.
func (s Store) Ruleset(root string, rules []Rule) Ruleset {
	set := Ruleset{Store: s}
	for _, r := range rules {
		if r.Action == Expire || r.Action == Transition {
			set.Effects = append(set.Effects, Effect{Rule: r.String(), Own: true, Class: r.Class, Prefixes: []string{Prefix(root, r.Tier, r.Room)}, Days: r.Days})
		}
	}
	return set
}
