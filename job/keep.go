package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// KeepRequest says which backup is kept longer, and how.
type KeepRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	Tier string // it gets a copy in; required
}

// Keep copies a complete backup into another tier of its vault, with all that it
// builds on, inside the store where that can. The copy has an age of its own, stands for the tier's
// period, and is seen once it is whole. One that is there already is no error.
// A tier of which the vault keeps nothing is refused, unless it is manual, from
// which nothing goes.
func (r *Runner) Keep(ctx context.Context, req KeepRequest) (*CopyReport, error) {
	s := r.newSession()
	tier, err := lifecycle.ParseTier(req.Tier)
	if err != nil {
		return nil, usage("--tier "+req.Tier, errors.New("no such tier"), Suggest(req.Tier, tierNames()))
	}
	e, err := s.openWhole(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.checkLockable(ctx); err != nil {
		return nil, err
	}
	if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
		return nil, err
	}
	if kept := s.vault.Rotation().Policy; tier != lifecycle.Manual && !kept.IsZero() && kept.Keep(tier).Count == 0 {
		return nil, usage("--tier "+req.Tier, fmt.Errorf("the vault keeps %s, and nothing of this tier: no rule would ever remove the copy", FormatRetention(kept)),
			"name a tier that is kept, or manual for what is to stay until a person removes it")
	}
	s.Progress.enter("copy")
	var copied archive.Copied
	for _, m := range e.Chain() { // what it builds on comes first
		if copied, err = s.vault.Keep(ctx, m, tier, s.copyWithin()); err != nil {
			return nil, err
		}
	}
	report := s.copyReport(e, targets{{opened: &s.opened, copied: &copied}})
	return report, s.explainCopy(ctx, copied, &report.Copies[0].Backup)
}

// copyWithin is how the store copies an object by itself; nil: it does not.
func (s *session) copyWithin() archive.CopyObject {
	copier, ok := providers.Feature[providers.Copier](s.bucket)
	if !ok {
		return nil
	}
	return func(ctx context.Context, from, to string, want providers.Digest) (wrong error) {
		err := s.ask(ctx, "copy", func() error {
			err := copier.CopyObject(ctx, from, to, want)
			if errors.Is(err, providers.ErrChecksum) { // the source is at fault, and would be again
				wrong, err = err, nil
			}
			return err
		})
		return errors.Join(wrong, err)
	}
}

// explainCopy tells what a copy stands for and until when the rules leave it.
// It is ErrPartial if that is less than what is promised.
func (s *session) explainCopy(ctx context.Context, c archive.Copied, b *Backup) error {
	promise, err := s.promiseOf(ctx, c.Name)
	if err != nil {
		return err
	}
	e, err := s.vault.Entry(ctx, c.Name)
	if err != nil {
		return err
	}
	floor := s.vault.Floor(e)
	b.promised(promise)
	b.floor(floor)
	if promise == nil || floor.Never() || floor.Covers(promise.Until) {
		return nil
	}
	return s.shortError(s.shown, shortText(c.Name, promise, floor))
}
