package job

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
)

// LifecycleReport is what the live rules do to the backups that are there.
type LifecycleReport struct {
	PlanReport
	Series []SeriesLife `json:"series"`
	// Broken are the backups that rules may remove before the end of what they
	// are promised.
	Broken []Loss `json:"broken,omitempty"`
	// Warnings are what costs money or time without breaking a promise.
	Warnings []string `json:"warnings,omitempty"`
}

// SeriesLife is one series, without what stands in the tier manual.
type SeriesLife struct {
	Series  string    `json:"series"`
	Backups int       `json:"backups"` // that rules leave whole
	Newest  time.Time `json:"newest"`  // its first object, by the store's clock
	// EmptyOn is when the last of them may go, if no other is made; absent: it
	// never does.
	EmptyOn *time.Time `json:"empty_on,omitempty"`
}

// CheckRules holds the live rules of a store against what its backups are
// promised. A promise that rules break is of the class Damaged; rules that
// differ from what the vault keeps, or that do what this program does not
// know, are ErrPartial. Nothing is changed.
func (r *Runner) CheckRules(ctx context.Context, req PlanRequest) (*LifecycleReport, error) {
	s := r.newSession()
	if err := s.open(ctx, req.Vault); err != nil {
		return nil, err
	}
	defer s.close()
	p, err := s.plan(ctx, req)
	if err != nil {
		return nil, err
	}
	s.under(ctx, &s.opened, s.settle(&s.opened, p.stored, p.number, p.policy), p.before, p.doc)
	report := &LifecycleReport{PlanReport: *p.report, Series: []SeriesLife{}}
	if err := s.lives(ctx, p.entries, report); err != nil {
		return nil, err
	}
	report.warn(p, req.MaxAge, s.Now())
	s.warnStore(ctx, p, report)
	report.warnFrozen(p.after.Ruleset(s.prefix), s.prefix)
	return report, report.verdict()
}

// lives looks at every backup.
func (s *session) lives(ctx context.Context, entries []archive.Entry, report *LifecycleReport) error {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e archive.Entry) bool { return !e.Complete || e.Name.Tier == lifecycle.Manual })
	promises, err := s.promises(ctx, entries)
	if err != nil {
		return err
	}
	now := s.Now()
	floors := map[string][]lifecycle.Floor{}
	for i, e := range entries {
		floor, promise := s.vault.Floor(e), promises[i]
		if promise != nil && now.Before(promise.Until) && !floor.Covers(promise.Until) {
			until := promise.Until.UTC()
			report.Broken = append(report.Broken, Loss{Backup: e.Name.String(), PromisedUntil: &until, Until: floor.At.UTC(), Rule: floor.Effect.Rule})
		}
		if floor.Holds(now) {
			report.count(e, floor, floors)
		}
	}
	for i := range report.Series {
		x := &report.Series[i]
		if last, never := lifecycle.LastPoint(floors[x.Series]); !never {
			last = last.UTC()
			x.EmptyOn = &last
		}
	}
	return nil
}

// promises reads what backups are promised, many at a time.
func (s *session) promises(ctx context.Context, entries []archive.Entry) ([]*lifecycle.Promise, error) {
	all := make([]*lifecycle.Promise, len(entries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(listReaders)
	for i, e := range entries {
		g.Go(func() (err error) {
			all[i], err = s.promiseOf(ctx, e.Name)
			return err
		})
	}
	return all, g.Wait()
}

func (report *LifecycleReport) count(e archive.Entry, floor lifecycle.Floor, floors map[string][]lifecycle.Floor) {
	name := e.Name.Series
	floors[name] = append(floors[name], floor)
	i := slices.IndexFunc(report.Series, func(x SeriesLife) bool { return x.Series == name })
	if i < 0 {
		i = len(report.Series)
		report.Series = append(report.Series, SeriesLife{Series: name})
	}
	x := &report.Series[i]
	x.Backups++
	if e.Created.After(x.Newest) {
		x.Newest = e.Created.UTC()
	}
}

// warn looks for what breaks no promise and is not as it should be.
func (report *LifecycleReport) warn(p *planned, maxAge time.Duration, now time.Time) {
	for _, x := range report.Series {
		if age := now.Sub(x.Newest); maxAge > 0 && age > maxAge {
			report.Warnings = append(report.Warnings, fmt.Sprintf("the newest backup of %s is %s old, %s are allowed", x.Series, age.Round(time.Minute), maxAge))
		}
	}
	for _, c := range p.policy.Charges(p.doc.Store) {
		report.Warnings = append(report.Warnings, fmt.Sprintf("data of %s stays %d days in %s, which is charged for %d", c.Tier, c.Stays, c.Class, c.Charged))
	}
}

// warnFrozen names rules, whoever made them, that move something of the vault to
// where it cannot be read at once.
func (report *LifecycleReport) warnFrozen(set lifecycle.Ruleset, root string) {
	for _, e := range set.Effects {
		if !set.Store.Frozen(e.Class) {
			continue
		}
		one := lifecycle.Ruleset{Store: set.Store, Effects: []lifecycle.Effect{e}}
		for _, t := range lifecycle.Tiers() {
			if _, by := one.Moved(lifecycle.Prefix(root, t, lifecycle.Data), time.Time{}); by != nil {
				report.Warnings = append(report.Warnings, fmt.Sprintf("%s: what it moves must be thawed before it can be restored or verified", e.Rule))
				break
			}
		}
	}
}

// verdict is the worst of what was found.
func (report *LifecycleReport) verdict() error {
	if n := len(report.Broken); n > 0 {
		b := report.Broken[0]
		return &Error{Op: "check", Name: report.Vault,
			Err: fmt.Errorf("%w: rules break the promise of %d backups, the first is %s, promised until %s: %s may remove it from %s on", archive.ErrDamaged,
				n, b.Backup, instant(*b.PromisedUntil), b.Rule, instant(b.Until)),
			Hint: "correct that rule at once; copy what must stay to another vault or tier"}
	}
	if len(report.Changes) > 0 {
		return &Error{Op: "check", Name: report.Vault,
			Err:  fmt.Errorf("%w: the rules are not those of what the vault keeps: %d differ", ErrPartial, len(report.Changes)),
			Hint: "snapferry lifecycle plan shows them, snapferry lifecycle apply writes them"}
	}
	if len(report.Warnings) > 0 {
		return &Error{Op: "check", Name: report.Vault, Err: fmt.Errorf("%w: %s", ErrPartial, report.Warnings[0]),
			Hint: "snapferry lifecycle check lists all that it found"}
	}
	if len(report.Unknown) > 0 {
		return &Error{Op: "check", Name: report.Vault, Err: fmt.Errorf("%w: a rule does what nobody here knows: %s", ErrPartial, report.Unknown[0]),
			Hint: "look up what it does, or use a newer version of snapferry"}
	}
	return nil
}
