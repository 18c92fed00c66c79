package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// PruneRequest says what is to be removed from a vault whose store does not
// rotate by itself.
type PruneRequest struct {
	Vault Vault
	// KeepLast complete backups of each series stay in any case; at least 1.
	KeepLast int
	// Incomplete removes what was begun and given up, and nothing else.
	Incomplete bool
	// Confirm removes; without it, nothing is touched.
	Confirm bool
}

// PruneReport is what goes and what stays.
type PruneReport struct {
	Vault     string        `json:"vault"`
	Retention string        `json:"retention,omitempty"`
	Confirmed bool          `json:"confirmed"`
	Removed   int           `json:"removed"` // backups, or what was left of them
	Objects   int           `json:"objects"` // that were removed
	Bytes     int64         `json:"bytes"`   // of those
	Backups   []PruneResult `json:"backups"` // in the order of time
}

// PruneResult is one backup, and why it goes or stays.
type PruneResult struct {
	Backup string `json:"backup"` // TIER/SERIES/ID
	Remove bool   `json:"remove"`
	Reason string `json:"reason"`
}

// found is one backup, or what is left of one, in a vault that is pruned.
type found struct {
	entry archive.Entry // of data without a catalog, nothing but its name
	item  lifecycle.Item
}

// Prune removes what the lifecycle rules would have removed, if the store had
// any; never what is promised, the last of a series, or what something that
// stays needs. Without Confirm it only tells. Each backup goes catalog first,
// its manifest before all, so that what a run that is ended leaves is no backup
// any more, and the next run finds it.
func (r *Runner) Prune(ctx context.Context, req PruneRequest) (*PruneReport, error) {
	s := r.newSession()
	if req.KeepLast < 1 {
		return nil, usage(fmt.Sprintf("--keep-last %d", req.KeepLast), errors.New("the last backup of a series always stays"), "give 1 or more")
	}
	if err := s.open(ctx, req.Vault); err != nil {
		return nil, err
	}
	defer s.close()
	kept, number, err := s.vault.Policy(ctx)
	if err != nil {
		return nil, err
	}
	if number == 0 {
		kept = s.asked
	}
	if kept.IsZero() && !req.Incomplete {
		return nil, usage("prune "+s.shown, errors.New("nothing says what the vault keeps"), keepHint)
	}
	all, err := s.findAll(ctx)
	if err != nil {
		return nil, err
	}
	report := &PruneReport{Vault: s.shown, Retention: FormatRetention(kept), Confirmed: req.Confirm, Backups: []PruneResult{}}
	var verdicts []lifecycle.Verdict
	if req.Incomplete {
		verdicts = s.abandoned(all, kept)
	} else if verdicts, err = s.judge(ctx, all, kept, req.KeepLast); err != nil {
		return nil, err
	}
	for i, v := range verdicts {
		report.Backups = append(report.Backups, PruneResult{Backup: all[i].entry.Name.String(), Remove: v.Remove, Reason: v.Reason})
	}
	if !req.Confirm {
		return report, nil
	}
	for i, v := range verdicts {
		if !v.Remove {
			continue
		}
		if err := s.remove(ctx, all[i].entry.Name, report); err != nil {
			return report, err
		}
		report.Removed++
		s.Log.Info("backup removed", "backup", all[i].entry.Name.String(), "reason", v.Reason)
	}
	return report, nil
}

// findAll finds every backup and every remainder of one, oldest first.
func (s *session) findAll(ctx context.Context) (all []found, err error) {
	entries, _, err := s.vault.List(ctx, "")
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, e := range entries {
		known[e.Name.String()] = true
		f := found{entry: e, item: lifecycle.Item{Series: e.Name.Series, Tier: e.Name.Tier, Time: e.Name.ID.Time, Complete: e.Complete,
			ID: e.Name.ID.Fingerprint, Parent: e.Name.ID.Parent}}
		if e.Complete {
			if f.item.Promise, err = s.promiseOf(ctx, e.Name); err != nil {
				return nil, err
			}
			if p := f.item.Promise; p != nil && p.Begun.After(f.item.Time) { // a copy
				f.item.Time = p.Begun
			}
		} else if e.Created.After(f.item.Time) { // it may be made right now, under an instant that is long past
			f.item.Time = e.Created
		}
		all = append(all, f)
	}
	for _, tier := range lifecycle.Tiers() {
		prefix := lifecycle.Prefix(s.prefix, tier, lifecycle.Data)
		for o, err := range s.bucket.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			parts := strings.SplitN(strings.TrimPrefix(o.Key, prefix), "/", 3)
			if len(parts) < 3 {
				continue
			}
			n, err := format.ParseName(string(tier), parts[0], parts[1])
			if err != nil || known[n.String()] {
				continue
			}
			if last := len(all) - 1; last < 0 || all[last].entry.Name != n { // the keys of one stand together
				all = append(all, found{entry: archive.Entry{Name: n}, item: lifecycle.Item{Series: n.Series, Tier: tier, Time: n.ID.Time, ID: n.ID.Fingerprint}})
			}
			// A copy of an old backup may have begun after the catalog was listed.
			if x := &all[len(all)-1].item; o.Created.After(x.Time) {
				x.Time = o.Created
			}
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(a.item.Time.Compare(b.item.Time), strings.Compare(a.entry.Name.String(), b.entry.Name.String()))
	})
	return all, nil
}

// promiseOf is the promise of a backup; a damaged one is none.
func (s *session) promiseOf(ctx context.Context, n format.Name) (*lifecycle.Promise, error) {
	if n.Tier == lifecycle.Manual {
		return nil, nil //nolint:nilnil // nothing is promised of it
	}
	promise, err := s.vault.Promise(ctx, n)
	if errors.Is(err, archive.ErrDamaged) {
		s.Log.Warn("promise not read", "backup", n.String(), "error", err)
		return nil, nil //nolint:nilnil // none, and no error
	}
	return promise, err
}

// judge decides by the times that backups have recorded. Where there is no
// promise, the manifest may say that a backup is younger than the instant of its
// id.
func (s *session) judge(ctx context.Context, all []found, kept lifecycle.Policy, last int) ([]lifecycle.Verdict, error) {
	items := make([]lifecycle.Item, len(all))
	for i := range all {
		items[i] = all[i].item
	}
	now := s.Now()
	for i, v := range kept.Prune(items, now, last) {
		if !v.Remove || !items[i].Complete || items[i].Promise != nil {
			continue
		}
		b, err := s.vault.Open(ctx, all[i].entry.Name)
		switch {
		case errors.Is(err, archive.ErrDamaged):
			items[i].Time = all[i].entry.Created
		case err != nil:
			return nil, err
		case b.Manifest.Completed.After(items[i].Time):
			items[i].Time = b.Manifest.Completed
		}
	}
	return kept.Prune(items, now, last), nil
}

// abandoned decides what was begun and is given up: it was not completed in
// the time that an upload may take.
func (s *session) abandoned(all []found, kept lifecycle.Policy) []lifecycle.Verdict {
	now := s.Now()
	verdicts := make([]lifecycle.Verdict, len(all))
	for i, f := range all {
		end := f.item.Time.Add(kept.UploadLimit())
		switch {
		case f.item.Complete:
			verdicts[i].Reason = "complete"
		case now.Before(end):
			verdicts[i].Reason = "it may still be in the making, until " + instant(end)
		default:
			verdicts[i] = lifecycle.Verdict{Remove: true, Reason: "begun " + f.item.Time.UTC().Format(time.DateOnly) + " and given up"}
		}
	}
	return verdicts
}

// remove removes the objects of a backup: its manifest first, then the rest of
// its catalog, capture.json last of that, then its data.
func (s *session) remove(ctx context.Context, n format.Name, report *PruneReport) error {
	for _, room := range []lifecycle.Room{lifecycle.Catalog, lifecycle.Data} {
		prefix := lifecycle.Prefix(s.prefix, n.Tier, room) + n.Series + "/" + n.ID.String() + "/"
		var keys []string
		sizes := map[string]int64{}
		for o, err := range s.bucket.List(ctx, prefix) {
			if err != nil {
				return err
			}
			keys = append(keys, o.Key)
			sizes[o.Key] = o.Size
		}
		slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(turn(a), turn(b)) })
		for _, key := range keys {
			if err := s.bucket.Delete(ctx, key); err != nil {
				return err
			}
			report.Objects++
			report.Bytes += sizes[key]
		}
	}
	return nil
}

// turn is when an object goes.
func turn(key string) int {
	switch {
	case strings.HasSuffix(key, "/"+format.ManifestFile):
		return 0
	case strings.HasSuffix(key, "/"+format.CaptureFile):
		return 2
	}
	return 1
}
