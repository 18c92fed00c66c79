package job

import (
	"context"
	"errors"
	"io"

	"github.com/snapferry/snapferry/snapshot/neo4j"
	"github.com/snapferry/snapferry/snapshot/neo4j/freeze"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
)

// RecoverReport says whether there was something to recover.
type RecoverReport struct {
	Source    string `json:"source"`
	Recovered bool   `json:"recovered"` // a server serves again, a snapshot is removed, or a restore is finished
	Run
}

// Recover starts the server that a run of this source has stopped and did not
// start again, removes the snapshot that it has left, or finishes a restore into
// this target. That there is none is
// no error; that the server does not serve is one.
func (r *Runner) Recover(ctx context.Context, source string) (*RecoverReport, error) {
	s := r.newSession()
	u, err := s.parsePlace(source, "source", []string{neo4j.Scheme, neo4j.CopyScheme, neo4j.SnapshotScheme, neo4j.LoadScheme})
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, usage(source, errors.New("it is no source that stops a server"),
			"give the source as it is backed up: "+neo4j.Scheme+":///DB?home=DIR&scratch=DIR&stop=yes")
	}
	recovered, err := neo4j.Recover(ctx, u, s.neo4jOptions())
	if err != nil {
		return nil, err
	}
	return &RecoverReport{Source: u.Redacted(), Recovered: recovered, Run: Run{Duration: s.Now().Sub(s.began).Seconds(), Warnings: s.warnings.list()}}, nil
}

// Guard watches over a server, as the guardian of a run that tells it on in
// what it does. It returns when the server serves.
func Guard(ctx context.Context, in io.Reader, out io.Writer) error { return guard.Stand(ctx, in, out) }

// Unfreeze thaws a file system that a run has frozen, as that run tells it on in,
// when it ends, or after 5 seconds.
func Unfreeze(in io.Reader, out io.Writer) error { return freeze.Stand(in, out) }
