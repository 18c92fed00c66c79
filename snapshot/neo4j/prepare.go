package neo4j

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/snapferry/snapferry/snapshot"
)

// ready is the dump of one database, or why there is none.
type ready struct {
	folder *scratch // locked; nil: after an error it was given up
	dump   *marker
	err    error
}

// giveUp removes what there is of a dump, and remembers why.
func (r *ready) giveUp(err error) {
	r.err = errors.Join(err, r.folder.clear(), r.folder.release())
	r.folder, r.dump = nil, nil
}

// giveUpAll removes what there is of all dumps.
func giveUpAll(all []*source, err error) error {
	for _, s := range all {
		if s.ready.err == nil {
			s.ready.giveUp(nil)
			err = errors.Join(err, s.ready.err)
		}
		s.ready = nil
	}
	return err
}

// prepare dumps the databases of all sources, which are those of one
// installation, into their scratch folders: in one stop of the server, or of one
// snapshot. What fails for one of them stands in what is ready of it; an error
// means that nothing is. The marker of a stopped server, and that of a snapshot,
// lie in the folder of the first.
func prepare(ctx context.Context, all []*source) (err error) {
	defer func() {
		for _, s := range all {
			if err != nil && s.ready != nil { // what an earlier run has made stays
				err = errors.Join(err, s.ready.folder.release())
				s.ready = nil
			}
		}
	}()
	for _, s := range all {
		folder, err := s.openFolder()
		if err != nil {
			return err
		}
		s.ready = &ready{folder: folder}
	}
	for _, s := range all {
		if err := s.recoverEarlier(ctx, s.ready.folder); err != nil {
			return err
		}
	}
	if all[0].via == "" {
		if found, err := resume(all); err != nil || found {
			return err
		}
	}
	if err := clearAll(all); err != nil {
		return giveUpAll(all, all[0].admin.fail("capture", err))
	}
	if err := timed(ctx, all); err != nil {
		return giveUpAll(all, err)
	}
	return nil
}

// timed dumps all, and remembers how long that took; what the last time says is
// told first.
func timed(ctx context.Context, all []*source) error {
	lead := all[0]
	var stores []store
	for _, s := range all {
		stores = append(stores, s.at)
	}
	size, err := sizeOf(stores...)
	if err != nil {
		return lead.admin.fail("capture", err)
	}
	if err := lead.checkTime(lead.options.Log, size); err != nil {
		return &snapshot.Error{Op: "stop", Name: lead.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUnsafe, err),
			Hint: "Give more with max_downtime, or use a snapshot of the file system, which needs no downtime."}
	}
	began := lead.now()
	var took time.Duration
	if lead.via != "" {
		err = snapshotAll(ctx, all)
		took = lead.now().Sub(began)
	} else {
		took, err = dumpAll(ctx, all)
	}
	if err == nil {
		lead.remember(func(h *history) { h.Took, h.Bytes = took, size })
	}
	return err
}

// recoverEarlier makes good what a run that died has left.
func (s *source) recoverEarlier(ctx context.Context, folder *scratch) (err error) {
	if s.via != "" {
		_, err = s.cleanSnapshot(ctx, folder)
	} else {
		_, err = s.recoverServer(ctx, folder)
	}
	return err
}

// resume finds the dumps of earlier runs, and takes them if there are all: the
// databases belong together.
func resume(all []*source) (bool, error) {
	for _, s := range all {
		state, err := s.at.state()
		if err != nil {
			return false, s.admin.fail("capture", fmt.Errorf("read the store's files: %w", err))
		}
		fresh := time.Time{} // a server that may not be stopped is dumped as it is now
		if s.stop {
			fresh = s.now()
		}
		if s.ready.dump = s.ready.folder.resume(state, fresh); s.ready.dump == nil {
			return false, nil
		}
	}
	for _, s := range all {
		s.options.Log.Info("resuming with the dump of an earlier run", "database", s.database, "file", s.ready.folder.dump)
	}
	return true, nil
}

// clearAll makes room for the dumps.
func clearAll(all []*source) error {
	var stores []store
	for _, s := range all {
		if err := s.ready.folder.clear(); err != nil {
			return err
		}
		stores = append(stores, s.at)
	}
	lead := all[0]
	if err := lead.ready.folder.checkSpace(lead.options.Log, stores...); err != nil {
		return err
	}
	for _, s := range all {
		if err := s.ready.folder.prepare(); err != nil {
			return err
		}
	}
	return nil
}

// dumped is what is known of a dump that nobody has looked at yet.
type dumped struct {
	state string
	facts map[string]string
	err   error
}

// dumpAll dumps all databases in one stop of the server, verifies the dumps once
// it serves again, and leaves the markers by which a later run knows them. took is
// how long the server was down, or else the dumps took.
func dumpAll(ctx context.Context, all []*source) (took time.Duration, err error) {
	dumps := make([]dumped, len(all))
	began := all[0].now()
	stopped, downtime, err := whileStopped(ctx, all, func(ctx context.Context) error {
		for i, s := range all {
			take := s.dumpStopped
			if s.raw {
				take = s.copyStopped
			}
			if dumps[i] = take(ctx, s.ready.folder); ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if took = downtime; !stopped {
		took = all[0].now().Sub(began)
	}
	for i, s := range all {
		err := dumps[i].err
		if err == nil {
			err = s.verified(ctx, dumps[i], stopped, downtime)
		}
		if err != nil {
			s.ready.giveUp(err)
		}
	}
	return took, nil
}

// verifyMade proves what was made, a dump or a copy.
func (s *source) verifyMade(ctx context.Context) (*marker, error) {
	if s.raw {
		return verifyCopy(ctx, s.ready.folder.dump)
	}
	return verifyFile(ctx, s.ready.folder.dump)
}

// verified proves a dump, and marks it.
func (s *source) verified(ctx context.Context, made dumped, stopped bool, downtime time.Duration) error {
	dump, err := s.verifyMade(ctx)
	if err != nil {
		return s.admin.fail("dump", err)
	}
	dump.State, dump.Facts = made.state, made.facts
	if stopped {
		// The server has changed the store since, and the dump is what it was.
		dump.Stopped, dump.State = true, cmp.Or(made.state, "stopped")
		dump.Facts["downtime"] = downtime.Round(time.Second / 10).String()
	}
	if err := s.ready.folder.mark(dump); err != nil {
		return s.admin.fail("capture", err)
	}
	s.ready.dump = dump
	return nil
}
