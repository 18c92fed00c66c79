package job

import (
	"context"
)

// ShowRequest names a backup.
type ShowRequest struct {
	Backup string // VAULT#REFERENCE
	Access
}

// Show tells what a backup holds.
func (r *Runner) Show(ctx context.Context, req ShowRequest) (*ShowReport, error) {
	s := r.newSession()
	b, err := s.openBackup(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	report := &ShowReport{Backup: s.named(b.Name), SegmentBytes: b.Manifest.Segment, ChunkBytes: b.Manifest.Chunk}
	report.opened(b)
	promise, err := s.vault.Promise(ctx, b.Name)
	if err != nil {
		s.Log.Warn("promise not read", "backup", b.Name.String(), "error", err)
	}
	report.promised(promise)
	if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
		return nil, err
	}
	e, err := s.vault.Entry(ctx, b.Name)
	if err != nil {
		return nil, err
	}
	report.floor(s.vault.Floor(e))
	report.built(e)
	report.Lock = s.lockOf(ctx, b.ManifestKey())
	report.Held = s.held(ctx, b.ManifestKey())
	drilled := []Backup{report.Backup}
	s.addDrills(ctx, drilled, b.Name.Series)
	report.Backup = drilled[0]
	return report, nil
}
