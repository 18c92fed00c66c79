package lifecycle

import (
	"fmt"
	"time"
)

// Conflict is a rule of somebody else that may remove what a policy keeps.
type Conflict struct {
	Effect Effect
	Tier   Tier // of which it removes something; the longest kept one
	Kind   Tier // whose window decides: Tier, or one below it
	Keep   Keep // of that kind
	Window int  // days
	Chain  int  // days a chain of differentials may add
	Needs  int  // days that the backups of the tier must stay
}

func (c *Conflict) String() string {
	s := fmt.Sprintf("%s, and %s must stay %s: %s keeps %s", &c.Effect, c.Tier, inDays(c.Needs), c.Kind, keptText(c.Kind, c.Keep, c.Window))
	if c.Chain > 0 {
		s += fmt.Sprintf(", plus a chain of %d", c.Chain)
	}
	if c.Effect.Partial {
		s += "; it has conditions that may leave them out"
	}
	return s
}

// Conflicts lists the rules of others that may remove new backups of a vault
// below root before the policy allows it: one for each rule, with the tier that
// needs the most.
func (p Policy) Conflicts(set Ruleset, root string, now time.Time) (all []Conflict) {
	for _, e := range set.Effects {
		if e.Own || !e.Removes() || !e.CreatedBefore.IsZero() && !e.CreatedBefore.After(now) {
			continue
		}
		var worst *Conflict
		for _, t := range kinds() {
			days, ok := p.CatalogDays(t)
			if !ok || e.Days >= days || !e.touches(Prefix(root, t, Catalog)) && !e.touches(Prefix(root, t, Data)) {
				continue
			}
			window, kind := p.Held(t)
			worst = &Conflict{Effect: e, Tier: t, Kind: kind, Keep: p.Keep(kind), Window: window, Chain: p.MaxChain, Needs: days}
		}
		if worst != nil {
			all = append(all, *worst)
		}
	}
	return all
}
