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
	resumedAnew     mutant = "a run that goes on decides anew"
	copiedByArrival mutant = "a copy is promised by its arrival"
	tierPromotes    mutant = "a copy stands for more than its tier holds"
)

func mutants() []mutant {
	return []mutant{manifestAlone, noWriteGuard, oneDayShort, noMaximum, chainIgnored, lateCommit, manifestClock, promotedLate,
		foreignIgnored, seriesShared, hostClock, historyIgnored, failureCounts, periodsInUTC, catalogLikeData,
		resumedAnew, copiedByArrival, tierPromotes}
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
	tier      lifecycle.Tier // where it is
	chosen    bool           // the tier was, by somebody: it stands for nothing longer
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
	met     map[string]int // nil: nobody counts
}

const root = "prod"

func newWorld(t interface{ Fatal(...any) }, c choices, bug mutant) *world {
	return newCountedWorld(t, c, bug, nil)
}

func newCountedWorld(t interface{ Fatal(...any) }, c choices, bug mutant, met map[string]int) *world {
	names := zones()
	w := &world{c: c, bug: bug, zone: zone(t, names[c("zone", len(names))]), met: met}
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
		Catalog: lifecycle.Prefix(root, b.tier, lifecycle.Catalog) + series, Data: lifecycle.Prefix(root, b.tier, lifecycle.Data) + series}
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

// run lets time pass: runs that begin, of several series at once, fail, drag
// on, go on later or are started twice; copies that come from elsewhere, or into
// another tier; policies that change.
func (w *world) run(now time.Time) {
	step := []time.Duration{time.Hour, 6 * time.Hour, oneDay, oneDay, 7 * oneDay, 30 * oneDay}[w.c("step", 6)]
	series := 1 + w.c("series", 3)
	for range 4 + w.c("runs", 40) {
		now = w.instant(now.Add(step))
		if w.c.odds("policy change", 3) {
			w.apply(now, w.drawPolicy())
		}
		for s := range series {
			if w.c.odds("goes on", 10) && w.resume(s, now) {
				continue
			}
			w.begin(s, now)
			if w.c.odds("twice", 4) {
				w.begin(s, now.Add(time.Duration(w.c("later", 300))*time.Second))
			}
			if w.c.odds("copy", 4) {
				w.copyIn(s, now)
			}
		}
	}
}

// instant is when the next runs begin: often where calendars turn.
func (w *world) instant(now time.Time) time.Time {
	if w.c.odds("outage", 4) {
		now = now.Add(time.Duration(w.c("days out", 40)) * oneDay)
	}
	edge := time.Duration(w.c("off", 3)-1) * time.Second
	y, m, d := now.In(w.zone).Date()
	switch {
	case w.c.odds("midnight", 40):
		now = later(now, time.Date(y, m, d, 0, 0, 0, 0, w.zone).Add(edge))
	case w.c.odds("end of a month", 8):
		now = later(now, time.Date(y, m+1, 1, 0, 0, 0, 0, w.zone).Add(edge))
	case w.c.odds("leap day", 3):
		for y%4 != 0 || y%100 == 0 && y%400 != 0 {
			y++
		}
		if leap := time.Date(y, 2, 29, 12, 0, 0, 0, w.zone); leap.Sub(now) > 0 && leap.Sub(now) < 400*oneDay {
			now = leap
		}
	case w.c.odds("change of clocks", 8):
		if _, end := now.In(w.zone).ZoneBounds(); !end.IsZero() && end.Sub(now) < 400*oneDay {
			now = later(now, end.Add(edge))
		}
	}
	w.count(now)
	return now
}

// count notes which edges of calendars the runs of all worlds have met.
func (w *world) count(now time.Time) {
	if w.met == nil {
		return
	}
	local := now.In(w.zone)
	near := func(t time.Time) bool { return t.Sub(now).Abs() <= time.Second }
	y, m, d := local.Date()
	start, end := local.ZoneBounds()
	for name, is := range map[string]bool{
		"midnight": near(time.Date(y, m, d, 0, 0, 0, 0, w.zone)) || near(time.Date(y, m, d+1, 0, 0, 0, 0, w.zone)),
		"month":    near(time.Date(y, m, 1, 0, 0, 0, 0, w.zone)) || near(time.Date(y, m+1, 1, 0, 0, 0, 0, w.zone)),
		"leap day": m == time.February && d == 29,
		"clocks":   !start.IsZero() && near(start) || !end.IsZero() && near(end),
	} {
		if is {
			w.met[name]++
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// begin is one run: what is decided at its first object, and at its last. The
// clock of its host may be minutes off.
func (w *world) begin(series int, t time.Time) {
	p := w.eras[len(w.eras)-1].policy
	b := &backup{series: series, c0: t.Add(time.Duration(w.c("capture", 90)) * time.Minute), policy: p}
	b.t = t.Add(time.Duration(w.c("skew", 601)-300) * time.Second)
	if b.t.After(b.c0) { // the store's clock has not reached it
		b.t = b.c0
	}
	b.began = b.c0
	w.finishAt(b, b.c0)
	at := b.t
	switch w.bug {
	case promotedLate:
		at = b.m
	case hostClock:
		at = b.t.Add(time.Duration(w.c("host ahead", 40)) * oneDay)
	default:
	}
	if w.bug == periodsInUTC {
		p.Zone = time.UTC
	}
	b.promise = p.Promote(at, w.taken(b, b.c0))
	b.tier = b.promise.Tier
	w.extend(b)
	w.backups = append(w.backups, b)
	w.commit(b)
}

// finishAt draws when the run that goes on at an instant will store its
// manifest.
func (w *world) finishAt(b *backup, now time.Time) {
	took := time.Duration(w.c("upload", 120)) * time.Minute
	if w.c.odds("slow", 6) {
		took = time.Duration(w.c("slow days", 60)) * oneDay
	}
	b.m = now.Add(took)
}

// taken reports what complete backups of the series stand for, at an instant.
func (w *world) taken(b *backup, now time.Time) func(lifecycle.Period) bool {
	return func(q lifecycle.Period) bool {
		return slices.ContainsFunc(w.backups, func(o *backup) bool {
			same := o.series == b.series || w.bug == seriesShared
			done := o.committed && !o.m.After(now) || w.bug == failureCounts
			return same && done && o.promise.StandsFor(q)
		})
	}
}

// resume lets a run go on that died, in its tier and with its promise; it
// reports whether there is one.
func (w *world) resume(series int, now time.Time) bool {
	for _, b := range slices.Backward(w.backups) {
		if b.series != series {
			continue
		}
		if b.committed || b.chosen || b.m.After(now) {
			return false
		}
		if w.bug == resumedAnew {
			b.promise = b.policy.Promote(now, w.taken(b, now))
		}
		w.finishAt(b, now)
		w.commit(b)
		return true
	}
	return false
}

// copyIn brings a copy into a tier that somebody chose: of a backup of another
// vault, whose time is past, or of one that is here. It is promised anew.
func (w *world) copyIn(series int, now time.Time) {
	p := w.eras[len(w.eras)-1].policy
	b := &backup{series: series, chosen: true, c0: now, began: now, policy: p,
		t:    now.Add(-time.Duration(w.c("copied days", 40))*oneDay - time.Duration(w.c("copied minutes", 1440))*time.Minute),
		tier: kinds()[w.c("tier", len(kinds()))]}
	if w.c.odds("kept", 50) {
		for _, o := range slices.Backward(w.backups) {
			there := o.series == series && o.parent == nil && o.tier != b.tier && o.committed && !o.m.After(now)
			if there && lifecycle.Restorable(w.seen(o), lifecycle.FloorOf(w.seen(o), w.sets(now)...), now) {
				b.t = o.t
				break
			}
		}
	}
	w.finishAt(b, now)
	at := b.t
	if w.bug == copiedByArrival {
		at = b.c0
	}
	b.promise = p.PromoteIn(b.tier, at, w.taken(b, now))
	if w.bug == tierPromotes {
		b.promise = p.Promote(at, w.taken(b, now))
	}
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
	key := fmt.Sprintf("%s/%s/%s/s%d/x", root, b.tier, o.room, b.series)
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

// The worlds meet what calendars turn at.
func TestWorldsMeetEdges(t *testing.T) {
	met := map[string]int{}
	const worlds = 500
	for seed := range worlds {
		newCountedWorld(t, fromSeed(uint64(seed)), none, met)
	}
	for _, edge := range []string{"midnight", "month", "leap day", "clocks"} {
		if met[edge] < worlds/10 {
			t.Errorf("%d runs of %d worlds at: %s", met[edge], worlds, edge)
		}
	}
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
