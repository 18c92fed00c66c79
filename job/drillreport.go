package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot/neo4j/drill"
)

// drillFolder is where the vault keeps the reports of drills.
func (s *session) drillFolder() string {
	if s.prefix == "" {
		return format.DrillsFolder
	}
	return s.prefix + "/" + format.DrillsFolder
}

// keepDrill keeps the report in the vault, as JSON and as a page for people.
func (d *oneDrill) keepDrill(ctx context.Context, out *Drilled) error {
	kept := *out
	if d.backup.Capture.Encryption != nil {
		kept = kept.withoutData()
	}
	n := d.entry.Name
	file := format.Drill{Series: n.Series, ID: n.ID.String(), Time: kept.Time, Good: kept.OK}.File()
	raw, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	for ending, content := range map[string][]byte{".md": kept.page(), ".json": append(raw, '\n')} {
		err := d.bucket.Put(ctx, d.drillFolder()+file+ending, providers.Bytes(content))
		if err != nil && !errors.Is(err, providers.ErrExists) {
			return err
		}
	}
	out.Report = d.drillFolder() + file + ".json"
	return nil
}

// withoutData leaves out what is in the data, and its shape.
func (out Drilled) withoutData() Drilled {
	if g := out.Graph; g != nil {
		out.Graph = &DrillGraph{Nodes: g.Nodes, Relationships: g.Relationships}
	}
	out.Checks = slices.Clone(out.Checks)
	for i := range out.Checks {
		held := out.Checks[i].Problem == ""
		out.Checks[i] = Answer{}
		if !held {
			out.Checks[i].Problem = "it did not hold"
		}
	}
	out.Steps = slices.Clone(out.Steps)
	for i := range out.Steps {
		if out.Steps[i].Problem != "" {
			out.Steps[i].Problem = "it did not go well; the run has told why"
		}
	}
	if out.Problem != "" {
		out.Problem = "the backup is encrypted; the run has told why"
	}
	out.Warnings = nil
	return out
}

// maxDrillReport is the largest report that is read, in bytes: one of a graph
// with very many labels.
const maxDrillReport = 8 << 20

// before is what the newest good drill of this backup found; nil: there is none
// that can be compared.
func (d *oneDrill) before(ctx context.Context) *drill.Graph {
	n := d.entry.Name
	newest := format.Drill{}
	for one, err := range d.drills(ctx, n.Series+"/"+n.ID.String()) {
		if err != nil {
			d.Log.Warn("earlier drills are not known", "error", err)
			return nil
		}
		if one.Good && one.ID == n.ID.String() {
			newest = one
		}
	}
	if newest.ID == "" || d.backup.Capture.Encryption != nil { // of which too little is kept
		return nil
	}
	key := d.drillFolder() + newest.File() + ".json"
	raw, err := d.read(ctx, key, maxDrillReport)
	var earlier Drilled
	if err == nil {
		err = json.Unmarshal(raw, &earlier)
	}
	if err != nil {
		d.Log.Warn("the report of an earlier drill cannot be read", "key", key, "error", err)
		return nil
	}
	return earlier.Graph
}

// drills yields the drills whose reports the vault keeps, of one series the
// oldest first; below is the beginning of their names.
func (s *session) drills(ctx context.Context, below string) func(func(format.Drill, error) bool) {
	return func(yield func(format.Drill, error) bool) {
		for o, err := range s.bucket.List(ctx, s.drillFolder()+below) {
			if err != nil {
				yield(format.Drill{}, err)
				return
			}
			one, ok := format.ParseDrillFile(strings.TrimPrefix(o.Key, s.drillFolder()))
			if ok && !yield(one, nil) {
				return
			}
		}
	}
}

// addDrills adds to backups when they were drilled. That this is not known is a
// warning.
func (s *session) addDrills(ctx context.Context, backups []Backup, series string) {
	if series != "" {
		series += "/"
	}
	good, failed := map[string]time.Time{}, map[string]time.Time{}
	for one, err := range s.drills(ctx, series) {
		if err != nil {
			s.Log.Warn("drills are not known", "error", err)
			return
		}
		into := failed
		if one.Good {
			into = good
		}
		if id := one.Series + "/" + one.ID; one.Time.After(into[id]) {
			into[id] = one.Time
		}
	}
	for i := range backups {
		b := &backups[i]
		id := b.Series + "/" + b.ID
		if at, ok := good[id]; ok {
			b.Drilled = &at
		}
		if at, ok := failed[id]; ok && at.After(good[id]) {
			b.DrillFailed = &at
		}
	}
}

// page is the report as Markdown.
func (out *Drilled) page() []byte {
	var b strings.Builder
	verdict := "passed"
	if !out.OK {
		verdict = "FAILED"
	}
	fmt.Fprintf(&b, "# Restore drill %s: %s\n\n", verdict, out.Name)
	fmt.Fprintf(&b, "Database `%s` was restored from `%s` with Neo4j %s on %s, and the drill ended at %s.\n",
		out.Database, out.Vault, out.Neo4j, out.Host, out.Time.Format(time.RFC3339))
	if out.RTO > 0 {
		fmt.Fprintf(&b, "From the first byte until the database answered it took %.1f s.\n", out.RTO)
	}
	if out.Problem != "" {
		fmt.Fprintf(&b, "\n**%s**\n", out.Problem)
	}
	b.WriteString("\n| step | seconds | result |\n|---|---|---|\n")
	for _, s := range out.Steps {
		fmt.Fprintf(&b, "| %s | %.1f | %s |\n", s.Name, s.Seconds, cell(s.Problem, "good"))
	}
	if g := out.Graph; g != nil {
		fmt.Fprintf(&b, "\n%d nodes, %d relationships, %d indexes, %d constraints.\n", g.Nodes, g.Relationships, len(g.Indexes), len(g.Constraints))
		if len(g.Labels)+len(g.Types) > 0 {
			b.WriteString("\n| of | count |\n|---|---|\n")
			for _, label := range slices.Sorted(maps.Keys(g.Labels)) {
				fmt.Fprintf(&b, "| `:%s` | %d |\n", cell(label, ""), g.Labels[label])
			}
			for _, kind := range slices.Sorted(maps.Keys(g.Types)) {
				fmt.Fprintf(&b, "| `[:%s]` | %d |\n", cell(kind, ""), g.Types[kind])
			}
		}
	}
	if len(out.Checks) > 0 {
		b.WriteString("\n| check | expected | got | result |\n|---|---|---|---|\n")
		for _, a := range out.Checks {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(a.Cypher, "–"), cell(a.Expect, "–"), cell(a.Got, "–"), cell(a.Problem, "good"))
		}
	}
	for _, w := range out.Warnings {
		fmt.Fprintf(&b, "\nWarning: %s\n", w)
	}
	fmt.Fprintf(&b, "\nMade by %s.\n", out.Program)
	return []byte(b.String())
}

// cell is a text that fits into a cell of a table.
func cell(s, empty string) string {
	if s == "" {
		return empty
	}
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "`", "'").Replace(s)
}
