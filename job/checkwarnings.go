package job

import (
	"context"
	"fmt"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// warnStore looks for settings of the store, and of its tiers, by which more
// stays and is charged for than the vault keeps.
func (s *session) warnStore(ctx context.Context, p *planned, report *LifecycleReport) {
	in := s.inspected(ctx)
	if days := in.SoftDelete.Hours() / 24; days > 0 {
		report.warnf("the store keeps what was removed for %g more days, unseen, and charges for it (soft delete): choose for this bucket whether it should", days)
	}
	for i := range p.conflicts {
		report.warnf("%s", &p.conflicts[i])
	}
	live := p.before.Ruleset(s.prefix)
	counts, newest := map[lifecycle.Tier]int{}, map[lifecycle.Tier]archive.Entry{}
	for _, e := range p.entries {
		if counts[e.Name.Tier]++; e.Complete {
			newest[e.Name.Tier] = e
		}
	}
	for _, t := range lifecycle.Tiers() {
		if counts[t] == 0 || t == lifecycle.Manual {
			continue
		}
		for _, room := range []lifecycle.Room{lifecycle.Catalog, lifecycle.Data} {
			prefix := lifecycle.Prefix(s.prefix, t, room)
			if _, kept := p.policy.CatalogDays(t); !kept && !live.Cleans(prefix, false) {
				report.warnf("%s has %d backups, nothing of it is kept any more, and no rule removes what is below %q: it stays for ever", t, counts[t], prefix)
			}
			if in.Versioning.State == providers.On && !live.Cleans(prefix, true) {
				report.warnf("the store keeps older versions, and no rule removes those below %q: what is removed stays as such, and is charged for", prefix)
			}
		}
		if e, ok := newest[t]; ok {
			s.warnLock(ctx, e, report)
		}
	}
}

// lockSlack is how much longer than the rules a lock may be without a word:
// they are late by as much.
const lockSlack = 24 * time.Hour

// warnLock looks whether the newest backup of a tier is locked for longer than
// the rules leave it.
func (s *session) warnLock(ctx context.Context, e archive.Entry, report *LifecycleReport) {
	e.Base = nil // of its own manifest
	floor := s.vault.Floor(e)
	if floor.Never() {
		return
	}
	lock := s.lockOf(ctx, s.vault.CatalogKey(e.Name, format.ManifestFile))
	if lock != nil && lock.Until.After(floor.At.Add(lockSlack)) {
		report.warnf("%s is locked until %s, and %s from %s on: it stays until the lock ends", e.Name, instant(lock.Until), floor.Effect, instant(floor.At))
	}
}

// inspected is what the store tells of its settings; what it does not tell is
// left out.
func (s *session) inspected(ctx context.Context) (in providers.Inspection) {
	inspector, ok := providers.Feature[providers.Inspector](s.bucket)
	if !ok {
		return in
	}
	err := s.ask(ctx, "inspect", func() (err error) {
		in, err = inspector.Inspect(ctx)
		return err
	})
	if err != nil {
		s.Log.Info("the settings of the store are not known", "vault", s.shown, "error", err)
	}
	return in
}

func (report *LifecycleReport) warnf(format string, args ...any) {
	report.Warnings = append(report.Warnings, fmt.Sprintf(format, args...))
}
