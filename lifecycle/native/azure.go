package native

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/lifecycle"
)

// azureLanguage is the JSON of the management policy of an Azure storage
// account, whose rules are for all its containers. Rules have names of letters
// and digits.
type azureLanguage struct{}

func (azureLanguage) limit() int                  { return 100 }
func (azureLanguage) named() bool                 { return true }
func (azureLanguage) canonical(raw []byte) string { return canonicalJSON(raw) }
func (azureLanguage) empty() (head, tail []byte)  { return []byte(`{"rules":[`), []byte(`]}`) }

func (azureLanguage) split(body []byte) (head, tail []byte, rules []rule, err error) {
	return splitJSON(body, "rules")
}

func (azureLanguage) join(head, tail []byte, rules []rule) []byte { return joinJSON(head, tail, rules) }

// azureRead is a rule as far as its outer members go.
type azureRead struct {
	Name       string `json:"name"`
	Enabled    *bool  `json:"enabled"`
	Type       string `json:"type"`
	Definition struct {
		Filters map[string]json.RawMessage `json:"filters"`
		Actions map[string]json.RawMessage `json:"actions"`
	} `json:"definition"`
}

func (azureLanguage) read(r *rule, container string) error {
	var x azureRead
	if err := json.Unmarshal(r.raw, &x); err != nil {
		return err
	}
	if x.Name != "" {
		r.name = x.Name
	}
	if x.Enabled != nil && !*x.Enabled {
		return nil
	}
	if x.Type != "" && x.Type != "Lifecycle" {
		r.unknown = append(r.unknown, "type "+x.Type)
		return nil
	}
	base, touches, err := azureFilters(x.Definition.Filters, container)
	if err != nil || !touches {
		return err
	}
	for _, target := range sortedKeys(x.Definition.Actions) {
		actions, err := members(x.Definition.Actions[target])
		if err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		for _, name := range sortedKeys(actions) {
			e := base
			switch target {
			case "baseBlob":
			case "version", "snapshot":
				e.Noncurrent = true
			default:
				r.unknown = append(r.unknown, target)
				continue
			}
			if err := azureAction(r, e, name, actions[name]); err != nil {
				return fmt.Errorf("%s.%s: %w", target, name, err)
			}
		}
	}
	return nil
}

// azureFilters returns what the rule is for; touches is false if it is for no
// object of ours.
func azureFilters(filters map[string]json.RawMessage, container string) (e lifecycle.Effect, touches bool, err error) {
	touches = true
	for name, value := range filters {
		var texts []string
		switch name {
		case "blobTypes":
			if err := json.Unmarshal(value, &texts); err != nil {
				return e, false, fmt.Errorf("%s: %w", name, err)
			}
			touches = touches && slices.Contains(texts, "blockBlob")
		case "prefixMatch":
			if err := json.Unmarshal(value, &texts); err != nil {
				return e, false, fmt.Errorf("%s: %w", name, err)
			}
			if len(texts) > 0 {
				prefixes, all := azurePrefixes(texts, container)
				e.Prefixes, touches = prefixes, touches && (all || len(prefixes) > 0)
			}
		default:
			e.Partial = true
		}
	}
	return e, touches, nil
}

// azurePrefixes are the prefixes of keys within the container; all is true if
// one of them is for the whole of it, and the rest does not matter.
func azurePrefixes(texts []string, container string) (prefixes []string, all bool) {
	for _, text := range texts {
		if strings.HasPrefix(container+"/", text) {
			return nil, true
		}
		if key, ok := strings.CutPrefix(text, container+"/"); ok {
			prefixes = append(prefixes, key)
		}
	}
	return prefixes, false
}

// azureAction adds one action. Our blobs are never modified, so modification is
// creation, and none was read before it was created.
func azureAction(r *rule, e lifecycle.Effect, name string, value json.RawMessage) error {
	switch name {
	case "delete":
	case "tierToHot", "tierToCool", "tierToCold", "tierToArchive":
		e.Class = strings.TrimPrefix(name, "tierTo")
	case "enableAutoTierToHotFromCool":
		return nil
	default:
		r.unknown = append(r.unknown, name)
		return nil
	}
	conditions, err := members(value)
	if err != nil {
		return err
	}
	for condition, value := range conditions {
		if string(value) == "null" {
			continue
		}
		switch condition {
		case "daysAfterCreationGreaterThan", "daysAfterModificationGreaterThan", "daysAfterLastAccessTimeGreaterThan":
			days, err := wholeDays(value)
			if err != nil {
				return fmt.Errorf("%s: %w", condition, err)
			}
			e.Days = max(e.Days, days) // all must be met
			e.Partial = e.Partial || strings.Contains(condition, "Access")
		default:
			e.Partial = true
		}
	}
	r.effects = append(r.effects, e)
	return nil
}

// azureName is the name of a room's rule. One policy is for all containers of an
// account, so that vaults with the same prefix in two of them need two names.
func azureName(container, root string, t lifecycle.Tier, room lifecycle.Room) string {
	return "snapferry" + rootID(container+"/"+root) + string(t) + string(room)
}

func (azureLanguage) owned(r *rule, container, root string) (lifecycle.Tier, bool) {
	for _, p := range places() {
		if r.name == azureName(container, root, p.tier, p.room) {
			return p.tier, true
		}
	}
	return "", false
}

// The JSON of our rules.
type (
	azureRule struct {
		Name       string          `json:"name"`
		Enabled    bool            `json:"enabled"`
		Type       string          `json:"type"`
		Definition azureDefinition `json:"definition"`
	}
	azureDefinition struct {
		Filters azureFilter                          `json:"filters"`
		Actions map[string]map[string]map[string]int `json:"actions"`
	}
	azureFilter struct {
		BlobTypes   []string `json:"blobTypes"`
		PrefixMatch []string `json:"prefixMatch"`
	}
)

func (azureLanguage) write(container, root string, rules []lifecycle.Rule) (raws [][]byte, err error) {
	for _, g := range groups(rules) {
		r, err := azureRuleOf(container, root, g)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		raws = append(raws, raw)
	}
	return raws, nil
}

// azureRuleOf is the rule of a tier's room. Versions and snapshots count from
// their creation, not from when they became old: the days to undo come on top
// of those the object itself had. Abandoned uploads go by themselves.
func azureRuleOf(container, root string, g *group) (azureRule, error) {
	r := azureRule{Name: azureName(container, root, g.tier, g.room), Enabled: true, Type: "Lifecycle", Definition: azureDefinition{
		Filters: azureFilter{[]string{"blockBlob"}, []string{container + "/" + lifecycle.Prefix(root, g.tier, g.room)}},
		Actions: map[string]map[string]map[string]int{"baseBlob": {}},
	}}
	created := func(days int) map[string]int { return map[string]int{"daysAfterCreationGreaterThan": days} }
	actions := r.Definition.Actions
	life, expires := g.days(lifecycle.Expire)
	if expires {
		actions["baseBlob"]["delete"] = created(life)
	}
	if undo, ok := g.days(lifecycle.ExpireNoncurrent); ok && expires {
		actions["version"] = map[string]map[string]int{"delete": created(life + undo)}
		actions["snapshot"] = map[string]map[string]int{"delete": created(life + undo)}
	}
	for _, x := range g.rules {
		if x.Action != lifecycle.Transition {
			continue
		}
		class := x.Class
		if !slices.Contains([]string{"Cool", "Cold", "Archive"}, class) {
			return r, fmt.Errorf("%w: Azure knows Cool, Cold and Archive, not %q", ErrClass, class)
		}
		actions["baseBlob"]["tierTo"+class] = map[string]int{"daysAfterModificationGreaterThan": x.Days}
	}
	return r, nil
}
