package job

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/snapferry/snapferry/archive"
)

// VerifyRequest says which backup is checked, and how thoroughly.
type VerifyRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	// Sample is the part of the segments, 0 to 1, that is read, hashed and
	// decoded. All of them are looked up in any case.
	Sample float64
	// Seed picks the segments of a sample; zero picks others every time.
	Seed uint64
}

// Verify checks a backup. If it is damaged, the report says where, and the
// error is of the class Damaged.
func (r *Runner) Verify(ctx context.Context, req VerifyRequest) (*VerifyReport, error) {
	s := r.newSession()
	if req.Sample < 0 || req.Sample > 1 {
		return nil, usage(fmt.Sprintf("a sample of %g", req.Sample), fmt.Errorf("it is not between 0 and 1"), "give a part such as 5%")
	}
	vault, ref, err := splitReference(req.Backup)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, Vault{URL: vault, Access: req.Access}); err != nil {
		return nil, err
	}
	defer s.close()
	e, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	seed := req.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	s.Progress.enter("verify")
	found, err := s.vault.Verify(ctx, e.Name, archive.VerifyOptions{Sample: req.Sample, Seed: seed})
	if found == nil {
		return nil, err
	}
	report := &VerifyReport{Name: e.Name.String(), Vault: s.shown, OK: err == nil, Sample: req.Sample,
		Objects: found.Objects, Read: found.Read, ReadBytes: found.Bytes, Damaged: found.Damaged, Run: s.run()}
	for _, d := range found.Damage {
		report.Damage = append(report.Damage, Damage(d))
	}
	return report, err
}
