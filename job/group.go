package job

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j"
)

// Several reports whether a source is several, each of which has a series of its
// own: SeriesOf names it.
func Several(source string) bool {
	s := (&Runner{}).newSession()
	u, err := s.parsePlace(source, "source", sourceSchemes())
	return err == nil && u != nil && isNeo4j(u.Scheme) && neo4j.Several(u)
}

// OwnSeries reports whether a series is one of a job that backs up several
// sources. Where the job takes all that there are, the name decides.
func OwnSeries(source, job string) func(series string) bool {
	s := (&Runner{}).newSession()
	u, err := s.parsePlace(source, "source", sourceSchemes())
	if err != nil || u == nil {
		return func(string) bool { return false }
	}
	named := neo4j.Named(u)
	return func(series string) bool {
		if len(named) == 0 {
			return strings.HasPrefix(series, job+"-")
		}
		return slices.ContainsFunc(named, func(name string) bool { return SeriesOf(job, name) == series })
	}
}

// SeriesOf is the series of one member of several, such as a database: its own
// name, behind that of the job if there is one.
func SeriesOf(job, member string) string {
	if job != "" {
		member = job + "-" + member
	}
	return format.FitName(member)
}

func isNeo4j(scheme string) bool { return slices.Contains(neo4j.Schemes(), scheme) }

// alone is a group of one.
type alone struct{ snapshot.Source }

func (a alone) Members(context.Context) ([]snapshot.Source, error) {
	return []snapshot.Source{a.Source}, nil
}
func (alone) Prepare(context.Context) error { return nil }
func (alone) Close() error                  { return nil }

// group opens what raw names, which may be several sources.
func (s *session) group(raw string) (group snapshot.Group, several bool, err error) {
	if raw != "" && raw != "-" {
		u, err := s.parsePlace(raw, "source", sourceSchemes())
		if err == nil && u != nil && isNeo4j(u.Scheme) && neo4j.Several(u) {
			group, err := neo4j.OpenGroup(u, s.neo4jOptions())
			return group, true, err
		}
	}
	one, err := s.source(raw)
	return alone{one}, false, err
}

// member is one source of a run, and what its backup is to be.
type member struct {
	source snapshot.Source
	spec   archive.Spec
}

// members are the sources of a group, with a series for each.
func (s *session) members(ctx context.Context, group snapshot.Group, spec archive.Spec, several bool) ([]member, error) {
	sources, err := group.Members(ctx)
	if err != nil {
		return nil, err
	}
	if several {
		random := make([]byte, 8)
		if _, err := rand.Read(random); err != nil {
			return nil, fmt.Errorf("make the id of a run: %w", err)
		}
		s.together = hex.EncodeToString(random)
	}
	var all []member
	for _, source := range sources {
		one := member{source, spec}
		if several || spec.Series == "" {
			one.spec.Series = SeriesOf(spec.Series, source.Name())
		}
		all = append(all, one)
	}
	return all, nil
}

// backUpAll makes a backup of each member. One that fails does not stop the
// others; then some of several are there, and the error is ErrPartial.
func (s *session) backUpAll(ctx context.Context, all []member, vaults targets, allowEmpty bool) (*BackupReport, error) {
	report := &BackupReport{}
	var problems, hints []string
	var first error
	for _, m := range all {
		one, err := s.backUp(ctx, m.source, m.spec, vaults.anew(), allowEmpty)
		told := MemberReport{Member: m.source.Name(), OK: err == nil, Report: one}
		if one != nil && report.Name == "" {
			report.Backup, report.Resumed, report.ReusedBytes, report.Levels, report.Vaults = one.Backup, one.Resumed, one.ReusedBytes, one.Levels, one.Vaults
		}
		if err != nil {
			told.Error, told.Hint = err.Error(), Hint(err)
			problems = append(problems, fmt.Sprintf("%s: %v", told.Member, err))
			hints = append(hints, fmt.Sprintf("%s: %s", told.Member, told.Hint))
			if first == nil {
				first = err
			}
		}
		report.Members = append(report.Members, told)
		if ctx.Err() != nil {
			break
		}
	}
	if missing := len(all) - len(report.Members); first == nil && missing > 0 {
		first = &Error{Op: "back up", Name: "several sources", Err: fmt.Errorf("%w with %d of %d done", ctx.Err(), len(report.Members), len(all))}
	}
	if report.Name == "" {
		if len(problems) > 1 && ctx.Err() == nil {
			s.Log.Warn("nothing was backed up", "problems", strings.Join(problems, "; "))
		}
		return nil, first
	}
	report.Run = s.run(vaults.opened()...)
	if first == nil || ctx.Err() != nil {
		return report, first
	}
	return report, &Error{Op: "back up", Name: "several sources",
		Err:  fmt.Errorf("%w: %d of %d failed: %s", ErrPartial, len(problems), len(all), strings.Join(problems, "; ")),
		Hint: strings.Join(hints, "; ")}
}

// anew are the targets before anything was written to them.
func (all targets) anew() targets {
	fresh := make(targets, len(all))
	for i, t := range all {
		fresh[i] = &target{opened: t.opened, err: t.err}
	}
	return fresh
}

// closeGroup gives up what was not captured.
func (s *session) closeGroup(group snapshot.Group, err *error) {
	cerr := group.Close()
	switch {
	case cerr == nil:
	case *err == nil:
		*err = fmt.Errorf("%w: the backups are complete, but what they were made of was not removed: %w", ErrPartial, cerr)
	default:
		s.Log.Warn("what was prepared for the backups was not removed", "error", cerr)
	}
}
