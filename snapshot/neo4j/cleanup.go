package neo4j

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// Leftover is a snapshot of a file system that a run has left, or needs yet.
type Leftover struct {
	Label   string
	Made    time.Time
	Opened  bool // a server has it open
	Process int  // that server; 0: it cannot be seen
	Removed bool
}

// Cleanup finds the snapshots of a source's databases by their labels, also those
// that its scratch folder knows nothing of, and with remove removes those that no
// server has open. While a run of the source is under way it removes nothing, and
// fails with snapshot.ErrUnsafe; a run with another scratch folder would lose its
// snapshot and fail.
func Cleanup(ctx context.Context, u *url.URL, options Options, remove bool) ([]Leftover, error) {
	all, err := openAll(ctx, u, options)
	if err != nil {
		return nil, err
	}
	lead := all[0]
	if lead.via == "" {
		return nil, &snapshot.Error{Op: "clean", Name: lead.database, Err: fmt.Errorf("%w: the source takes no snapshot", snapshot.ErrUsage),
			Hint: "Give the source as it is backed up: " + SnapshotScheme + ":///DB?home=DIR&via=btrfs&scratch=DIR."}
	}
	var names []string
	for _, s := range all {
		if s.at.data == "" {
			return nil, s.admin.fail("clean", ErrNoDatabase)
		}
		names = append(names, s.database)
	}
	clones, err := clone.Left(ctx, lead.cloneRequest(all, ""))
	if err != nil {
		return nil, lead.explainLeft(err)
	}
	for _, s := range all { // what is written down, with its server; and the lock tells of runs
		if !remove {
			break
		}
		if _, err := s.recover(ctx); err != nil {
			return nil, err
		}
	}
	left := []Leftover{}
	for _, c := range clones {
		made, ours := c.Made(names)
		if !ours {
			continue
		}
		found, err := lead.cleanLeft(ctx, c, remove)
		if err != nil {
			return left, err
		}
		found.Made = made
		left = append(left, found)
	}
	return left, nil
}

// cleanLeft looks who has a clone open, and removes one that nobody has.
func (s *source) cleanLeft(ctx context.Context, c *clone.Clone, remove bool) (left Leftover, err error) {
	left.Label = c.Label
	if left.Process, left.Opened, err = s.openedClone(c); err != nil {
		return left, err
	}
	if !remove || left.Opened {
		return left, nil
	}
	if err := c.Remove(ctx); err != nil {
		return left, &snapshot.Error{Op: "clean", Name: s.database, Err: fmt.Errorf("remove the snapshot %s: %w", c.Label, err),
			Hint: "Look who uses it, or remove it by hand: it takes space as long as it is there."}
	}
	left.Removed = true
	return left, nil
}

// openedClone reports whether a server, or a neo4j-admin, has a clone open.
func (s *source) openedClone(c *clone.Clone) (pid int, opened bool, err error) {
	if c.Place == "" { // nobody can
		return 0, false, nil
	}
	at, err := c.Path(s.at.data)
	if err != nil {
		return 0, false, err
	}
	if pid, opened, err = install.RunningOn(filepath.Dir(filepath.Dir(at))); err != nil || opened {
		return pid, opened, err
	}
	return s.admin.Version.OpenedBy(install.Store{Data: at})
}

// explainLeft says what to do where clones cannot be found.
func (s *source) explainLeft(err error) error {
	if s.via == clone.Command {
		return &snapshot.Error{Op: "clean", Name: s.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUsage, err),
			Hint: "snapferry recover removes the one that the scratch folder knows of."}
	}
	return s.explainClone(err)
}
