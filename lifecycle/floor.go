package lifecycle

import (
	"errors"
	"fmt"
	"time"
)

// Member is one backup as the rules see it.
type Member struct {
	Name    string    // for people
	Created time.Time // c0: the store's time of capture.json, its first object
	// Complete: capture.json and manifest.json are both listed.
	Complete bool
	// Catalog and Data are where the keys of its objects begin.
	Catalog, Data string
}

// Floor is the earliest instant at which a rule may remove any object that a
// backup needs: it is restorable until then. The zero value is never.
type Floor struct {
	At     time.Time
	Effect *Effect // which rule does it; nil: none
	Member string  // and to which backup of the chain
}

// Never reports whether no rule ever acts.
func (f Floor) Never() bool { return f.Effect == nil }

// Holds reports whether nothing of the backup may have gone at that instant.
func (f Floor) Holds(now time.Time) bool { return f.Never() || now.Before(f.At) }

// Covers reports whether the floor is not before until; a zero until is for
// ever.
func (f Floor) Covers(until time.Time) bool {
	return f.Never() || !until.IsZero() && !f.At.Before(until)
}

// FloorOf returns the floor of a backup from its closure, the backup and all
// those it needs, under every one of the rulesets: the live one, and those it
// replaced. What an earlier one may have removed while it was live, or a store
// that had not noticed its end, no later one brings back.
func FloorOf(closure []Member, sets ...Ruleset) Floor {
	var f Floor
	for _, m := range closure {
		for _, set := range sets {
			for _, prefix := range []string{m.Catalog, m.Data} {
				if at, by := set.Earliest(prefix, m.Created); by != nil && (f.Never() || at.Before(f.At)) {
					f = Floor{At: at, Effect: by, Member: m.Name}
				}
			}
		}
	}
	return f
}

// Restorable reports whether a backup of this closure may be restored: every
// member is complete, and no rule may have removed anything yet.
func Restorable(closure []Member, f Floor, now time.Time) bool {
	for _, m := range closure {
		if !m.Complete {
			return false
		}
	}
	return len(closure) > 0 && f.Holds(now)
}

// LastPoint returns when the last of the backups with these floors goes, if no
// other is made: the emptiness date of a series. never is true if one of them
// is kept for ever.
func LastPoint(floors []Floor) (last time.Time, never bool) {
	for _, f := range floors {
		if f.Never() {
			return time.Time{}, true
		}
		if f.At.After(last) {
			last = f.At
		}
	}
	return last, false
}

// The reasons for which a backup must not go on.
var (
	// ErrLate: its manifest would come too late after its first object.
	ErrLate = errors.New("it took longer than an upload may")
	// ErrExpiring: a rule may remove what it needs.
	ErrExpiring = errors.New("a lifecycle rule may already remove what it needs")
)

// MayExtend reports whether a differential promised until then may be taken
// onto the chain whose closure has this floor: else it would outlive what it
// needs, and a full backup is due. root is the time of the chain's first
// object.
func (p Policy) MayExtend(f Floor, root, now, until time.Time) bool {
	return p.MaxChain > 0 && !now.After(root.Add(time.Duration(p.MaxChain)*day)) && f.Covers(until)
}

// MayCommit refuses a manifest with ErrLate or ErrExpiring: a late one would
// bring back to life what the rules have begun to remove. created is c0.
func (p Policy) MayCommit(f Floor, created, now time.Time) error {
	if took, limit := now.Sub(created), p.UploadLimit(); took > limit {
		return fmt.Errorf("%w: %s since its first object, %s are allowed", ErrLate, took.Round(time.Minute), limit)
	}
	if !f.Holds(now) {
		return fmt.Errorf("%w: since %s, %s", ErrExpiring, f.At.UTC().Format(time.RFC3339), f.Effect)
	}
	return nil
}
