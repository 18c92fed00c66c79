package job

import (
	"context"
	"errors"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// CopyRequest says which backup is copied, and where to.
type CopyRequest struct {
	Backup string // VAULT#REFERENCE
	Access        // of the vault it is in
	// Vaults take the copy, each by itself; at least one.
	Vaults []Vault
	Tier   string // empty: that of the backup
}

// Copy copies a complete backup, and all that it builds on, into other vaults,
// object for object, and checks every hash on the way. It needs no key: what is encrypted or signed
// stays so. It returns no error only if the copy is complete in all of them;
// with ErrPartial it is in at least one.
func (r *Runner) Copy(ctx context.Context, req CopyRequest) (*CopyReport, error) {
	s := r.newSession()
	tier, err := s.copyTier(req)
	if err != nil {
		return nil, err
	}
	e, err := s.openWhole(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.notOntoItself(req, e, tier); err != nil {
		return nil, err
	}
	all, err := s.openAll(ctx, req.Vaults, func(ctx context.Context, o *opened) error {
		if err := o.checkLockable(ctx); err != nil {
			return err
		}
		return s.rotate(ctx, o, o.asked)
	})
	defer s.closeAll(all)
	if err != nil {
		return nil, err
	}
	s.Progress.enter("copy")
	for _, m := range e.Chain() { // what it builds on comes first
		if err := s.copyOne(ctx, m, all.living(), tier); err != nil {
			return nil, err
		}
	}
	return s.copyReport(e, all), s.outcome(ctx, e.Name.String(), all)
}

// copyOne copies one backup to all targets.
func (s *session) copyOne(ctx context.Context, e archive.Entry, living targets, tier lifecycle.Tier) error {
	vaults := make([]*archive.Vault, len(living))
	for i, t := range living {
		vaults[i] = t.vault
	}
	copied, err := archive.Copy(ctx, s.vault, e.Name, vaults, tier)
	if err != nil {
		return err
	}
	for i, t := range living {
		t.copied, t.err = &copied[i], copied[i].Err
	}
	return nil
}

// copyTier checks the choices of a request.
func (s *session) copyTier(req CopyRequest) (lifecycle.Tier, error) {
	if err := checkVaults(req.Vaults); err != nil {
		return "", err
	}
	if req.Tier == "" {
		return "", nil
	}
	tier, err := lifecycle.ParseTier(req.Tier)
	if err != nil {
		return "", usage("--tier "+req.Tier, errors.New("no such tier"), Suggest(req.Tier, tierNames()))
	}
	return tier, nil
}

func (s *session) notOntoItself(req CopyRequest, e archive.Entry, tier lifecycle.Tier) error {
	vault, _, err := splitReference(req.Backup)
	if err != nil {
		return err
	}
	for _, v := range req.Vaults {
		if v.URL == vault && (tier == "" || tier == e.Name.Tier) {
			return usage(providers.Redact(v.URL), errors.New("the backup is in this vault and tier"), "name another vault, or another tier with --tier")
		}
	}
	return nil
}

// copyReport tells what became of the copies. It is nil if there is none.
func (s *session) copyReport(e archive.Entry, all targets) *CopyReport {
	if len(all.living()) == 0 {
		return nil
	}
	report := &CopyReport{Backup: s.named(e.Name)}
	for _, t := range all {
		r := VaultReport{Backup: t.named(e.Name), Configured: t.called, OK: t.err == nil}
		if t.copied != nil {
			r.Backup, r.Resumed, r.ReusedBytes = t.named(t.copied.Name), t.copied.Resumed, t.copied.Reused
		}
		if t.err != nil {
			r.Error, r.Hint = t.err.Error(), Hint(t.err)
		} else {
			r.complete(t.copied.Manifest)
			report.complete(t.copied.Manifest)
		}
		report.Copies = append(report.Copies, r)
	}
	report.Run = s.run(append(all.opened(), &s.opened)...)
	return report
}
