package config

import (
	"fmt"
	"strings"
)

// Retention says how many periods of each kind are kept; 0: none.
type Retention struct {
	Hourly, Daily, Weekly, Monthly, Yearly int
}

// String writes it as the flag --retention has it: daily=14,weekly=8.
func (r Retention) String() string { return r.with(Retention{}) }

// with writes it with a slack: daily=14+2,weekly=8.
func (r Retention) with(slack Retention) string {
	var parts []string
	more := slack.kinds()
	for i, k := range r.kinds() {
		if k.n == 0 {
			continue
		}
		part := fmt.Sprintf("%s=%d", k.name, k.n)
		if more[i].n > 0 {
			part += fmt.Sprintf("+%d", more[i].n)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

type periods struct {
	name string
	n    int
}

func (r Retention) kinds() []periods {
	return []periods{{"hourly", r.Hourly}, {"daily", r.Daily}, {"weekly", r.Weekly}, {"monthly", r.Monthly}, {"yearly", r.Yearly}}
}

// Transition moves data to another storage class.
type Transition struct {
	Days  int // after it was created
	Class string
}

// RetentionText is what the vault keeps, with the slack, as the flag
// --retention has it.
func (v *Vault) RetentionText() string { return v.Retention.with(v.Slack) }

// maxPeriods is more than anybody keeps: a thousand years, or a year of hours.
const maxPeriods = 10_000

// rotationFields are the keys of a vault that say what is kept, and how.
func rotationFields() []field[Vault] {
	days := integer("a number of days", 1, maxPeriods)
	return []field[Vault]{
		bind("retention", retentionKind("a retention", "Whole %s kept beside the current one; 0: none."), func(v *Vault) *Retention { return &v.Retention }).
			describe("How many periods of each kind are kept.", "{daily: 14, monthly: 12}"),
		bind("slack", retentionKind("a slack", "Further %s kept, which make up for ones without a success."), func(v *Vault) *Retention { return &v.Slack }).
			describe("How many further periods of each kind are kept, so that failures cost no restore point.", "{daily: 2}"),
		bind("zone", zoneKind(), func(v *Vault) *string { return &v.Zone }).
			describe("Time zone in which its days, weeks, months and years begin.", "Europe/Berlin").otherwise("UTC"),
		bind("max_chain", days, func(v *Vault) *int { return &v.MaxChain }).
			describe("Days after a full backup within which differentials of it are taken.", "6"),
		bind("max_upload", duration(), func(v *Vault) *string { return &v.MaxUpload }).
			describe("Longest time from the first object of a backup to its manifest.", "48h").otherwise("72h"),
		bind("undo", days, func(v *Vault) *int { return &v.Undo }).
			describe("Days for which what was overwritten or deleted stays as an older version, in stores that keep versions.", "30").otherwise("14"),
		bind("restore_days", days, func(v *Vault) *int { return &v.RestoreDays }).
			describe("Days that the longest restore may take, thawing included.", "3").otherwise("1"),
		bind("transitions", transitionsKind(), func(v *Vault) *map[string]Transition { return &v.Transitions }).
			describe("For each tier, when its data moves to another storage class; its catalog never does.", "{monthly: {days: 30, class: GLACIER_IR}}"),
	}
}

func retentionKind(name, doc string) kind[Retention] {
	number := integer("a number of periods", 0, maxPeriods)
	of := func(unit string) string { return fmt.Sprintf(doc, unit) }
	return object(name, []field[Retention]{
		bind("hourly", number, func(r *Retention) *int { return &r.Hourly }).describe(of("hours"), "24").otherwise("0"),
		bind("daily", number, func(r *Retention) *int { return &r.Daily }).describe(of("days"), "14").otherwise("0"),
		bind("weekly", number, func(r *Retention) *int { return &r.Weekly }).describe(of("weeks"), "8").otherwise("0"),
		bind("monthly", number, func(r *Retention) *int { return &r.Monthly }).describe(of("months"), "12").otherwise("0"),
		bind("yearly", number, func(r *Retention) *int { return &r.Yearly }).describe(of("years"), "3").otherwise("0"),
	}, nil)
}

func transitionsKind() kind[map[string]Transition] {
	one := object("days: and class:", []field[Transition]{
		bind("days", integer("a number of days", 1, maxPeriods), func(t *Transition) *int { return &t.Days }).must().
			describe("Days after an object was created; fewer than it lives.", "30"),
		bind("class", text("a storage class"), func(t *Transition) *string { return &t.Class }).must().
			describe("Storage class, as the store spells it: GLACIER_IR, NEARLINE, Cool.", "GLACIER_IR"),
	}, nil)
	all := mapOf("tiers and their transitions", tierKind(), one)
	return kind[map[string]Transition]{shape: all.shape, read: func(r *reader, n *node) (map[string]Transition, bool) {
		entries, ok := all.read(r, n)
		moves := make(map[string]Transition, len(entries))
		for _, e := range entries {
			moves[e.name] = e.value
		}
		return moves, ok
	}}
}

// checkRotation refuses slack and transitions of what is not kept.
func checkRotation(r *reader, n *node, v *Vault) {
	slack, kept := v.Slack.kinds(), v.Retention.kinds()
	for i, k := range kept {
		if k.n > 0 {
			continue
		}
		if slack[i].n > 0 {
			r.problem(n.get("slack").get(k.name).at, "nothing is kept of "+k.name, "remove it, or keep some with retention")
		}
		if _, moves := v.Transitions[k.name]; moves {
			r.problem(n.get("transitions").get(k.name).at, "nothing is kept of "+k.name, "remove it, or keep some with retention")
		}
	}
}
