package lifecycle_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

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
func (v *vault) seen(b *backup) []lifecycle.Member {
	members := b.closure()
	if v.bug == chainIgnored {
		members = members[:1]
	}
	if v.bug == manifestClock {
		for i, x := 0, b; i < len(members); i, x = i+1, x.parent {
			members[i].Created = x.m
		}
	}
	return members
}

// run lets time pass: runs that begin, fail, drag on, are repeated or made
// twice, copies, and policies that change.
func (w *world) run(now time.Time) {
	step := []time.Duration{time.Hour, 6 * time.Hour, oneDay, oneDay, 7 * oneDay, 30 * oneDay}[w.c("step", 6)]
	for range 4 + w.c("runs", 30) {
		now = w.biased(now.Add(step))
		w.settle(now)
		for _, v := range w.vaults {
			if w.c.odds("policy change", 3) {
				v.apply(now, v.drawPolicy())
			}
			if w.c.odds("keep", 8) {
				v.keep(now)
			}
		}
		for s := range w.series {
			w.scheduled(s, now)
		}
	}
	w.settle(now.Add(365 * oneDay))
}

// biased moves an instant to where mistakes are: a second around a midnight, a
// month's end, a change of clocks or a leap day of the first vault's zone.
func (w *world) biased(now time.Time) time.Time {
	if w.c.odds("outage", 4) {
		now = now.Add(time.Duration(w.c("days out", 40)) * oneDay)
	}
	if !w.c.odds("bias", 50) {
		return now
	}
	z := w.vaults[0].zone
	y, m, d := now.In(z).Date()
	to := time.Date(y, m, d+1, 0, 0, 0, 0, z)
	switch kind := w.c("biased to", 100); {
	case kind < 10:
		to = time.Date(y, m+1, 1, 0, 0, 0, 0, z)
	case kind < 20:
		if _, change := now.In(z).ZoneBounds(); !change.IsZero() {
			to = change
		}
	case kind < 22:
		for y%4 != 0 || now.After(time.Date(y, 3, 1, 0, 0, 0, 0, z)) {
			y++
		}
		to = time.Date(y, 2, 29+w.c("day after", 2), 0, 0, 0, 0, z)
	}
	return later(now, to.Add(time.Duration(w.c("off", 3)-1)*time.Second))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *world) after(at time.Time, do func(time.Time)) {
	i, _ := slices.BinarySearchFunc(w.pending, at, func(e event, at time.Time) int { return e.at.Compare(at) })
	w.pending = slices.Insert(w.pending, i, event{at, do})
}

// settle does what was left to be done until now.
func (w *world) settle(now time.Time) {
	for len(w.pending) > 0 && !w.pending[0].at.After(now) {
		e := w.pending[0]
		w.pending = w.pending[1:]
		e.do(e.at)
	}
}

// scheduled is one run of one series in all vaults: by one host, or by two that
// know nothing of each other. A vault that is down gets a copy later.
func (w *world) scheduled(series int, t time.Time) {
	hosts := 1
	if w.c.odds("twice", 8) {
		hosts = 2
	}
	for host := range hosts {
		id := t
		if w.c.odds("skew", 30) { // more is refused
			id = t.Add(time.Duration(w.c("skew", 601)-300) * time.Second)
		}
		var first *backup
		for i, v := range w.vaults {
			if i > 0 && w.c.odds("down", 15) {
				w.after(t.Add(time.Duration(2+w.c("caught up", 400))*time.Hour), func(at time.Time) { v.catchUp(first, at) })
				continue
			}
			b := &backup{series: series, id: id, twin: host > 0, c0: t.Add(time.Duration(w.c("capture", 5400)) * time.Second)}
			v.begin(b, first)
			if first == nil {
				first = b
			}
		}
	}
}

// policy is what counts for a backup that begins.
func (v *vault) policy() lifecycle.Policy { return v.eras[len(v.eras)-1].policy }

// deciding is the policy as the mutants have it.
func (v *vault) deciding() lifecycle.Policy {
	p := v.policy()
	if v.bug == periodsInUTC {
		p.Zone = time.UTC
	}
	return p
}

func (v *vault) took() time.Duration {
	if v.c.odds("slow", 6) {
		return time.Duration(v.c("slow days", 60)) * oneDay
	}
	return time.Duration(v.c("upload", 120)) * time.Minute
}

// taken tells which periods complete backups stood for at an instant.
func (v *vault) taken(b *backup, at time.Time) func(lifecycle.Period) bool {
	return func(q lifecycle.Period) bool {
		return slices.ContainsFunc(v.backups, func(o *backup) bool {
			same := o != b && (o.series == b.series || v.bug == seriesShared)
			done := o.committed && !o.m.After(at) || v.bug == failureCounts || v.bug == twinsDefer && o.id.Sub(b.id).Abs() <= 10*time.Minute
			return same && done && o.promise.StandsFor(q)
		})
	}
}

// begin is one run: what is decided at its first object, and at its last.
// first is the same backup in the first vault.
func (v *vault) begin(b, first *backup) {
	b.policy, b.began, b.m, b.t = v.policy(), b.c0, b.c0.Add(v.took()), b.id
	if b.c0.Before(b.t) { // a clock that is ahead takes no period to come
		b.t = b.c0
	}
	at := b.t
	switch v.bug {
	case promotedLate:
		at = b.m
	case hostClock:
		at = b.t.Add(time.Duration(v.c("host ahead", 40)) * oneDay)
	default:
	}
	b.promise = v.deciding().Promote(at, v.taken(b, b.c0))
	switch {
	case v.bug == vaultsShared && first != nil:
		b.promise = first.promise
	case v.bug == shardsShared:
		for _, o := range v.backups {
			if o.series == 0 && o.id.Sub(b.id).Abs() <= 10*time.Minute {
				b.promise = o.promise
			}
		}
	}
	b.tier = b.promise.Tier
	v.extend(b)
	v.backups = append(v.backups, b)
	if v.c.odds("dies", 10) {
		written := v.c.odds("promise written", 70)
		v.after(b.c0.Add(time.Duration(1+v.c("gap", 90))*time.Hour), func(at time.Time) { v.resume(b, written, at) })
		return
	}
	v.commit(b)
}

// resume goes on with a backup whose run died. capture.json fixed its tier; if
// its promise was not written, it is decided now, for that tier.
func (v *vault) resume(b *backup, written bool, at time.Time) {
	f := lifecycle.FloorOf(v.seen(b), v.sets(at)...)
	if b.policy.MayCommit(f, b.c0, at) != nil {
		return
	}
	b.m, b.resumed = at.Add(v.took()), true
	switch {
	case v.bug == resumedAnew:
		b.promise = v.deciding().Promote(at, v.taken(b, at))
	case !written:
		b.promise = v.deciding().PromoteIn(b.tier, b.t, v.taken(b, at))
	}
	if v.bug == captureAnew {
		b.c0 = at
	}
	v.commit(b)
}

// copied is a copy of o that begins now: its objects are young, what it stands
// for is what o was captured for. An empty tier is found by the policy.
func (v *vault) copied(o *backup, t time.Time, tier lifecycle.Tier, now time.Time) *backup {
	b := &backup{series: o.series, id: o.id, t: t, c0: now, began: now, m: now.Add(v.took()), policy: v.policy(), asked: tier}
	if v.bug == copyIsNew {
		t = now
	}
	b.promise = v.deciding().Promote(t, v.taken(b, now))
	if tier != "" {
		b.promise = v.deciding().PromoteIn(tier, t, v.taken(b, now))
	}
	b.tier = b.promise.Tier
	switch {
	case v.bug == copyKeepsAll && tier != "":
		b.promise = o.promise
		b.c0 = o.c0
	case v.bug == tierPromotes && tier != "":
		b.promise = v.deciding().Promote(t, v.taken(b, now))
		b.promise.Tier = tier
	case v.bug == vaultsShared && tier == "":
		b.promise = o.promise
		b.tier = b.promise.Tier
	}
	v.backups = append(v.backups, b)
	v.commit(b)
	return b
}

// whole reports whether the program would read from a backup at that time.
func (v *vault) whole(b *backup, now time.Time) bool {
	return b.committed && !b.m.After(now) && lifecycle.Restorable(v.seen(b), lifecycle.FloorOf(v.seen(b), v.sets(now)...), now)
}

// keep copies a full backup into a tier that somebody chose.
func (v *vault) keep(now time.Time) {
	if len(v.backups) == 0 {
		return
	}
	o := v.backups[v.c("which", len(v.backups))]
	tiers := lifecycle.Tiers()
	tier := tiers[v.c("into", len(tiers))]
	there := slices.ContainsFunc(v.backups, func(b *backup) bool { return b.series == o.series && b.id.Equal(o.id) && b.tier == tier })
	if o.parent == nil && !there && v.whole(o, now) {
		v.copied(o, o.t, tier, now)
	}
}

// catchUp copies a backup of another vault that this one did not get, into the
// tier that its policy finds or one that somebody chose. Of its instant there is
// no more than its id.
func (v *vault) catchUp(o *backup, now time.Time) {
	if from := v.vaults[0]; o.parent != nil || !from.whole(o, now) {
		return
	}
	tier := lifecycle.Tier("")
	if v.c.odds("chosen", 25) {
		tier = kinds()[v.c("into", len(kinds()))]
	}
	v.copied(o, o.id, tier, now).late = true
}

// extend makes b a differential of the newest backup where that is allowed.
func (v *vault) extend(b *backup) {
	if b.policy.MaxChain == 0 || !v.c.odds("differential", 70) {
		return
	}
	for _, o := range slices.Backward(v.backups) {
		if o.series != b.series || !o.committed || o.m.After(b.c0) {
			continue
		}
		b.parent = o
		rootOf := o
		for rootOf.parent != nil {
			rootOf = rootOf.parent
		}
		f := lifecycle.FloorOf(v.seen(b), v.sets(b.c0)...)
		whole := lifecycle.Restorable(v.seen(o), lifecycle.FloorOf(v.seen(o), v.sets(b.c0)...), b.c0)
		if v.bug != noWriteGuard && !(whole && b.policy.MayExtend(f, rootOf.c0, b.c0, b.promise.Until)) {
			b.parent = nil
		}
		return
	}
}

func (v *vault) commit(b *backup) {
	if v.c.odds("failure", 15) {
		return
	}
	f := lifecycle.FloorOf(v.seen(b), v.sets(b.m)...)
	if b.policy.MayCommit(f, b.c0, b.m) != nil {
		if v.bug != lateCommit {
			return
		}
		b.c0 = b.m // capture.json had gone; a run told to go on writes it anew
	}
	b.committed = true
}
