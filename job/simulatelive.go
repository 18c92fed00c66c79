package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// SimulateLive is Simulate that begins with what there is: the restore points
// of one series of a vault, what the vault keeps, and the live rules of its
// store, other people's as well. The first day is today; the request's policy,
// store and first day do not matter. series may be empty if the vault has one
// alone.
func (r *Runner) SimulateLive(ctx context.Context, v Vault, series string, req SimulateRequest) (*SimulateReport, error) {
	s := r.newSession()
	if err := s.open(ctx, v); err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
		return nil, err
	}
	now := s.Now()
	rotation := s.vault.Rotation()
	req.Policy, req.From = rotation.Policy, now
	from, to, err := req.span()
	if err != nil {
		return nil, err
	}
	runs, err := req.runs(now.In(from.Location()), to)
	if err != nil {
		return nil, err
	}
	there, series, err := s.points(ctx, series, now)
	if err != nil {
		return nil, err
	}
	play := lifecycle.Simulation{Policy: rotation.Policy, Rules: rotation.Rules, Root: s.prefix, Series: series, There: there}
	return req.report(rotation.Rules[0].Store, play.Play(runs), runs, from, to)
}

// points are the restore points of a series that rules leave whole, and its
// name.
func (s *session) points(ctx context.Context, series string, now time.Time) (there []lifecycle.Point, name string, err error) {
	entries, _, err := s.vault.List(ctx, series)
	if err != nil {
		return nil, "", err
	}
	var names []string
	whole := entries[:0]
	for _, e := range entries {
		if !e.Complete || !s.vault.Restorable(e, now) {
			continue
		}
		whole = append(whole, e)
		if !slices.Contains(names, e.Name.Series) {
			names = append(names, e.Name.Series)
		}
	}
	switch {
	case len(names) > 1:
		return nil, "", usage("simulate "+s.shown, fmt.Errorf("it has %d series", len(names)), "name one with --series: "+strings.Join(names, ", "))
	case len(names) == 0 && series == "":
		return nil, "", usage("simulate "+s.shown, errors.New("it has no backup"), "name the series to be with --series, or leave out --live")
	case len(names) == 1:
		series = names[0]
	}
	promises, err := s.promises(ctx, whole)
	if err != nil {
		return nil, "", err
	}
	names = names[:0]
	for i, e := range whole {
		names = append(names, e.Name.String())
		p := lifecycle.Point{Parent: -1, Floor: s.vault.Floor(e), Promise: lifecycle.Promise{Tier: e.Name.Tier, Time: e.Name.ID.Time}}
		if promises[i] != nil {
			p.Promise = *promises[i]
		}
		if len(e.Base) > 0 {
			parent := e.Base[len(e.Base)-1].Name
			p.Parent = slices.IndexFunc(names, func(n string) bool { return n == parent.String() })
		}
		there = append(there, p)
	}
	return there, series, nil
}
