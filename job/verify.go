package job

import (
	"context"
	"errors"
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
	// Thaw is for what is in archive classes, where something is to be read.
	Thaw Thaw
}

// Verify checks a backup and all that it builds on. If something of it is damaged,
// the report says where, and the error is of the class Damaged. What is archived is thawed first if the request
// says so, all of it, as a sample is another every time; until it is, nothing
// is checked, and the report tells what was asked for.
func (r *Runner) Verify(ctx context.Context, req VerifyRequest) (*VerifyReport, error) {
	s := r.newSession()
	if req.Sample < 0 || req.Sample > 1 {
		return nil, usage(fmt.Sprintf("a sample of %g", req.Sample), fmt.Errorf("it is not between 0 and 1"), "give a part such as 5%")
	}
	if err := req.Thaw.check(); err != nil {
		return nil, err
	}
	e, err := s.openWhole(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	thaw, err := s.warmAll(ctx, e, req)
	if err != nil && thaw == nil {
		return nil, err
	}
	if err != nil {
		return &VerifyReport{Name: e.Name.String(), Vault: s.shown, Sample: req.Sample, Thaw: thaw, Run: s.run()}, err
	}
	seed := req.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	s.Progress.enter("verify")
	found, err := s.verifyChain(ctx, e, archive.VerifyOptions{Sample: req.Sample, Seed: seed})
	if found == nil {
		return nil, err
	}
	report := &VerifyReport{Name: e.Name.String(), Vault: s.shown, OK: err == nil, Sample: req.Sample,
		Objects: found.Objects, Read: found.Read, ReadBytes: found.Bytes, Damaged: found.Damaged, Thaw: thaw, Run: s.run()}
	for _, d := range found.Damage {
		report.Damage = append(report.Damage, Damage(d))
	}
	return report, err
}

// verifyChain verifies a backup and all that it builds on. The report is that of
// all, the error that of the first that is damaged.
func (s *session) verifyChain(ctx context.Context, e archive.Entry, opts archive.VerifyOptions) (*archive.VerifyReport, error) {
	all := &archive.VerifyReport{}
	var first error
	for _, m := range e.Chain() {
		one, err := s.vault.Verify(ctx, m.Name, opts)
		if one == nil || err != nil && !errors.Is(err, archive.ErrDamaged) {
			return one, err
		}
		if first == nil {
			first = err
		}
		all.Objects, all.Read, all.Bytes, all.Damaged = all.Objects+one.Objects, all.Read+one.Read, all.Bytes+one.Bytes, all.Damaged+one.Damaged
		all.Damage = append(all.Damage, one.Damage...)
	}
	return all, first
}

// warmAll makes sure that all of a backup can be read, if anything is to be.
func (s *session) warmAll(ctx context.Context, e archive.Entry, req VerifyRequest) (*ThawReport, error) {
	if req.Sample == 0 {
		return nil, nil //nolint:nilnil // nothing of the data is read, and no error
	}
	if req.Thaw.Ask {
		if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
			return nil, err
		}
	}
	return s.warm(ctx, e, req.Thaw, func(string) bool { return true })
}
