package job

import "context"

// FinishRequest names a backup whose data is all stored and whose manifest is
// missing.
type FinishRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	// Unchecked finishes it also if nobody can tell any more whether its
	// source stayed the same while it was read.
	Unchecked bool
}

// Finish writes the manifest of a backup. What is not all there, or cannot be
// trusted to be, is of the class Refused.
func (r *Runner) Finish(ctx context.Context, req FinishRequest) (*FinishReport, error) {
	s := r.newSession()
	vault, ref, err := splitReference(req.Backup)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, Vault{URL: vault, Access: req.Access}); err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.checkLockable(ctx); err != nil {
		return nil, err
	}
	if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
		return nil, err
	}
	e, err := s.vault.Find(ctx, ref, true)
	if err != nil {
		return nil, err
	}
	if _, err := s.vault.Finish(ctx, e.Name, req.Unchecked); err != nil {
		return nil, err
	}
	finished, err := s.vault.Open(ctx, e.Name)
	if err != nil {
		return nil, err
	}
	report := &FinishReport{Backup: s.named(e.Name), Run: s.run()}
	report.opened(finished)
	return report, nil
}
