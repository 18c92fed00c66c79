package lifecycle_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
)

// A world is a policy, a store with its rules, and a history of runs. The
// writer in it decides as snapferry does, with the functions of this package.
// The store removes each object by itself, at any time from the instant on at
// which one of its rules allows it. The oracle knows the policy and which runs
// succeeded, and counts periods in calendars of its own; it never sees days.

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

// A mutant is the program with one mistake. Every one of them must be caught.
type mutant string

const (
	none            mutant = "none"
	manifestAlone   mutant = "listing by manifest alone"
	noWriteGuard    mutant = "no guard before a differential"
	oneDayShort     mutant = "rules one day short"
	noMaximum       mutant = "no maximum over lower tiers"
	chainIgnored    mutant = "floors and guards without the chain"
	lateCommit      mutant = "late commit allowed"
	manifestClock   mutant = "floor by the manifest's time"
	promotedLate    mutant = "promotion by the manifest's time"
	foreignIgnored  mutant = "foreign rules one prefix too high ignored"
	seriesShared    mutant = "promotions shared by two series"
	hostClock       mutant = "promotion by the host's clock"
	historyIgnored  mutant = "replaced rules forgotten"
	failureCounts   mutant = "a run that failed takes its period"
	periodsInUTC    mutant = "periods in UTC"
	catalogLikeData mutant = "data removed with its catalog"
)

func mutants() []mutant {
	return []mutant{manifestAlone, noWriteGuard, oneDayShort, noMaximum, chainIgnored, lateCommit, manifestClock, promotedLate,
		foreignIgnored, seriesShared, hostClock, historyIgnored, failureCounts, periodsInUTC, catalogLikeData}
}

type object struct {
	room    lifecycle.Room
	created time.Time
	gone    time.Time // zero: never
}

type backup struct {
	series    int
	parent    *backup
	promise   lifecycle.Promise
	t, c0, m  time.Time
	began     time.Time // when its first data object came
	committed bool
	policy    lifecycle.Policy // in force when it was captured
	objects   []object         // capture.json, manifest.json, others
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
	store   lifecycle.Store
	zone    *time.Location
	eras    []era
	foreign []lifecycle.Effect
	backups []*backup
	end     time.Time
}

const root = "prod"

func newWorld(t interface{ Fatal(...any) }, c choices, bug mutant) *world {
	names := zones()
	w := &world{c: c, bug: bug, zone: zone(t, names[c("zone", len(names))])}
	w.store = []lifecycle.Store{lifecycle.S3, lifecycle.S3Compatible, lifecycle.GCS, lifecycle.Azure}[c("store", 4)]
	start := time.Unix(1_710_000_000+int64(c("start", 3650))*86400, 0)
	if c.odds("foreign rule", 25) {
		w.foreign = append(w.foreign, lifecycle.Effect{Rule: "theirs", Days: 1 + c("foreign days", 60),
			Prefixes: [][]string{{"prod/"}, {"pr"}, nil, {"other/"}, {"prod/daily/data/"}}[c("foreign prefix", 5)]})
	}
	w.apply(start, w.drawPolicy())
	w.run(start)
	w.end = w.backups[len(w.backups)-1].c0.Add(oneDay)
	w.remove()
	return w
}

func (w *world) drawPolicy() lifecycle.Policy {
	p := lifecycle.Policy{Zone: w.zone}
	for i, at := range []*lifecycle.Keep{&p.Hourly, &p.Daily, &p.Weekly, &p.Monthly, &p.Yearly} {
		most, percent := []int{30, 20, 5, 5, 2}[i], []int{15, 75, 50, 50, 20}[i]
		if w.c.odds("kept", percent) {
			*at = lifecycle.Keep{Count: 1 + w.c("count", most), Slack: max(0, w.c("slack", 5)-2)}
		}
	}
	if p.Base() == lifecycle.Manual {
		p.Daily.Count = 1 + w.c("count", 20)
	}
	if w.c.odds("chains", 40) {
		p.MaxChain = 1 + w.c("chain", 10)
	}
	return p
}

// apply puts rules in force, unless they break a promise that was made.
func (w *world) apply(now time.Time, p lifecycle.Policy) {
	rules := p.Rules(w.store)
	for i := range rules {
		r := &rules[i]
		switch {
		case r.Action != lifecycle.Expire:
		case w.bug == oneDayShort:
			r.Days--
		case w.bug == noMaximum && p.Keep(r.Tier).Count > 0:
			held, _ := p.Held(r.Tier)
			r.Days += p.Window(r.Tier) - held
		case w.bug == catalogLikeData && r.Room == lifecycle.Data:
			r.Days = 1
		}
	}
	set := w.store.Ruleset(root, rules)
	set.Effects = append(set.Effects, w.foreign...)
	next := era{from: now, policy: p, set: set}
	if n := len(w.eras); n > 0 {
		sets := w.replaced(now, next)
		for _, b := range w.backups {
			if b.committed && !b.promise.Until.IsZero() && now.Before(b.promise.Until) && !lifecycle.FloorOf(b.closure(), sets...).Covers(b.promise.Until) {
				return
			}
		}
		w.eras[n-1].to = now
	}
	w.eras = append(w.eras, next)
}

// replaced are the rulesets that count once next is in force.
func (w *world) replaced(now time.Time, next era) []lifecycle.Ruleset {
	sets := w.sets(now)
	sets[0].Ended = now.Add(lifecycle.RuleDelay)
	return append([]lifecycle.Ruleset{next.set}, sets...)
}

// sets are the rulesets the program knows of, the live one first.
func (w *world) sets(now time.Time) []lifecycle.Ruleset {
	var sets []lifecycle.Ruleset
	for _, e := range slices.Backward(w.eras) {
		if e.from.After(now) {
			continue
		}
		set := e.set
		if !e.to.IsZero() && !e.to.After(now) {
			if w.bug == historyIgnored {
				continue
			}
			set.Ended = e.to.Add(lifecycle.RuleDelay)
		}
		if w.bug == foreignIgnored {
			set.Effects = slices.DeleteFunc(slices.Clone(set.Effects), func(e lifecycle.Effect) bool { return len(e.Prefixes) == 0 || len(e.Prefixes[0]) <= len(root)+1 })
		}
		sets = append(sets, set)
	}
	return sets
}

func (b *backup) member() lifecycle.Member {
	series := fmt.Sprintf("s%d/", b.series)
	return lifecycle.Member{Name: b.c0.Format(time.RFC3339), Created: b.c0, Complete: b.committed,
		Catalog: lifecycle.Prefix(root, b.promise.Tier, lifecycle.Catalog) + series, Data: lifecycle.Prefix(root, b.promise.Tier, lifecycle.Data) + series}
}

func (b *backup) closure() (members []lifecycle.Member) {
	for ; b != nil; b = b.parent {
		members = append(members, b.member())
	}
	return members
}

// seen is the closure as the mutants see it.
func (w *world) seen(b *backup) []lifecycle.Member {
	members := b.closure()
	if w.bug == chainIgnored {
		members = members[:1]
	}
	if w.bug == manifestClock {
		for i, x := 0, b; i < len(members); i, x = i+1, x.parent {
			members[i].Created = x.m
		}
	}
	return members
}

// run lets time pass: runs that begin, fail, drag on, are repeated, and
// policies that change.
func (w *world) run(now time.Time) {
	step := []time.Duration{time.Hour, 6 * time.Hour, oneDay, oneDay, 7 * oneDay, 30 * oneDay}[w.c("step", 6)]
	series := 1 + w.c("series", 2)
	for range 4 + w.c("runs", 40) {
		now = now.Add(step)
		if w.c.odds("outage", 4) {
			now = now.Add(time.Duration(w.c("days out", 40)) * oneDay)
		}
		if w.c.odds("midnight", 40) {
			y, m, d := now.In(w.zone).Date()
			now = later(now, time.Date(y, m, d, 0, 0, w.c("off", 3)-1, 0, w.zone))
		}
		if w.c.odds("policy change", 3) {
			w.apply(now, w.drawPolicy())
		}
		for s := range series {
			w.begin(s, now)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// begin is one run: what is decided at its first object, and at its last.
func (w *world) begin(series int, t time.Time) {
	p := w.eras[len(w.eras)-1].policy
	b := &backup{series: series, t: t, c0: t.Add(time.Duration(w.c("capture", 90)) * time.Minute), policy: p}
	b.began = b.c0
	took := time.Duration(w.c("upload", 120)) * time.Minute
	if w.c.odds("slow", 6) {
		took = time.Duration(w.c("slow days", 60)) * oneDay
	}
	b.m = b.c0.Add(took)
	at := t
	switch w.bug {
	case promotedLate:
		at = b.m
	case hostClock:
		at = t.Add(time.Duration(w.c("host ahead", 40)) * oneDay)
	default:
	}
	if w.bug == periodsInUTC {
		p.Zone = time.UTC
	}
	taken := func(q lifecycle.Period) bool {
		return slices.ContainsFunc(w.backups, func(o *backup) bool {
			same := o.series == series || w.bug == seriesShared
			done := o.committed && !o.m.After(b.c0) || w.bug == failureCounts
			return same && done && o.promise.StandsFor(q)
		})
	}
	b.promise = p.Promote(at, taken)
	w.extend(b)
	w.backups = append(w.backups, b)
	w.commit(b)
}

// extend makes b a differential of the newest backup where that is allowed.
func (w *world) extend(b *backup) {
	if b.policy.MaxChain == 0 || !w.c.odds("differential", 70) {
		return
	}
	for _, o := range slices.Backward(w.backups) {
		if o.series != b.series || !o.committed || o.m.After(b.c0) {
			continue
		}
		b.parent = o
		rootOf := o
		for rootOf.parent != nil {
			rootOf = rootOf.parent
		}
		f := lifecycle.FloorOf(w.seen(b), w.sets(b.c0)...)
		whole := lifecycle.Restorable(w.seen(o), lifecycle.FloorOf(w.seen(o), w.sets(b.c0)...), b.c0)
		if w.bug != noWriteGuard && !(whole && b.policy.MayExtend(f, rootOf.c0, b.c0, b.promise.Until)) {
			b.parent = nil
		}
		return
	}
}

func (w *world) commit(b *backup) {
	if w.c.odds("failure", 15) {
		return
	}
	f := lifecycle.FloorOf(w.seen(b), w.sets(b.m)...)
	if b.policy.MayCommit(f, b.c0, b.m) != nil {
		if w.bug != lateCommit {
			return
		}
		b.c0 = b.m // capture.json had gone; a run told to go on writes it anew
	}
	b.committed = true
}

// remove lets the store remove what its rules allow: at once, later, or never.
func (w *world) remove() {
	for _, b := range w.backups {
		spread := max(int(b.m.Sub(b.began)/time.Second), 1)
		b.objects = []object{{lifecycle.Catalog, b.c0, time.Time{}}, {lifecycle.Catalog, b.m, time.Time{}}}
		for _, room := range []lifecycle.Room{lifecycle.Catalog, lifecycle.Data, lifecycle.Data} {
			b.objects = append(b.objects, object{room, b.began.Add(time.Duration(w.c("object", spread)) * time.Second), time.Time{}})
		}
		for i := range b.objects {
			o := &b.objects[i]
			first, ever := w.allowed(b, o)
			if !ever || w.c.odds("survives", 20) {
				continue
			}
			o.gone = first
			if w.c.odds("waits", 30) {
				o.gone = first.Add(time.Duration(w.c("waits", 200)) * time.Hour)
			}
		}
	}
}

// allowed is the first instant at which the store may remove an object, as the
// vendors describe it: days of 24 hours after its creation, on S3 the midnight
// after; by any rule in force, or that was in force within two days.
func (w *world) allowed(b *backup, o *object) (first time.Time, ever bool) {
	key := fmt.Sprintf("%s/%s/%s/s%d/x", root, b.promise.Tier, o.room, b.series)
	for _, e := range w.eras {
		for _, x := range e.set.Effects {
			fits := len(x.Prefixes) == 0
			for _, p := range x.Prefixes {
				fits = fits || len(p) <= len(key) && key[:len(p)] == p
			}
			if !fits || x.Class != "" {
				continue
			}
			at := o.created.Add(time.Duration(x.Days) * oneDay)
			if over := at.Unix() % 86400; w.store == lifecycle.S3 && over > 0 {
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
func (w *world) listed(b *backup, now time.Time) bool {
	members := w.seen(b)
	for i, x := 0, b; i < len(members); i, x = i+1, x.parent {
		capture, manifest := x.objects[0], x.objects[1]
		there := func(o object) bool { return !o.created.After(now) && (o.gone.IsZero() || o.gone.After(now)) }
		members[i].Complete = x.committed && there(manifest) && there(capture)
	}
	if w.bug == manifestAlone {
		o := b.objects[1]
		return b.committed && !o.created.After(now) && (o.gone.IsZero() || o.gone.After(now))
	}
	return lifecycle.Restorable(members, lifecycle.FloorOf(members, w.sets(now)...), now)
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

// violation looks at the world at one instant.
func (w *world) violation(now time.Time) string {
	listed := make([]bool, len(w.backups))
	for i, b := range w.backups {
		listed[i] = w.listed(b, now)
		if listed[i] && !b.intact(now) {
			return fmt.Sprintf("at %v the backup of %v is listed, and something it needs is gone", now, b.c0)
		}
	}
	if len(w.eras) > 1 || len(w.foreign) > 0 && w.foreignHarms() {
		return "" // the promise is of rules that stay; foreign ones are a warning at commit
	}
	p := w.eras[0].policy
	for i, b := range w.backups {
		if !b.committed || b.m.After(now) {
			continue
		}
		for _, k := range kinds() {
			keep := p.Keep(k)
			z := w.zone
			of := index(k, b.t, z)
			if keep.Count == 0 || max(index(k, now, z), index(k, now.Add(-time.Hour), z)) > of+keep.Count+keep.Slack {
				continue
			}
			if k == base(p) && !listed[i] {
				return fmt.Sprintf("at %v the %s backup of %v is not restorable", now, k, b.c0)
			}
			if !slices.ContainsFunc(w.backups, func(o *backup) bool {
				j := slices.Index(w.backups, o)
				return o.series == b.series && index(k, o.t, z) == of && listed[j]
			}) {
				return fmt.Sprintf("at %v nothing is left of the %s period of %v", now, k, b.t)
			}
		}
	}
	return ""
}

func base(p lifecycle.Policy) lifecycle.Tier {
	for _, k := range kinds() {
		if p.Keep(k).Count > 0 {
			return k
		}
	}
	return lifecycle.Manual
}

func (w *world) foreignHarms() bool {
	return w.foreign[0].Prefixes == nil || w.foreign[0].Prefixes[0] != "other/"
}

// check looks at the instants around which something changes.
func (w *world) check() string {
	var at []time.Time
	for _, b := range w.backups {
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
	for range min(40, len(at)) {
		if bad := w.violation(at[w.c("look", len(at))]); bad != "" {
			return bad
		}
	}
	return ""
}

// Nothing that is promised goes, and nothing is listed of which a part may be
// gone, whatever the store does within its rules.
func TestWorlds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, fromRapid(rt), none)
		if bad := w.check(); bad != "" {
			rt.Fatalf("%s\n%+v in %s", bad, w.eras[0].policy, w.zone)
		}
	})
	worlds := 2_000
	if more := os.Getenv("SNAPFERRY_WORLDS"); more != "" {
		var err error
		if worlds, err = strconv.Atoi(more); err != nil {
			t.Fatal(err)
		}
	}
	var next, backups atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for seed := next.Add(1); seed <= int64(worlds) && !t.Failed(); seed = next.Add(1) {
				w := newWorld(t, fromSeed(uint64(seed)), none)
				backups.Add(int64(len(w.backups)))
				if bad := w.check(); bad != "" {
					t.Errorf("world %d: %s\n%+v in %s", seed, bad, w.eras[0].policy, w.zone)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d worlds with %d backups", worlds, backups.Load())
}

// Each mistake shows, so the worlds are wide enough to tell.
func TestMutants(t *testing.T) {
	const worlds = 2_000
	for _, bug := range mutants() {
		t.Run(string(bug), func(t *testing.T) {
			t.Parallel()
			for seed := range worlds {
				if bad := newWorld(t, fromSeed(uint64(seed)), bug).check(); bad != "" {
					t.Logf("caught in world %d: %s", seed, bad)
					return
				}
			}
			t.Errorf("not caught in %d worlds", worlds)
		})
	}
}
