package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
	"github.com/snapferry/snapferry/providers"
)

// Apply writes the lifecycle rules that a vault is to keep, and its policy
// into the vault. Rules of others stay as they are. What would break a promise
// that was made is refused, unless each such loss is accepted; acceptances, and
// the rules that were there before, are kept in the vault.
//
// What was written is read again. S3 and Azure have no conditional write: if
// somebody else writes at the same moment, the last one wins, and only a later
// look can tell.
func (r *Runner) Apply(ctx context.Context, req PlanRequest) (*PlanReport, error) {
	s := r.newSession()
	if err := s.open(ctx, req.Vault); err != nil {
		return nil, err
	}
	defer s.close()
	p, err := s.plan(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := p.report.refuse(); err != nil {
		return p.report, err
	}
	if err := s.keepAcceptances(ctx, p.report); err != nil {
		return p.report, err
	}
	if len(p.report.Changes) > 0 {
		if err := s.setRules(ctx, p); err != nil {
			return p.report, err
		}
	}
	if p.number == 0 || !p.stored.Equal(p.policy) {
		if err := s.setPolicy(ctx, p); err != nil {
			return p.report, err
		}
	}
	p.report.Applied = true
	return p.report, nil
}

func (s *session) setPolicy(ctx context.Context, p *planned) error {
	err := s.vault.SetPolicy(ctx, p.policy, p.number)
	if errors.Is(err, providers.ErrExists) {
		return &Error{Op: "apply", Name: s.shown, Err: fmt.Errorf("%w: another policy was stored at the same time", providers.ErrChanged),
			Hint: "look at it with snapferry lifecycle plan, and apply again"}
	}
	return err
}

// setRules keeps the rules that are there, writes the new ones and reads them
// again.
func (s *session) setRules(ctx context.Context, p *planned) error {
	if len(p.doc.Body) > 0 {
		ending := ".json"
		if p.doc.Store == lifecycle.S3 || p.doc.Store == lifecycle.S3Compatible {
			ending = ".xml"
		}
		if err := s.keep(ctx, formerRules, ending, p.doc.Body); err != nil {
			return err
		}
	}
	doc := p.doc
	doc.Body = p.after.Document().Body
	ruler, ok := providers.Feature[providers.Ruler](s.bucket)
	if !ok {
		return fmt.Errorf("write rules: %w", providers.ErrUnsupported)
	}
	if err := s.ask(ctx, "write rules", func() error { return ruler.SetRules(ctx, doc) }); err != nil {
		return err
	}
	there, _, err := s.rules(ctx)
	if err != nil {
		return err
	}
	return s.sameRules(p.after, there)
}

// sameRules refuses rules that are not what was written.
func (s *session) sameRules(written, there *native.Rules) error {
	diff := written.Diff(there)
	if len(diff) == 0 {
		return nil
	}
	return &Error{Op: "apply", Name: s.shown, Err: fmt.Errorf("%w: the rules read back differ from those written in %d rules, the first is %s",
		providers.ErrChanged, len(diff), diff[0].Rule), Hint: "somebody else writes rules of this bucket, such as Terraform: agree on one, and apply again"}
}

// Where the vault keeps what was replaced or accepted, and the time in the names
// there.
const (
	formerRules = "rules/"
	acceptances = "accepted/"
	keptTime    = "20060102T150405Z"
)

// acceptance is the object that records accepted losses.
type acceptance struct {
	Format  int       `json:"format"`
	Time    time.Time `json:"time"`
	Program string    `json:"program"`
	Losses  []Loss    `json:"losses"`
}

func (s *session) keepAcceptances(ctx context.Context, report *PlanReport) error {
	a := acceptance{Format: format.FormatVersion, Time: s.Now().UTC().Truncate(time.Second), Program: s.Program}
	for _, l := range report.Losses {
		if l.Accepted {
			a.Losses = append(a.Losses, l)
		}
	}
	if len(a.Losses) == 0 {
		return nil
	}
	b, err := format.Seal(a)
	if err != nil {
		return err
	}
	return s.keep(ctx, acceptances, ".json", b)
}

// keep stores what is to be known later below a folder of the vault, under the
// time and its hash.
func (s *session) keep(ctx context.Context, folder, ending string, content []byte) error {
	sum := sha256.Sum256(content)
	key := folder + s.Now().UTC().Format(keptTime) + "-" + hex.EncodeToString(sum[:4]) + ending
	if s.prefix != "" {
		key = s.prefix + "/" + key
	}
	err := s.bucket.Put(ctx, key, providers.Bytes(content))
	if errors.Is(err, providers.ErrExists) {
		return nil
	}
	return err
}
