package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/providers"
)

// target is one of the vaults that get a backup, and what became of it there.
type target struct {
	*opened       // of one that could not be opened, nothing but its names
	err     error // why the backup is not there
	writer  *archive.Writer
	made    *format.Manifest // the backup is complete
	copied  *archive.Copied
}

// targets are all vaults of a run, in the order in which they were named.
type targets []*target

// openAll opens the vaults of a run and looks each of them up with ask. One
// that fails is noted; the run goes on if another is left. An URL that nobody
// can carry out ends it. The caller closes them, also after an error.
func (s *session) openAll(ctx context.Context, vaults []Vault, ask func(context.Context, *opened) error) (targets, error) {
	all := make(targets, len(vaults))
	for i, v := range vaults {
		o, err := s.openVault(ctx, v)
		if err != nil {
			o = &opened{called: v.Name, shown: providers.Redact(v.URL)}
		}
		all[i] = &target{opened: o, err: err}
		if Classify(err) == Usage {
			return all, err
		}
	}
	all.each(func(t *target) { t.err = ask(ctx, t.opened) })
	if len(all.living()) == 0 {
		return all, s.allFailed(ctx, all)
	}
	return all, nil
}

func (s *session) closeAll(all targets) {
	for _, t := range all {
		if t != nil && t.bucket != nil {
			s.closeVault(t.opened)
		}
	}
}

// living are the targets that have not failed.
func (all targets) living() targets {
	var living targets
	for _, t := range all {
		if t != nil && t.err == nil {
			living = append(living, t)
		}
	}
	return living
}

// each runs do for all living targets at the same time and waits.
func (all targets) each(do func(*target)) {
	var wg sync.WaitGroup
	for _, t := range all.living() {
		wg.Go(func() { do(t) })
	}
	wg.Wait()
}

// opened are those that could be opened.
func (all targets) opened() []*opened {
	var list []*opened
	for _, t := range all {
		if t.bucket != nil {
			list = append(list, t.opened)
		}
	}
	return list
}

// allFailed is the error of a run after which no vault has the backup: that of
// the first. The log has those of the others.
func (s *session) allFailed(ctx context.Context, all targets) error {
	for _, t := range all[1:] {
		if ctx.Err() == nil && !errors.Is(t.err, all[0].err) {
			s.Log.Warn("vault failed", "vault", t.shown, "error", t.err)
		}
	}
	return all[0].err
}

// outcome is the error of a run that is over: none if all vaults have the
// backup, ErrPartial if some have.
func (s *session) outcome(ctx context.Context, what string, all targets) error {
	living := len(all.living())
	switch {
	case living == len(all):
		return nil
	case living == 0:
		return s.allFailed(ctx, all)
	case ctx.Err() != nil:
		return &Error{Op: "store", Name: what, Err: fmt.Errorf("%w with %d of %d vaults done", ctx.Err(), living, len(all))}
	}
	var problems, hints []string
	for _, t := range all {
		if t.err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", t.shown, t.err))
			hints = append(hints, fmt.Sprintf("%s: %s", t.shown, Hint(t.err)))
		}
	}
	return &Error{Op: "store", Name: what, Err: fmt.Errorf("%w: %d of %d vaults failed: %s", ErrPartial, len(problems), len(all), strings.Join(problems, "; ")),
		Hint: strings.Join(hints, "; ") + "; the next run or snapferry copy brings what is missing"}
}

// report is what became of the backup in this vault. spec stands in where not
// even its name is known.
func (t *target) report(spec archive.Spec) VaultReport {
	r := VaultReport{Configured: t.called, OK: t.err == nil,
		Backup: Backup{Series: spec.Series, Tier: string(spec.Tier), Vault: t.shown, Kind: format.KindFull, Time: spec.Time.UTC()}}
	if t.err != nil {
		r.Error, r.Hint = t.err.Error(), Hint(t.err)
	}
	if t.writer != nil {
		r.Backup = t.named(t.writer.Name())
		r.Resumed, r.ReusedBytes, r.Levels = t.writer.Resumed(), t.writer.Reused(), levels(t.writer.Levels())
	}
	if t.made != nil {
		r.complete(t.made)
		r.protected(t.writer.Capture(), t.writer.Signature())
		r.promised(t.writer.Promise())
		r.floor(t.writer.Floor())
	}
	return r
}

func levels(counts map[frame.Level]int64) map[string]int64 {
	out := make(map[string]int64, len(counts))
	for level, n := range counts {
		out[string(level)] = n
	}
	return out
}
