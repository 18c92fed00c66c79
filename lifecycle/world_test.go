package lifecycle_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
)

// A world is a history of runs into one vault or two, each with a policy, a
// store and its rules. The writer in it decides as snapferry does, with the
// functions of this package. The store removes each object by itself, at any
// time from the instant on at which one of its rules allows it. The oracle
// knows the policy and which runs succeeded, and counts periods in calendars of
// its own; it never sees days.

const oneDay = 24 * time.Hour

// choices is where a world comes from: rapid, which can make it smaller, or a
// plain generator, of which there can be millions.
type choices func(label string, n int) int

func fromRapid(rt *rapid.T) choices {
	return func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(rt, label) }
}

func fromSeed(seed uint64) choices {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(_ string, n int) int { return r.IntN(n) }
}

func (c choices) odds(label string, percent int) bool { return c(label, 100) >= 100-percent }

type object struct {
	room    lifecycle.Room
	created time.Time
	gone    time.Time // zero: never
}

type backup struct {
	series    int
	id        time.Time // as the clock of its host had it
	tier      lifecycle.Tier
	parent    *backup
	promise   lifecycle.Promise
	t, c0, m  time.Time
	began     time.Time // when its first data object came
	committed bool
	policy    lifecycle.Policy // in force when it was captured
	objects   []object         // capture.json, manifest.json, others

	twin    bool // a second host made it of the same run
	resumed bool
	late    bool           // copied from another vault
	asked   lifecycle.Tier // copied into this tier, since somebody asked for it; or empty
}

// era is the time in which a ruleset was in force.
type era struct {
	from, to time.Time // zero to: still
	policy   lifecycle.Policy
	set      lifecycle.Ruleset
}

type world struct {
	c       choices
	bug     mutant
	vaults  []*vault
	series  int
	pending []event // in the order of time
}

// event is something that a run left to be done.
type event struct {
	at time.Time
	do func(at time.Time)
}

type vault struct {
	*world
	store   lifecycle.Store
	zone    *time.Location
	eras    []era
	foreign []lifecycle.Effect
	backups []*backup
}

const root = "prod"

func newWorld(t interface{ Fatal(...any) }, c choices, bug mutant) *world {
	w := &world{c: c, bug: bug, series: 1 + c("series", 3)}
	start := time.Unix(1_710_000_000+int64(c("start", 3650))*86400, 0)
	for range 1 + c("vaults", 4)/3 {
		w.vaults = append(w.vaults, w.newVault(t, start))
	}
	w.run(start)
	for _, v := range w.vaults {
		v.remove()
	}
	return w
}

func (w *world) newVault(t interface{ Fatal(...any) }, start time.Time) *vault {
	names, c := zones(), w.c
	v := &vault{world: w, zone: zone(t, names[c("zone", len(names))])}
	v.store = []lifecycle.Store{lifecycle.S3, lifecycle.S3Compatible, lifecycle.GCS, lifecycle.Azure}[c("store", 4)]
	if c.odds("foreign rule", 25) {
		v.foreign = append(v.foreign, lifecycle.Effect{Rule: "theirs", Days: 1 + c("foreign days", 60),
			Prefixes: [][]string{{"prod/"}, {"pr"}, nil, {"other/"}, {"prod/daily/data/"}}[c("foreign prefix", 5)]})
	}
	v.apply(start, v.drawPolicy())
	return v
}

func (v *vault) drawPolicy() lifecycle.Policy {
	p := lifecycle.Policy{Zone: v.zone}
	for i, at := range []*lifecycle.Keep{&p.Hourly, &p.Daily, &p.Weekly, &p.Monthly, &p.Yearly} {
		most, percent := []int{30, 20, 5, 5, 2}[i], []int{15, 75, 50, 50, 20}[i]
		if v.c.odds("kept", percent) {
			*at = lifecycle.Keep{Count: 1 + v.c("count", most), Slack: max(0, v.c("slack", 5)-2)}
		}
	}
	if p.Base() == lifecycle.Manual {
		p.Daily.Count = 1 + v.c("count", 20)
	}
	if v.c.odds("chains", 40) {
		p.MaxChain = 1 + v.c("chain", 10)
	}
	return p
}

// apply puts rules in force, unless they break a promise that was made.
func (v *vault) apply(now time.Time, p lifecycle.Policy) {
	rules := p.Rules(v.store)
	for i := range rules {
		r := &rules[i]
		switch {
		case r.Action != lifecycle.Expire:
		case v.bug == oneDayShort:
			r.Days--
		case v.bug == noMaximum && p.Keep(r.Tier).Count > 0:
			held, _ := p.Held(r.Tier)
			r.Days += p.Window(r.Tier) - held
		case v.bug == catalogLikeData && r.Room == lifecycle.Data:
			r.Days = 1
		}
	}
	if v.bug == keptAlone {
		rules = slices.DeleteFunc(rules, func(r lifecycle.Rule) bool { return p.Keep(r.Tier).Count == 0 })
	}
	set := v.store.Ruleset(root, rules)
	if v.bug == rulesTooWide {
		for i, e := range set.Effects {
			set.Effects[i].Prefixes = []string{strings.TrimSuffix(e.Prefixes[0], "/catalog/")}
		}
	}
	set.Effects = append(set.Effects, v.foreign...)
	next := era{from: now, policy: p, set: set}
	if n := len(v.eras); n > 0 {
		sets := v.replaced(now, next)
		for _, b := range v.backups {
			if b.committed && !b.promise.Until.IsZero() && now.Before(b.promise.Until) && !lifecycle.FloorOf(b.closure(), sets...).Covers(b.promise.Until) {
				return
			}
		}
		v.eras[n-1].to = now
	}
	v.eras = append(v.eras, next)
}

// replaced are the rulesets that count once next is in force.
func (v *vault) replaced(now time.Time, next era) []lifecycle.Ruleset {
	sets := v.sets(now)
	sets[0].Ended = now.Add(lifecycle.RuleDelay)
	return append([]lifecycle.Ruleset{next.set}, sets...)
}

// sets are the rulesets the program knows of, the live one first.
func (v *vault) sets(now time.Time) []lifecycle.Ruleset {
	var sets []lifecycle.Ruleset
	for _, e := range slices.Backward(v.eras) {
		if e.from.After(now) {
			continue
		}
		set := e.set
		if !e.to.IsZero() && !e.to.After(now) {
			if v.bug == historyIgnored {
				continue
			}
			set.Ended = e.to.Add(lifecycle.RuleDelay)
		}
		if v.bug == foreignIgnored {
			set.Effects = slices.DeleteFunc(slices.Clone(set.Effects), func(e lifecycle.Effect) bool { return len(e.Prefixes) == 0 || len(e.Prefixes[0]) <= len(root)+1 })
		}
		sets = append(sets, set)
	}
	return sets
}

// remove lets the store remove what its rules allow: at once, later, or never.
func (v *vault) remove() {
	for _, b := range v.backups {
		spread := max(int(b.m.Sub(b.began)/time.Second), 1)
		b.objects = []object{{lifecycle.Catalog, b.c0, time.Time{}}, {lifecycle.Catalog, b.m, time.Time{}}}
		for _, room := range []lifecycle.Room{lifecycle.Catalog, lifecycle.Data, lifecycle.Data} {
			b.objects = append(b.objects, object{room, b.began.Add(time.Duration(v.c("object", spread)) * time.Second), time.Time{}})
		}
		for i := range b.objects {
			o := &b.objects[i]
			first, ever := v.allowed(b, o)
			if !ever || v.c.odds("survives", 20) {
				continue
			}
			o.gone = first
			if v.c.odds("waits", 30) {
				o.gone = first.Add(time.Duration(v.c("waits", 200)) * time.Hour)
			}
		}
	}
}

// allowed is the first instant at which the store may remove an object, as the
// vendors describe it: days of 24 hours after its creation, on S3 the midnight
// after; by any rule in force, or that was in force within two days.
func (v *vault) allowed(b *backup, o *object) (first time.Time, ever bool) {
	key := fmt.Sprintf("%s/%s/%s/s%d/x", root, b.tier, o.room, b.series)
	for _, e := range v.eras {
		for _, x := range e.set.Effects {
			if x.Class != "" || !acts(x, key) {
				continue
			}
			at := o.created.Add(time.Duration(x.Days) * oneDay)
			if over := at.Unix() % 86400; v.store == lifecycle.S3 && over > 0 {
				at = time.Unix(at.Unix()-over+86400, 0)
			}
			at = later(at, e.from)
			if (e.to.IsZero() || at.Before(e.to.Add(48*time.Hour))) && (!ever || at.Before(first)) {
				first, ever = at, true
			}
		}
	}
	return first, ever
}

// acts reports whether a rule is for the object of that key.
func acts(x lifecycle.Effect, key string) bool {
	return len(x.Prefixes) == 0 || slices.ContainsFunc(x.Prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}
