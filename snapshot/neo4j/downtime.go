package neo4j

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/manager"
)

// The reasons why a server is not stopped, or not for long enough.
var (
	ErrDowntime = errors.New("the server would have been down for longer than it may be")
	ErrDown     = guard.ErrDown
)

// stoppedName is the file that says that a server is to be started again.
const stoppedName = "server-stopped.json"

func (s *source) now() time.Time {
	if s.options.Now == nil {
		return time.Time{}
	}
	return s.options.Now()
}

// recoverServer starts a server that an earlier run has stopped, and that
// nobody watches: whoever does, holds the folder's lock.
func (s *source) recoverServer(ctx context.Context, folder *scratch) (recovered bool, err error) {
	recovered, err = guard.Recover(ctx, filepath.Join(folder.dir, stoppedName), s.who(), s.options.Log)
	return recovered, s.explainDown(err)
}

func (s *source) who() bolt.Address {
	return bolt.Address{User: s.options.User, Password: s.options.Password}
}

// whileStopped does some work while nobody uses the databases. A server that
// runs is stopped if that was asked for, and serves again when this returns,
// whatever has become of the work, of us and of the time.
func whileStopped(ctx context.Context, all []*source, work func(context.Context) error) (stopped bool, downtime time.Duration, err error) {
	lead := all[0]
	if !lead.stop {
		return false, 0, work(ctx)
	}
	spec, running, err := lead.server(ctx, all, filepath.Join(lead.ready.folder.dir, stoppedName))
	if err != nil {
		return false, 0, err
	}
	if !running {
		return false, 0, work(ctx)
	}
	if spec.Databases, err = dumpable(spec, all); err != nil {
		return false, 0, err
	}
	if len(spec.Databases) == 0 { // of a server that goes on
		return false, 0, work(ctx)
	}
	var holds []*os.File
	for _, s := range all {
		holds = append(holds, s.ready.folder.lock)
	}
	downtime, err = lead.whileDown(ctx, spec, holds, func(ctx context.Context, started func(int)) error {
		for _, s := range all {
			s.admin.started = started
			defer func() { s.admin.started = nil }()
		}
		return work(ctx)
	})
	return true, downtime, err
}

// whileDown stops a server for some work. holds are locks that the guardian
// keeps. The work tells of every process group that it starts.
func (s *source) whileDown(ctx context.Context, spec guard.Spec, holds []*os.File, work func(ctx context.Context, started func(group int)) error,
) (downtime time.Duration, err error) {
	watch, err := guard.Begin(ctx, spec, s.options.Guardian, holds, s.options.Log)
	if err != nil {
		return 0, s.admin.fail("stop", err)
	}
	if spec.ByDatabase {
		s.options.Log.Info("stopping the databases", "databases", strings.Join(slices.Sorted(maps.Keys(spec.Databases)), ", "))
	} else {
		s.options.Log.Info("stopping the server", "manager", spec.Manager.String())
	}
	began := s.now()
	bound, cancel := ctx, context.CancelFunc(func() {})
	if s.maxDowntime > 0 {
		bound, cancel = context.WithTimeoutCause(ctx, s.maxDowntime, ErrDowntime)
	}
	defer cancel()
	switch err = watch.Stop(bound); {
	case err != nil && bound.Err() != nil:
		err = s.admin.fail("stop", context.Cause(bound))
	case err != nil && spec.ByDatabase:
		err = &snapshot.Error{Op: "stop", Name: s.database, Err: err, Hint: stopHint}
	case err != nil:
		err = &snapshot.Error{Op: "stop", Name: s.database, Err: err, Hint: "Whoever runs this must be allowed to stop and start the server: " +
			"be root or its user, or for a unit of systemd have a rule of polkit or sudo, with manager=command:PROGRAM. The server serves."}
	default:
		err = work(bound, watch.Group)
	}
	if startErr := watch.Start(context.WithoutCancel(ctx)); startErr != nil {
		return 0, errors.Join(s.explainDown(startErr), err)
	}
	downtime = s.now().Sub(began)
	s.options.Log.Info("the server serves again", "downtime", downtime.Round(time.Millisecond))
	if errors.Is(err, ErrDowntime) {
		err = &snapshot.Error{Op: "dump", Name: s.database,
			Err:  fmt.Errorf("%w (%s): the dump was given up, and the server serves again", ErrDowntime, s.maxDowntime),
			Hint: "Give more with max_downtime, or use a snapshot of the file system, which needs no downtime."}
	}
	return downtime, err
}

// server describes the server that is to be stopped, or some of whose databases
// are. Everything that can be found out before that, is.
func (s *source) server(ctx context.Context, all []*source, marker string) (spec guard.Spec, running bool, err error) {
	refuse := func(err error, hint string) (guard.Spec, bool, error) {
		return spec, false, &snapshot.Error{Op: "stop", Name: s.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUnsafe, err), Hint: hint}
	}
	conf, err := s.admin.ReadConf("")
	if err != nil {
		return spec, false, s.admin.fail("stop", err)
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return refuse(err, "Give plain values in the configuration: what is configured by commands cannot be watched.")
	}
	pid, running, err := install.RunningOn(data)
	if err != nil {
		return refuse(err, "Run as root or as the user that owns "+data+".")
	}
	if !running {
		return spec, false, nil
	}
	spec = guard.Spec{Version: s.admin.Version, Data: data, StopTimeout: s.stopTimeout, StartTimeout: guard.DefaultStartTimeout,
		Marker: marker}
	spec.Bolt = s.who()
	if spec.Bolt.At, spec.Bolt.TLS, err = conf.Bolt(ctx); err != nil {
		return refuse(err, "Give a plain value in the configuration: where the server listens is to be known before it is stopped.")
	}
	if s.boltAt != "" {
		spec.Bolt.At = s.boltAt
	}
	if spec.ByDatabase = s.byDatabase(ctx, conf, all) && spec.Bolt.At != ""; spec.ByDatabase {
		if err := s.mayStop(ctx, spec.Bolt); err != nil {
			return refuse(err, stopHint)
		}
		return spec, true, nil
	}
	if spec.Manager, err = manager.Find(s.manager, manager.Server{Installation: s.admin.Installation, PID: pid, As: s.admin.owner}); err != nil {
		return refuse(err, "Say what runs the server, with manager=systemd:UNIT, docker:NAME, podman:NAME or command:PROGRAM; it was not touched.")
	}
	return spec, true, nil
}

// stopHint is what to do where databases alone cannot be stopped.
const stopHint = "The server is asked with NEO4J_USERNAME (neo4j) and NEO4J_PASSWORD, whose user must be allowed to stop and start databases, " +
	"and at bolt=HOST:PORT if it is not where its configuration says; or add stop=server, and all of it is stopped. It serves."

// mayStop finds out whether the server lets us ask it.
func (s *source) mayStop(ctx context.Context, address bolt.Address) error {
	server, err := bolt.Open(address)
	if err != nil {
		return err
	}
	_, err = server.Read(ctx, install.System, s.admin.Version.Alive(install.System), nil)
	return errors.Join(err, server.Close(context.WithoutCancel(ctx)))
}

// byDatabase reports whether the databases are stopped alone: only the Enterprise
// edition can, and not the one with its users.
func (s *source) byDatabase(ctx context.Context, conf *install.Conf, all []*source) bool {
	enterprise, err := conf.Enterprise(ctx)
	hasSystem := slices.ContainsFunc(all, func(s *source) bool { return s.database == install.System })
	return err == nil && enterprise && !s.stopServer && !hasSystem
}

// dumpable refuses, before anything is stopped, databases that could not be
// dumped then. It returns those that are served, which are to be served again;
// one of several may be another, but not all.
func dumpable(spec guard.Spec, all []*source) (map[string]install.Store, error) {
	served := map[string]install.Store{}
	for _, s := range all {
		refuse := func(err error, hint string) error {
			return &snapshot.Error{Op: "stop", Name: s.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUnsafe, err), Hint: hint}
		}
		if s.at.data == "" {
			return nil, refuse(ErrNoDatabase, "Look into data/databases below "+s.admin.Home+" for the name.")
		}
		if err := writable(s.at.data); err != nil {
			return nil, refuse(err, "Run as root or as the user that owns "+s.at.data+"; the server was not touched.")
		}
		at := install.Store{Data: s.at.data, Logs: s.at.transactions}
		_, open, err := spec.Version.OpenedBy(at)
		if err != nil || !open && len(all) == 1 && !spec.ByDatabase {
			return nil, refuse(errors.Join(fmt.Errorf("%w by the server that runs", errNotServed), err),
				"Name the database that it serves; one that it does not serve can only be dumped while it is stopped.")
		}
		switch {
		case open:
			served[s.database] = at
		case !spec.ByDatabase:
			s.options.Log.Warn("the database is not served by the server that runs", "database", s.database)
		}
	}
	if len(served) == 0 && !spec.ByDatabase {
		return nil, &snapshot.Error{Op: "stop", Name: all[0].database, Err: fmt.Errorf("%w: none of the databases is served", snapshot.ErrUnsafe),
			Hint: "Name one that the server serves."}
	}
	return served, nil
}

var errNotServed = errors.New("the database is not served")

func (s *source) explainDown(err error) error {
	if !errors.Is(err, ErrDown) {
		return err
	}
	return &snapshot.Error{Op: "start", Name: s.database, Err: err,
		Hint: "Start the server by hand AT ONCE and look into its logs (of Enterprise: START DATABASE, and NEO4J_PASSWORD for recover); " +
			"a guardian goes on trying for an hour, and snapferry recover tries again."}
}
