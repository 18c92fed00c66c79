package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// A differential names in its id what it builds on: the backup of its series
// with that fingerprint, in whatever tier, which may be a differential as well.
// A chain begins with a full backup.

// ErrNoBase says that a vault does not have what a differential builds on, or not
// for long enough: a full backup is due.
var ErrNoBase = errors.New("a full backup is due")

// Chain is what is needed to restore the backup: the full one first, itself at
// the end.
func (e Entry) Chain() []Entry { return append(slices.Clone(e.Base), e) }

// unfinished reports whether it was begun, and may still become complete.
func (e Entry) unfinished() bool { return e.Begun && !e.Complete && e.Missing == "" }

// CheckBase refuses a differential of which something is missing, by name.
func (e Entry) CheckBase() error {
	if e.Missing == "" {
		return nil
	}
	return &Error{Op: "resolve", Name: e.Name.String(), Err: fmt.Errorf("%w: the backup %s that it builds on is not in the vault", ErrDamaged, e.Missing),
		Hint: "Take a full backup at once. An older backup may be whole, or another vault may have what is missing: snapferry copy brings it here."}
}

// link finds what the differentials among entries build on.
func link(entries []Entry) {
	l := linker{entries: entries, best: map[seriesPart]int{}, done: make([]bool, len(entries))}
	for i, e := range entries {
		own := seriesPart{e.Name.Series, e.Name.ID.Fingerprint}
		if at, ok := l.best[own]; e.Complete && (!ok || lasting(e, entries[at])) {
			l.best[own] = i
		}
	}
	for i := range entries {
		l.resolve(i)
	}
}

type seriesPart struct{ series, fingerprint string }

type linker struct {
	entries []Entry
	best    map[seriesPart]int // of each complete backup, the copy that is kept longest
	done    []bool
}

func (l *linker) resolve(i int) {
	e := &l.entries[i]
	if l.done[i] {
		return
	}
	l.done[i] = true // also against a ring of them
	parent := e.Name.ID.Parent
	if parent == "" {
		return
	}
	at, ok := l.best[seriesPart{e.Name.Series, parent}]
	if e.Missing = parent; !ok || at == i {
		return
	}
	l.resolve(at)
	base := l.entries[at]
	e.Base = base.Chain()
	switch {
	case base.Missing != "":
		e.Missing = base.Missing
	case base.Name.ID.Parent == "" || len(base.Base) > 0:
		e.Missing = ""
	}
}

// lasting reports whether a copy of a backup is of a tier that is kept longer
// than that of another.
func lasting(a, b Entry) bool {
	tiers := lifecycle.Tiers()
	return slices.Index(tiers, a.Name.Tier) > slices.Index(tiers, b.Name.Tier)
}

// Entry finds a backup that was begun by its name, with what it builds on. Whether
// a full one is complete it does not say. If there is none, that is ErrNotFound of
// the store.
func (v *Vault) Entry(ctx context.Context, n format.Name) (Entry, error) {
	if n.ID.Parent == "" {
		created, err := v.Created(ctx, n)
		return Entry{Name: n, Created: created, Begun: err == nil}, err
	}
	entries, _, err := v.List(ctx, n.Series)
	if err != nil {
		return Entry{}, err
	}
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == n && e.Begun })
	if i < 0 {
		return Entry{}, &Error{Op: "list", Name: v.catalogKey(n, format.CaptureFile), Err: providers.ErrNotFound}
	}
	return entries[i], nil
}

// Extendable returns the chain that the newest backup of a series ends, if one
// that is taken at an instant may be a differential of it. Where it may not, the
// chain is empty, and why says the reason. tier is where it is to stand; empty:
// where the policy of the vault puts it.
func (v *Vault) Extendable(ctx context.Context, series string, tier lifecycle.Tier, at time.Time) (chain []Entry, why error, err error) {
	entries, _, err := v.List(ctx, series)
	if err != nil {
		return nil, nil, err
	}
	newest := -1
	for i, e := range entries {
		if e.Complete && (newest < 0 || e.Name.ID != entries[newest].Name.ID || lasting(e, entries[newest])) {
			newest = i
		}
	}
	if newest < 0 {
		return nil, fmt.Errorf("%w: there is no backup yet", ErrNoBase), nil
	}
	base := entries[newest]
	if base.Missing != "" {
		return nil, fmt.Errorf("%w: of the newest, %s is missing", ErrNoBase, base.Missing), nil
	}
	now, err := v.now(ctx)
	if err != nil || v.rotation.Policy.IsZero() {
		return base.Chain(), nil, err
	}
	if now.Before(at) {
		at = now
	}
	key, err := v.signKey(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := promiser{v: v, key: key, entries: entries}
	promise, err := p.decide(ctx, tier, at)
	if err != nil {
		return nil, nil, err
	}
	if why := v.mayExtend(base, promise, now); why != nil {
		return nil, why, nil
	}
	return base.Chain(), nil, nil
}

// mayExtend refuses a differential that would outlive what it builds on.
func (v *Vault) mayExtend(base Entry, promise lifecycle.Promise, now time.Time) error {
	policy, floor, root := v.rotation.Policy, v.Floor(base), base.Chain()[0]
	switch {
	case policy.MaxChain == 0:
		return fmt.Errorf("%w: the vault keeps no chains (max_chain)", ErrNoBase)
	case !v.Restorable(base, now):
		return fmt.Errorf("%w: rules may be removing %s", ErrNoBase, base.Name)
	case !policy.MayExtend(floor, root.Created, now, promise.Until):
		return fmt.Errorf("%w: the chain is from %s, and rules would remove it before a differential", ErrNoBase, root.Created.UTC().Format(time.DateOnly))
	}
	return nil
}

// base finds what a new differential builds on. That it is not there, or not for
// long enough, is ErrNoBase.
func (w *Writer) base(ctx context.Context) error {
	if w.spec.Parent == "" {
		return nil
	}
	refuse := func(why error) error {
		return &Error{Op: "begin", Name: w.spec.Series, Err: why, Hint: "Run the backup again: the next one is full."}
	}
	var base *Entry
	for i := range w.entries {
		if e := &w.entries[i]; e.Complete && e.Name.ID.Fingerprint == w.spec.Parent && (base == nil || lasting(*e, *base)) {
			base = e
		}
	}
	if base == nil || base.Missing != "" {
		return refuse(fmt.Errorf("%w: %s, which it builds on, is not in this vault", ErrNoBase, w.spec.Parent))
	}
	if w.decided == nil { // no policy, or this run was begun before
		return nil
	}
	now, err := w.clock(ctx)
	if err != nil {
		return err
	}
	if why := w.v.mayExtend(*base, *w.decided, now); why != nil {
		return refuse(why)
	}
	return nil
}
