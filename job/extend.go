package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/snapshot"
)

// extend tells a source that makes differentials what the next one may build
// on: the chain with which every vault ends, if all of them may take another
// member of it.
func (s *session) extend(ctx context.Context, source snapshot.Source, spec archive.Spec, all targets) error {
	chained, ok := source.(snapshot.Chained)
	if !ok {
		return nil
	}
	chain, due, err := s.commonChain(ctx, spec, all)
	if err != nil || due != nil || len(chain) == 0 {
		chained.Extend(nil, due, nil)
		return err
	}
	first := all.living()[0].vault
	links := make([]snapshot.Link, len(chain))
	opened := make([]*archive.Backup, len(chain))
	for i, e := range chain {
		if opened[i], err = first.Open(ctx, e.Name); err != nil {
			return err
		}
		images := opened[i].Manifest.Images
		if len(images) != 1 {
			chained.Extend(nil, fmt.Errorf("%s is of another kind", e.Name), nil)
			return nil
		}
		links[i] = snapshot.Link{Fingerprint: e.Name.ID.Fingerprint, Title: images[0].Title, Time: e.Name.ID.Time}
	}
	chained.Extend(links, nil, func(ctx context.Context, i int, w io.Writer) error {
		if err := opened[i].Unlock(ctx); err != nil {
			return err
		}
		return opened[i].RestoreStream(ctx, 0, w)
	})
	return nil
}

// commonChain is the chain that the next backup may extend in all vaults that
// have not failed. due says why there is none.
func (s *session) commonChain(ctx context.Context, spec archive.Spec, all targets) (chain []archive.Entry, due, err error) {
	for i, t := range all.living() {
		one, why, err := t.vault.Extendable(ctx, spec.Series, spec.Tier, spec.Time)
		switch {
		case err != nil && len(all) == 1, ctx.Err() != nil:
			return nil, nil, errors.Join(err, ctx.Err())
		case err != nil:
			return nil, fmt.Errorf("the vault %s could not be asked: %w", t.shown, err), nil
		case why != nil:
			return nil, fmt.Errorf("%s: %w", t.shown, why), nil
		case i == 0:
			chain = one
		case !slices.EqualFunc(chain, one, func(a, b archive.Entry) bool { return a.Name.ID == b.Name.ID }):
			return nil, errors.New("the vaults do not have the same backups"), nil
		}
	}
	return chain, nil, nil
}
