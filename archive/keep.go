package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// CopyObject copies an object inside a store, as providers.Copier does.
type CopyObject func(ctx context.Context, from, to string, want providers.Digest) error

// Keep copies a complete backup into another tier of its vault, where it is
// promised anew and lives as long as the tier's rules say. The store copies the
// data with within, so that no byte of it passes by here; where that is nil, or
// the store refuses it as unsupported, it is read and stored again. The order
// is that of Copy, and so is what a run that was ended leaves.
//
// Of what rules may be removing already nothing is copied: that is ErrRefused.
func (v *Vault) Keep(ctx context.Context, e Entry, tier lifecycle.Tier, within CopyObject) (Copied, error) {
	now, err := v.now(ctx)
	if err != nil {
		return Copied{}, err
	}
	if !v.Restorable(e, now) {
		return Copied{}, &Error{Op: "keep", Name: e.Name.String(), Err: fmt.Errorf("%w: rules may be removing it already", ErrRefused),
			Hint: "Keep a newer backup; `snapferry list` shows those that are whole. `snapferry restore` may still find all of this one."}
	}
	c := &copier{src: v, from: e.Name, to: e.Name, budget: v.newBudget(), within: within}
	c.to.Tier = tier
	copied, err := c.run(ctx, []*Vault{v})
	if err != nil {
		return Copied{}, err
	}
	return copied[0], copied[0].Err
}

// copyWithin lets the store copy a segment. ErrUnsupported leaves its memory to
// whoever reads it instead.
func (c *copier) copyWithin(ctx context.Context, key string, m moving) error {
	r := m.routes[0]
	err := c.within(ctx, key, r.prefix+m.row.String(), providers.Digest{Size: m.row.Stored, SHA256: m.row.Sum})
	switch {
	case errors.Is(err, providers.ErrUnsupported):
		return err
	case errors.Is(err, providers.ErrExists):
		err = nil // under the name of its content
	case errors.Is(err, providers.ErrNotFound):
		err = damaged("copy", key, errors.New("it is missing"))
	case errors.Is(err, providers.ErrChecksum):
		err = damaged("copy", key, err)
	}
	c.budget.Release(memory.RoundUp(m.row.Stored))
	if err == nil {
		progress := c.src.opts.Progress
		progress.Done.Add(m.row.Raw)
		progress.Stored.Add(m.row.Stored)
		progress.Objects.Add(1)
	}
	return err
}

// Contents lists every object of a backup, its catalog first, with what is
// there of others' making below the same name.
func (v *Vault) Contents(ctx context.Context, n format.Name) ([]providers.Object, error) {
	var all []providers.Object
	for _, prefix := range []string{v.catalogKey(n, ""), v.tierKey(n.Tier, dataRoom) + n.Series + "/" + n.ID.String() + "/"} {
		for o, err := range v.bucket.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			all = append(all, o)
		}
	}
	return all, nil
}
