package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// Promise returns what the backup stands for. There is none where the vault
// had no policy when it was begun: nil, and no error.
func (v *Vault) Promise(ctx context.Context, n format.Name) (*lifecycle.Promise, error) {
	key, err := v.signKey(ctx)
	if err != nil {
		return nil, err
	}
	p, err := v.readPromise(ctx, n, key)
	if errors.Is(err, providers.ErrNotFound) || errors.Is(err, errForged) {
		return nil, nil //nolint:nilnil // none, and no error
	}
	return p, err
}

func (v *Vault) readPromise(ctx context.Context, n format.Name, key *signature.Key) (p *lifecycle.Promise, err error) {
	at := v.catalogKey(n, format.PromiseFile)
	err = v.getRight(ctx, at, format.MaxDocument, func(b []byte) error {
		if key != nil && !hasTag(key, b, tagPromise) {
			return errForged
		}
		var d format.Promise
		if err := format.Unseal(b, &d); err != nil {
			return damaged("read promise", at, err)
		}
		if err := d.Check(n); err != nil {
			return damaged("read promise", at, err)
		}
		read := d.Lifecycle()
		p = &read
		return nil
	})
	return p, err
}

// promiser decides what one new backup of a series stands for.
type promiser struct {
	v       *Vault
	key     *signature.Key
	entries []Entry // of the series
}

// taken reports whether an earlier complete backup of the series stands for a
// period. One whose promise cannot be read does not: a promotion too many
// costs space, one too few a restore point.
func (p *promiser) taken(ctx context.Context) (func(lifecycle.Period) bool, *error) {
	failed := new(error)
	return func(q lifecycle.Period) bool {
		for _, e := range p.entries {
			// Nothing was captured after its first object came.
			if *failed != nil || !e.Complete || !e.Name.Tier.Holds(q.Kind()) || e.Created.Before(q.Start()) {
				continue
			}
			promise, err := p.v.readPromise(ctx, e.Name, p.key)
			switch {
			case errors.Is(err, providers.ErrNotFound):
			case errors.Is(err, errForged), errors.Is(err, ErrDamaged):
				p.v.opts.Log.Warn("promise passed over", "backup", e.Name.String(), "error", err)
			case err != nil:
				*failed = err
			case promise.StandsFor(q):
				return true
			}
		}
		return false
	}, failed
}

// decide returns what a backup captured at t stands for: in the tier that it
// has, or in the one that the policy finds.
func (p *promiser) decide(ctx context.Context, tier lifecycle.Tier, t time.Time) (lifecycle.Promise, error) {
	taken, failed := p.taken(ctx)
	var promise lifecycle.Promise
	if tier == "" {
		promise = p.v.rotation.Policy.Promote(t, taken)
	} else {
		promise = p.v.rotation.Policy.PromoteIn(tier, t, taken)
	}
	return promise, *failed
}

// store writes promise.json of n, or returns the one that is there.
func (p *promiser) store(ctx context.Context, n format.Name, promise lifecycle.Promise) (*lifecycle.Promise, error) {
	key := p.v.catalogKey(n, format.PromiseFile)
	now, err := p.v.now(ctx)
	if err != nil {
		return nil, err
	}
	promise.Begun = now.Truncate(time.Second)
	b, err := sealTagged(format.NewPromise(n, promise), p.key, tagPromise)
	if err != nil {
		return nil, &Error{Op: "store promise", Name: key, Err: err}
	}
	created, err := p.v.putBytes(ctx, key, b)
	if err != nil || created {
		return &promise, err
	}
	there, err := p.v.readPromise(ctx, n, p.key)
	if errors.Is(err, errForged) || errors.Is(err, ErrDamaged) {
		return nil, &Error{Op: "store promise", Name: key, Err: fmt.Errorf("%w: another was there before: %w", ErrRefused, err),
			Hint: "Somebody planted it, or it is damaged. Run the backup again at another time: it gets another id."}
	}
	return there, err
}

// stand makes sure that what a backup begun at created stands for is written
// down, and returns it: nil if that is nothing, or the vault has no policy.
// decided is what was decided when it got its tier; nil: it has one.
func (p *promiser) stand(ctx context.Context, n format.Name, decided *lifecycle.Promise, created time.Time) (*lifecycle.Promise, error) {
	if p.v.rotation.Policy.IsZero() || n.Tier == lifecycle.Manual {
		return nil, nil //nolint:nilnil // nothing is promised, and no error
	}
	if decided != nil {
		return p.store(ctx, n, *decided)
	}
	there, err := p.v.readPromise(ctx, n, p.key)
	if err == nil || !errors.Is(err, providers.ErrNotFound) && !errors.Is(err, errForged) && !errors.Is(err, ErrDamaged) {
		return there, err
	}
	at := n.ID.Time
	if !created.IsZero() && created.Before(at) {
		at = created
	}
	promise, err := p.decide(ctx, n.Tier, at)
	if err != nil {
		return nil, err
	}
	return p.store(ctx, n, promise)
}

// member is the backup as the rules of the store see it.
func (v *Vault) member(n format.Name, created time.Time, complete bool) lifecycle.Member {
	series := n.Series + "/"
	return lifecycle.Member{Name: n.String(), Created: created, Complete: complete,
		Catalog: v.tierKey(n.Tier, catalogRoom) + series, Data: v.tierKey(n.Tier, dataRoom) + series}
}

// closure is the backup and all that it builds on.
func (v *Vault) closure(e Entry) []lifecycle.Member {
	var all []lifecycle.Member
	for _, m := range e.Chain() {
		all = append(all, v.member(m.Name, m.Created, m.Complete && m.Missing == ""))
	}
	return all
}

// Floor returns the earliest instant at which a rule of the vault's rotation
// may remove something that the backup needs.
func (v *Vault) Floor(e Entry) lifecycle.Floor {
	return lifecycle.FloorOf(v.closure(e), v.rotation.Rules...)
}

// Restorable reports whether the rules leave the backup whole at an instant.
func (v *Vault) Restorable(e Entry, now time.Time) bool {
	return lifecycle.Restorable(v.closure(e), v.Floor(e), now)
}

// Created returns the creation time of capture.json, the first object of a
// backup, by the store's clock. If it is gone, that is ErrNotFound of the store.
func (v *Vault) Created(ctx context.Context, n format.Name) (time.Time, error) {
	key := v.catalogKey(n, format.CaptureFile)
	for o, err := range v.bucket.List(ctx, key) {
		return o.Created, err
	}
	return time.Time{}, &Error{Op: "list", Name: key, Err: providers.ErrNotFound}
}

// mayCommit refuses a manifest that comes too late: what the rules have begun
// to remove must not come back to life. Where no rule removes anything, it is
// never too late.
func (v *Vault) mayCommit(e Entry, now time.Time) error {
	floor := v.Floor(e)
	if floor.Never() {
		return nil
	}
	return v.rotation.Policy.MayCommit(floor, e.Created, now)
}
