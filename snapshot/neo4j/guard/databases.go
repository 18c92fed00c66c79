package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// stopDatabases stops the databases alone, which only the Enterprise edition
// does, and returns when nobody uses their stores.
func (s Spec) stopDatabases(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(s.Databases)) {
		if err := s.command(ctx, s.Version.StopDatabase(s.StopTimeout), name); err != nil {
			return fmt.Errorf("stop database %s: %w", name, err)
		}
		if err := s.closed(ctx, name); err != nil {
			return fmt.Errorf("stop database %s: %w", name, err)
		}
	}
	return nil
}

// closed returns once nobody has the store of a database open: a cluster answers
// before the last of its servers has stopped it.
func (s Spec) closed(ctx context.Context, name string) error {
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for {
		pid, open, err := s.Version.OpenedBy(s.Databases[name])
		if err != nil || !open {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d still uses it: %w", pid, context.Cause(ctx))
		}
	}
}

// startDatabases starts the databases, again and again, until all of them serve:
// the server keeps in mind that they were stopped, and a restart of it does not
// start them.
func (s Spec) startDatabases(ctx context.Context, log *slog.Logger) error {
	const pause = time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, s.StartTimeout, errors.New("it took too long"))
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for try := 0; ; try++ {
		var why error
		for _, name := range slices.Sorted(maps.Keys(s.Databases)) {
			err := s.answers(ctx, name)
			if err != nil {
				log.Info("starting the database", "database", name)
				err = s.command(ctx, s.Version.StartDatabase(s.StartTimeout), name)
			}
			if err == nil {
				err = s.answers(ctx, name)
			}
			if err != nil {
				why = fmt.Errorf("database %s: %w", name, err)
			}
		}
		if why == nil {
			log.Info("the databases serve")
			return nil
		}
		if try == 0 {
			log.Warn("not every database serves", "error", why)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %w", ErrDown, context.Cause(ctx), why)
		}
	}
}

// command asks the server to do something with a database.
func (s Spec) command(ctx context.Context, cypher, name string) error {
	server, err := bolt.Open(s.Bolt)
	if err != nil {
		return err
	}
	rows, err := server.Execute(ctx, install.System, cypher, map[string]any{"name": name})
	if err = errors.Join(err, server.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	return install.Completed(rows)
}
