package archive

import (
	"context"

	"github.com/snapferry/snapferry/archive/format"
)

// BeginAll is Begin in several vaults, with the same backup in all of them. It
// returns a writer or an error for each.
//
// If one of them has an unfinished backup of this very state of the source,
// that is the backup: the vaults where it is complete have nothing left to do,
// and those that do not have it get it under the same id. So a vault that
// failed is caught up by the next run, without another backup in those that
// did not.
func BeginAll(ctx context.Context, spec Spec, vaults ...*Vault) ([]*Writer, []error) {
	writers, errs := make([]*Writer, len(vaults)), make([]error, len(vaults))
	if len(vaults) == 1 {
		writers[0], errs[0] = vaults[0].Begin(ctx, spec)
		return writers, errs
	}
	all := make([]*begun, len(vaults))
	for i, v := range vaults {
		all[i] = &begun{v: v}
	}
	each(all, func(b *begun) { b.look(ctx, spec) })
	var newest *format.Name
	for _, b := range all {
		if b.unfinished && (newest == nil || b.name.ID.Time.After(newest.ID.Time)) {
			newest = &b.name
		}
	}
	each(all, func(b *begun) { b.begin(ctx, spec, newest) })
	for i, b := range all {
		writers[i], errs[i] = b.w, b.err
	}
	return writers, errs
}

// begun is one vault on the way to its writer.
type begun struct {
	v          *Vault
	entries    []Entry
	name       format.Name // of the newest backup of this state that is
	unfinished bool

	w   *Writer
	err error
}

// look finds out whether the vault has an unfinished backup of this state.
func (b *begun) look(ctx context.Context, spec Spec) {
	w := &Writer{v: b.v, spec: spec, budget: b.v.newBudget()}
	if err := w.prepare(); err != nil {
		return // Begin tells it
	}
	if b.entries, _, b.err = b.v.List(ctx, spec.Series); b.err != nil {
		return
	}
	if b.unfinished, b.err = w.join(ctx, b.entries, false); b.unfinished {
		b.name = w.name
	}
}

func (b *begun) begin(ctx context.Context, spec Spec, same *format.Name) {
	if b.err != nil {
		return
	}
	if same != nil && !b.unfinished {
		spec.Time = same.ID.Time
		if spec.Tier != "" { // else each vault finds its own
			spec.Tier = same.Tier
		}
		for _, e := range b.entries {
			if e.Complete && e.Name.ID.String() == same.ID.String() {
				spec.Tier = e.Name.Tier
			}
		}
	}
	b.w, b.err = b.v.Begin(ctx, spec)
}
