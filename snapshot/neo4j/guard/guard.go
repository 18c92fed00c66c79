// Package guard stops a Neo4j server for a moment and makes sure that it is
// started again, whatever happens to us: a guardian, a process in a session of
// its own, watches the run that has stopped the server. If that run ends without
// a word, however it ends, the guardian ends what is left of it, and starts the
// server.
//
// What no guardian survives is the end of the machine, or somebody who kills
// both. For that a marker lies on the disk from before the stop until the server
// was seen to serve: Recover goes on from there.
package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/manager"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
	"github.com/snapferry/snapferry/snapshot/neo4j/swap"
)

// ErrDown says that a server that we stopped does not serve: somebody has to
// look at once.
var ErrDown = errors.New("the server was stopped and does not serve again")

// Spec says which server is stopped, how, and what it served.
type Spec struct {
	Manager   manager.Manager          `json:"manager"`
	Version   install.Version          `json:"version"`
	Data      string                   `json:"data"`      // folder of its stores
	Databases map[string]install.Store `json:"databases"` // that it served
	Bolt      bolt.Address             `json:"bolt"`      // nowhere: its connector is off
	// ByDatabase: the server goes on, and its databases alone are stopped, which
	// it is asked for. The Enterprise edition alone can do so.
	ByDatabase bool `json:"by_database,omitempty"`
	// StopTimeout is how long it has to stop, and StartTimeout how long until its
	// databases must serve.
	StopTimeout  time.Duration `json:"stop_timeout"`
	StartTimeout time.Duration `json:"start_timeout"`
	// Swap is the path of a note of folders that must be put in place before the
	// server starts; there may be none.
	Swap string `json:"swap,omitempty"`
	// Marker is the path of the file that says that the server is to be started.
	Marker string `json:"-"`
}

// The times that a server gets where nothing is said.
const (
	DefaultStopTimeout  = 10 * time.Minute
	DefaultStartTimeout = 10 * time.Minute
)

// askInterval is how often a server is asked whether it serves yet.
const askInterval = 100 * time.Millisecond

// Stop stops the server, and returns when nobody uses its stores. After an
// error the caller calls Start all the same: it may stop later. started is told
// of the process group that is to be ended before anything else is done with
// the server; it may be nil.
func (s Spec) Stop(ctx context.Context, started func(group int)) error {
	bound, cancel := context.WithTimeout(ctx, s.StopTimeout)
	defer cancel()
	if s.ByDatabase {
		return s.stopDatabases(bound)
	}
	if err := s.Manager.Stop(bound, s.StopTimeout, started); err != nil {
		return fmt.Errorf("stop server (%s): %w", s.Manager, err)
	}
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	const looks = 50 // in which a server that was stopped is gone
	for i := 0; ; i++ {
		pid, running, err := install.RunningOn(s.Data)
		if err != nil || !running {
			return err
		}
		// Without its file of the process number, the program neo4j says that a
		// server that runs does not. What holds the lock is the server.
		if i == looks && s.Manager.Kind == manager.Neo4j && pid > 0 {
			if err := process.Ask(pid); err != nil {
				return fmt.Errorf("stop server: ask process %d to end: %w", pid, err)
			}
		}
		select {
		case <-tick.C:
		case <-bound.Done():
			return fmt.Errorf("stop server (%s): process %d still uses %s: %w", s.Manager, pid, s.Data, context.Cause(bound))
		}
	}
}

// How often a server is started, and how long it may be seen neither to run
// after that, nor to have opened its databases, in looks at it.
const (
	maxStarts  = 3
	startLooks = 600
	openLooks  = 200
)

// Start makes sure that the server serves: it starts it unless it runs, and
// returns when every database answers. A server that runs and has not opened
// its databases, since somebody had a lock on them, is started once more.
func (s Spec) Start(ctx context.Context, log *slog.Logger) error {
	if s.ByDatabase {
		if err := s.finishSwap(log); err != nil {
			return fmt.Errorf("%w: %w", ErrDown, err)
		}
		return s.startDatabases(ctx, log)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.StartTimeout, errors.New("it took too long"))
	defer cancel()
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	starts, stopped, offline, restarted := 0, startLooks, 0, false
	for {
		why := s.Serves(ctx)
		switch {
		case why == nil:
			log.Info("the server serves")
			return nil
		case errors.Is(why, errStopped):
			if stopped++; stopped <= startLooks {
				break
			}
			if starts++; starts > maxStarts {
				return fmt.Errorf("%w: it was started %d times, and ends", ErrDown, maxStarts)
			}
			stopped = 0
			if err := s.finishSwap(log); err != nil {
				return fmt.Errorf("%w: %w", ErrDown, err)
			}
			log.Info("starting the server", "manager", s.Manager.String())
			if err := s.Manager.Start(ctx); err != nil {
				log.Warn("the server was not started", "error", err)
				stopped = startLooks * 9 / 10 // again in a few seconds: it may be starting, or still be ending
			}
		case errors.Is(why, errOffline):
			if offline++; offline <= openLooks {
				break
			}
			if restarted {
				return fmt.Errorf("%w: %w", ErrDown, why)
			}
			log.Warn("the server runs and has not opened its databases; it is started once more", "error", why)
			offline, restarted, stopped = 0, true, startLooks
			if err := s.Stop(ctx, nil); err != nil {
				log.Warn("the server was not stopped", "error", err)
			}
		default:
			offline = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %w", ErrDown, context.Cause(ctx), why)
		}
	}
}

// finishSwap puts in place what a run that died has left half way; or puts back
// what was there, if that cannot be: a server serves one of both.
func (s Spec) finishSwap(log *slog.Logger) error {
	if s.Swap == "" {
		return nil
	}
	found, err := swap.Finish(s.Swap)
	switch {
	case err != nil:
		if undone := swap.Undo(s.Swap); undone != nil {
			return errors.Join(err, undone)
		}
		log.Error("the database cannot be put in place; the one before is put back", "error", err)
	case found:
		log.Warn("the database was put in place for a run that died")
	}
	return nil
}

var (
	errStopped = errors.New("no server is running")
	errOffline = errors.New("a database is offline") // of a server that has started
)

// Serves returns nil if every database is open and answers. The locks tell
// without a password whether the server has opened it; with one, its answer
// does.
func (s Spec) Serves(ctx context.Context) error {
	_, running, err := install.RunningOn(s.Data)
	if err != nil {
		return err
	}
	if !running {
		return errStopped
	}
	if s.Bolt.At == "" {
		return s.opened()
	}
	conn, err := (&net.Dialer{Timeout: askInterval}).DialContext(ctx, "tcp", s.Bolt.At)
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	// It listens, which is the last thing a server does.
	for name := range s.Databases {
		if err := s.answers(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// opened reports whether every database is open, by its lock.
func (s Spec) opened() error {
	for name, store := range s.Databases {
		if _, held, err := s.Version.OpenedBy(store); err != nil {
			return err
		} else if !held {
			return fmt.Errorf("database %s is not open", name)
		}
	}
	return nil
}

// answers asks a database of a server that listens.
func (s Spec) answers(ctx context.Context, name string) error {
	server, err := bolt.Open(s.Bolt)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close(context.WithoutCancel(ctx)) }() // nothing hangs on it
	_, err = server.Read(ctx, s.Version.Addressed(name), s.Version.Alive(name), nil)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolt.ErrAuth):
		// It has no password for us, and so its locks must do. One that could not
		// open a database does not try again.
		if err := s.opened(); err != nil {
			return fmt.Errorf("%w: %w", errOffline, err)
		}
		return nil
	case errors.Is(err, bolt.ErrUnavailable):
		if _, held, lockErr := s.Version.OpenedBy(s.Databases[name]); lockErr == nil && !held {
			return fmt.Errorf("%w: %w", errOffline, err)
		}
	}
	return err
}

// marker is what lies on the disk while a server is stopped by us.
type marker struct {
	Version int  `json:"version"`
	Spec    Spec `json:"spec"`
}

const markerVersion = 1

// mark writes the marker, durably. It has no password in it.
func (s Spec) mark() error {
	s.Bolt.User, s.Bolt.Password = "", ""
	raw, err := json.MarshalIndent(marker{Version: markerVersion, Spec: s}, "", "  ")
	if err != nil {
		return fmt.Errorf("mark the server as stopped: %w", err)
	}
	temporary := s.Marker + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mark the server as stopped: %w", err)
	}
	_, err = file.Write(append(raw, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(temporary, s.Marker)
	}
	if err = errors.Join(err, swap.SyncDir(filepath.Dir(s.Marker))); err != nil {
		return fmt.Errorf("mark the server as stopped: %w", err)
	}
	return nil
}

// unmark removes the marker: the server serves.
func (s Spec) unmark() error {
	if err := os.Remove(s.Marker); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", filepath.Base(s.Marker), err)
	}
	return nil
}

// Recover starts the server of a marker that an earlier run left, which nobody
// watches any more. Without a marker it does nothing. The address is who asks
// whether it serves; where it is, the marker knows.
func Recover(ctx context.Context, path string, who bolt.Address, log *slog.Logger) (recovered bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the marker of a stopped server: %w", err)
	}
	s, err := parseMarker(raw)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	s.Marker, s.Bolt.User, s.Bolt.Password = path, who.User, who.Password
	log.Warn("an earlier run has stopped the server and did not start it again", "marker", path)
	if err := s.Start(ctx, log); err != nil {
		return false, err
	}
	return true, s.unmark()
}

func parseMarker(raw []byte) (Spec, error) {
	var m marker
	if err := json.Unmarshal(raw, &m); err != nil {
		return Spec{}, fmt.Errorf("it is not the marker of a stopped server: %w", err)
	}
	if m.Version != markerVersion || m.Spec.Data == "" || m.Spec.StopTimeout <= 0 || m.Spec.StartTimeout <= 0 {
		return Spec{}, errors.New("it is not a marker of this version")
	}
	return m.Spec, nil
}
