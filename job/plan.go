package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
	"github.com/snapferry/snapferry/providers"
)

// PlanRequest says what a vault is to keep.
type PlanRequest struct {
	Vault Vault // its Retention is what is to be kept; zero: what the vault keeps
	// AcceptLoss names backups of which it is accepted that Apply breaks what
	// they are promised: TIER/SERIES/ID.
	AcceptLoss []string
	// MaxAge is how old the newest backup of a series may be, for CheckRules; 0:
	// any age.
	MaxAge time.Duration
}

// PlanReport is what the rules of a store are to become, and what that does to
// the backups that are there.
type PlanReport struct {
	Vault     string       `json:"vault"`
	Scope     string       `json:"scope"`     // what the rules are of: bucket acme
	Retention string       `json:"retention"` // that the rules are to keep
	Zone      string       `json:"zone"`
	Stored    string       `json:"stored,omitempty"` // retention that the vault holds
	Rules     int          `json:"rules"`            // there will be
	Others    int          `json:"others"`           // of them, that are not the vault's
	Changes   []RuleChange `json:"changes"`
	Unknown   []string     `json:"unknown,omitempty"` // what rules do that this program does not know
	Losses    []Loss       `json:"losses,omitempty"`
	// Conflicts are rules of others that would remove new backups before the
	// retention allows it.
	Conflicts []string `json:"conflicts,omitempty"`
	Guarded   bool     `json:"guarded"` // the store refuses a write that would undo another one
	Applied   bool     `json:"applied"`
}

// RuleChange is one rule that is added, changed or removed.
type RuleChange struct {
	Rule string   `json:"rule"`
	Was  []string `json:"was,omitempty"`
	Is   []string `json:"is,omitempty"`
}

// Loss is a backup that the new rules remove before the end of its promise, or
// at once.
type Loss struct {
	Backup string `json:"backup"`
	// PromisedUntil is the end of its promise; absent: it has none, and goes at
	// once.
	PromisedUntil *time.Time `json:"promised_until,omitempty"`
	Until         time.Time  `json:"until"` // when the new rules may remove it
	Rule          string     `json:"rule"`
	Accepted      bool       `json:"accepted"`
}

// planned is a plan with what it takes to carry it out.
type planned struct {
	report *PlanReport
	policy lifecycle.Policy
	stored lifecycle.Policy // that the vault holds
	number int              // of that; 0: there is none
	doc    providers.RulesDocument
	before *native.Rules // that are live
	// conflicts are those of the report, and doubtful ones.
	conflicts []lifecycle.Conflict
	after     *native.Rules
	// entries are all that one sweep of the catalog found.
	entries []archive.Entry
}

// Plan compares the lifecycle rules of a store with what its vault is to keep.
// Nothing is changed.
func (r *Runner) Plan(ctx context.Context, req PlanRequest) (*PlanReport, error) {
	s := r.newSession()
	if err := s.open(ctx, req.Vault); err != nil {
		return nil, err
	}
	defer s.close()
	p, err := s.plan(ctx, req)
	if err != nil {
		return nil, err
	}
	return p.report, nil
}

func (s *session) plan(ctx context.Context, req PlanRequest) (*planned, error) {
	p := &planned{policy: s.asked}
	stored, number, err := s.vault.Policy(ctx)
	if err != nil {
		return nil, err
	}
	if p.stored, p.number = stored, number; p.policy.IsZero() {
		p.policy = stored
	}
	if p.policy.IsZero() {
		return nil, usage("plan", errors.New("nothing says what the vault is to keep"), keepHint)
	}
	before, doc, err := s.rules(ctx)
	if err != nil {
		return nil, err
	}
	p.before, p.doc = before, doc
	rules := p.policy.Rules(doc.Store)
	keep, err := s.retired(ctx, before.Tiers(s.prefix), rules)
	if err != nil {
		return nil, err
	}
	if p.after, err = before.Merge(s.prefix, rules, keep...); err != nil {
		return nil, usage(doc.Scope, err, "remove rules that nobody needs, or keep less")
	}
	p.report = &PlanReport{Vault: s.shown, Scope: doc.Scope,
		Retention: FormatRetention(p.policy), Zone: zoneOf(p.policy).String(), Stored: FormatRetention(stored),
		Rules: p.after.Len(), Others: s.foreign(p.after), Changes: []RuleChange{}, Unknown: p.after.Unknown(), Guarded: doc.Version != ""}
	for _, c := range before.Diff(p.after) {
		p.report.Changes = append(p.report.Changes, RuleChange(c))
	}
	p.conflicts = p.policy.Conflicts(p.after.Ruleset(s.prefix), s.prefix, s.Now())
	for i := range p.conflicts {
		if c := &p.conflicts[i]; !c.Effect.Partial {
			p.report.Conflicts = append(p.report.Conflicts, c.String())
		}
	}
	if p.entries, _, err = s.vault.List(ctx, ""); err != nil {
		return nil, err
	}
	p.report.Losses, err = s.losses(ctx, before, p, req.AcceptLoss)
	return p, err
}

// foreign counts the rules that are not the vault's.
func (s *session) foreign(r *native.Rules) int {
	others, err := r.Merge(s.prefix, nil)
	if err != nil {
		return 0
	}
	return others.Len()
}

// retired are the tiers that have rules, are not kept any more, and are not
// empty yet: without rules, what is in them would stay for ever.
func (s *session) retired(ctx context.Context, have []lifecycle.Tier, rules []lifecycle.Rule) (keep []lifecycle.Tier, err error) {
	for _, t := range have {
		if slices.ContainsFunc(rules, func(r lifecycle.Rule) bool { return r.Tier == t }) {
			continue
		}
		for _, room := range []lifecycle.Room{lifecycle.Catalog, lifecycle.Data} {
			for _, err := range s.bucket.List(ctx, lifecycle.Prefix(s.prefix, t, room)) {
				if err != nil {
					return nil, err
				}
				keep = append(keep, t)
				break
			}
		}
	}
	return slices.Compact(keep), nil
}

// losses are the backups that new rules harm more than the old ones do: what
// is promised of them is broken, or they go at once.
func (s *session) losses(ctx context.Context, before *native.Rules, p *planned, accepted []string) (losses []Loss, err error) {
	now := s.Now()
	live := before.Ruleset(s.prefix)
	old := s.vault.Under(archive.Rotation{Rules: []lifecycle.Ruleset{live}})
	live.Ended = now.Add(lifecycle.RuleDelay)
	fresh := s.vault.Under(archive.Rotation{Rules: []lifecycle.Ruleset{p.after.Ruleset(s.prefix), live}})
	known := map[string]bool{}
	for _, e := range p.entries {
		was, is := old.Floor(e), fresh.Floor(e)
		known[e.Name.String()] = true
		if !e.Complete || is.Never() || !was.Never() && !is.At.Before(was.At) || !was.Holds(now) {
			continue
		}
		promise, err := s.vault.Promise(ctx, e.Name)
		if err != nil {
			return nil, err
		}
		loss := Loss{Backup: e.Name.String(), Until: is.At.UTC(), Rule: is.Effect.Rule, Accepted: slices.Contains(accepted, e.Name.String())}
		switch {
		case promise != nil && now.Before(promise.Until) && !is.Covers(promise.Until):
			until := promise.Until.UTC()
			loss.PromisedUntil = &until
		case is.Holds(now):
			continue
		}
		losses = append(losses, loss)
	}
	for _, name := range accepted {
		if !known[name] {
			return nil, usage("--accept-loss "+name, errors.New("there is no such backup"), "write TIER/SERIES/ID as snapferry lifecycle plan shows it")
		}
	}
	return losses, nil
}

// unaccepted are the losses that nobody accepted, for an error.
func (p *PlanReport) unaccepted() (texts []string) {
	for _, l := range p.Losses {
		switch {
		case l.Accepted:
		case l.PromisedUntil != nil:
			texts = append(texts, fmt.Sprintf("%s is promised until %s and may go %s", l.Backup, instant(*l.PromisedUntil), instant(l.Until)))
		default:
			texts = append(texts, l.Backup+" goes at once")
		}
	}
	return texts
}

// refuse is the error of a plan that would break a promise, or could not keep
// one.
func (p *PlanReport) refuse() error {
	if len(p.Conflicts) > 0 {
		return &Error{Op: "apply", Name: p.Vault, Err: fmt.Errorf("%w: somebody else's rule removes what is to be kept: %s", archive.ErrRefused, p.Conflicts[0]),
			Hint: "narrow that rule to prefixes of its own, or keep less; snapferry changes no rule of others"}
	}
	texts := p.unaccepted()
	if len(texts) == 0 {
		return nil
	}
	const most = 3
	shown := strings.Join(texts[:min(most, len(texts))], "; ")
	if more := len(texts) - most; more > 0 {
		shown += fmt.Sprintf("; and %d more", more)
	}
	return &Error{Op: "apply", Name: p.Vault, Err: fmt.Errorf("%w: %s", archive.ErrRefused, shown),
		Hint: "keep more, wait until they may go, or name each with --accept-loss TIER/SERIES/ID; snapferry lifecycle plan lists all"}
}
