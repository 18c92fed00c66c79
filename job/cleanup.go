package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j"
)

// CleanupReport is what was found of snapshots, and what is removed of it.
type CleanupReport struct {
	Source    string         `json:"source"`
	Confirmed bool           `json:"confirmed"` // what could be removed is
	Snapshots []LeftSnapshot `json:"snapshots"`
	Run
}

// LeftSnapshot is a snapshot of a file system that a run has left, or needs yet.
type LeftSnapshot struct {
	Label   string    `json:"label"`
	Made    time.Time `json:"made"`
	Opened  bool      `json:"opened"`            // a server has it open
	Process int       `json:"process,omitempty"` // that server, where it can be seen
	Removed bool      `json:"removed"`
}

// Cleanup finds the snapshots that runs of a source have left by their labels,
// and removes them if that is confirmed. That one stays, since a server has it
// open, is ErrPartial, with the report.
func (r *Runner) Cleanup(ctx context.Context, source string, confirm bool) (*CleanupReport, error) {
	s := r.newSession()
	u, err := s.parsePlace(source, "source", []string{neo4j.SnapshotScheme})
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, usage(source, errors.New("it is no source that takes snapshots"),
			"give the source as it is backed up: "+neo4j.SnapshotScheme+":///DB?home=DIR&via=btrfs&scratch=DIR")
	}
	left, err := neo4j.Cleanup(ctx, u, s.neo4jOptions(), confirm)
	if left == nil { // nobody knows whether there is one
		return nil, err
	}
	report := &CleanupReport{Source: u.Redacted(), Confirmed: confirm, Snapshots: []LeftSnapshot{}}
	stay := 0
	for _, l := range left {
		report.Snapshots = append(report.Snapshots, LeftSnapshot(l))
		if l.Opened {
			stay++
		}
	}
	report.Run = Run{Duration: s.Now().Sub(s.began).Seconds(), Warnings: s.warnings.list()}
	if err == nil && confirm && stay > 0 {
		err = &Error{Op: "clean", Name: report.Source, Err: fmt.Errorf("%w: %d of %d snapshots stay, since servers have them open", ErrPartial, stay, len(left)),
			Hint: "wait for the run that uses them, or end those servers if no run does"}
	}
	return report, err
}
