// Package lifecycle holds the policy side of rotation: tiers, what is kept of
// them and for how many days, the rules that expire them, and what those leave of
// a promise. It is pure: no I/O, no clock, no cloud SDK.
package lifecycle

import (
	"fmt"
	"slices"
	"strings"
)

// Tier is the shelf a backup stands on, and the first part of its key: the
// bucket's rules act on it. Manual is never expired by a rule of ours.
type Tier string

// The tiers, from the one kept shortest to the one kept longest.
const (
	Hourly  Tier = "hourly"
	Daily   Tier = "daily"
	Weekly  Tier = "weekly"
	Monthly Tier = "monthly"
	Yearly  Tier = "yearly"
	Manual  Tier = "manual"
)

// Tiers lists all tiers in the order above.
func Tiers() []Tier { return []Tier{Hourly, Daily, Weekly, Monthly, Yearly, Manual} }

// Holds reports whether backups of the tier may stand for periods of a kind:
// for those of its own, and for shorter ones.
func (t Tier) Holds(kind Tier) bool {
	all := Tiers()
	return t != Manual && kind != Manual && slices.Index(all, t) >= slices.Index(all, kind)
}

// ParseTier returns the tier of that name, or an error that lists them all.
func ParseTier(s string) (Tier, error) {
	names := make([]string, 0, len(Tiers()))
	for _, t := range Tiers() {
		if string(t) == s {
			return t, nil
		}
		names = append(names, string(t))
	}
	return "", fmt.Errorf("unknown tier %q: one of %s", s, strings.Join(names, ", "))
}
