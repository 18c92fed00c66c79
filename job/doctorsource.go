package job

import (
	"context"

	"github.com/snapferry/snapferry/snapshot/neo4j"
)

// examineSource looks whether a backup of a source of Neo4j would work. Nothing
// is looked at of others: trying them is the backup.
func (s *session) examineSource(ctx context.Context, source string) ([]Check, error) {
	if source == "" || source == "-" {
		return nil, nil
	}
	u, err := s.parsePlace(source, "source", sourceSchemes())
	if err != nil || u == nil || !isNeo4j(u.Scheme) {
		return nil, err
	}
	findings, err := neo4j.Examine(ctx, u, s.neo4jOptions())
	if err != nil {
		return nil, err
	}
	var checks []Check
	for _, f := range findings {
		c := Check{Name: f.Name, Verdict: Green, Detail: f.Detail, Hint: f.Hint}
		switch {
		case f.Bad:
			c.Verdict = Red
		case f.Doubt:
			c.Verdict = Yellow
		}
		checks = append(checks, c)
	}
	return checks, nil
}
