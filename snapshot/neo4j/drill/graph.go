package drill

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// Graph is what is in a database, by what the server counts anyway.
type Graph struct {
	Nodes         int64            `json:"nodes"`
	Relationships int64            `json:"relationships"`
	Labels        map[string]int64 `json:"labels,omitempty"` // nodes of each
	Types         map[string]int64 `json:"types,omitempty"`  // relationships of each
	Indexes       []string         `json:"indexes,omitempty"`
	Constraints   []string         `json:"constraints,omitempty"`
}

// compare looks at the graph, its indexes and constraints, and compares them
// with what an earlier drill of the same backup found.
func (d *drill) compare(ctx context.Context) error {
	if d.Database == install.System {
		return nil // which holds no graph
	}
	g, err := d.graph(ctx)
	if err != nil {
		return err
	}
	d.result.Graph = g
	if d.Before == nil {
		return nil
	}
	if diff := d.Before.differs(g); diff != "" {
		return fmt.Errorf("it is not what an earlier drill of the same backup found: %s", diff)
	}
	return nil
}

func (d *drill) graph(ctx context.Context) (*Graph, error) {
	v := d.home.Version()
	if _, err := d.read(ctx, v.AwaitIndexes()); err != nil {
		d.Log.Debug("indexes are not online", "error", err) // which is said of each
	}
	rows, err := d.read(ctx, v.Graph())
	if err != nil {
		return nil, err
	}
	g, err := parseCounts(rows)
	if err != nil {
		return nil, err
	}
	indexes, err := d.read(ctx, v.Indexes())
	if err != nil {
		return nil, err
	}
	for _, row := range indexes {
		if len(row) != 3 {
			continue
		}
		name, state, provider := fmt.Sprint(row[0]), fmt.Sprint(row[1]), fmt.Sprint(row[2])
		g.Indexes = append(g.Indexes, name)
		if state != "ONLINE" {
			d.warn(fmt.Sprintf("index %s is %s: its provider %s may need a plug-in, which --plugins gives", name, strings.ToLower(state), provider))
		}
	}
	constraints, err := d.read(ctx, v.Constraints())
	if err != nil {
		return nil, err
	}
	for _, row := range constraints {
		g.Constraints = append(g.Constraints, fmt.Sprint(row...))
	}
	slices.Sort(g.Indexes)
	slices.Sort(g.Constraints)
	return g, nil
}

func (d *drill) read(ctx context.Context, cypher string) ([][]any, error) {
	return d.server.Read(ctx, d.home.Version().Addressed(d.Database), cypher, nil)
}

// parseCounts reads the answer of db.stats.retrieve('GRAPH COUNTS'). Counts of
// labels and types that together name a pattern are passed over.
func parseCounts(rows [][]any) (*Graph, error) {
	g := &Graph{Labels: map[string]int64{}, Types: map[string]int64{}}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return nil, fmt.Errorf("the server gave no counts: %.200v", rows)
	}
	data, ok := rows[0][0].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the server gave no counts: %.200v", rows)
	}
	for _, entry := range list(data["nodes"]) {
		if label, one := entry["label"].(string); one {
			g.Labels[label] = number(entry["count"])
		} else {
			g.Nodes = number(entry["count"])
		}
	}
	for _, entry := range list(data["relationships"]) {
		_, from := entry["startLabel"]
		_, to := entry["endLabel"]
		kind, one := entry["relationshipType"].(string)
		switch {
		case from || to:
		case one:
			g.Types[kind] = number(entry["count"])
		default:
			g.Relationships = number(entry["count"])
		}
	}
	return g, nil
}

func list(x any) []map[string]any {
	var entries []map[string]any
	all, _ := x.([]any)
	for _, e := range all {
		if entry, ok := e.(map[string]any); ok {
			entries = append(entries, entry)
		}
	}
	return entries
}

func number(x any) int64 {
	n, _ := x.(int64)
	return n
}

// differs says in what another graph differs; empty: in nothing.
func (g *Graph) differs(other *Graph) string {
	var all []string
	say := func(what string, was, is any) { all = append(all, fmt.Sprintf("%s: %v, and %v before", what, is, was)) }
	if g.Nodes != other.Nodes {
		say("nodes", g.Nodes, other.Nodes)
	}
	if g.Relationships != other.Relationships {
		say("relationships", g.Relationships, other.Relationships)
	}
	for _, c := range []struct {
		what    string
		was, is map[string]int64
	}{{"nodes with label ", g.Labels, other.Labels}, {"relationships of type ", g.Types, other.Types}} {
		names := maps.Clone(c.was)
		maps.Copy(names, c.is)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if c.was[name] != c.is[name] {
				say(c.what+name, c.was[name], c.is[name])
			}
		}
	}
	if !slices.Equal(g.Indexes, other.Indexes) {
		say("indexes", g.Indexes, other.Indexes)
	}
	if !slices.Equal(g.Constraints, other.Constraints) {
		say("constraints", g.Constraints, other.Constraints)
	}
	return strings.Join(all, "; ")
}
