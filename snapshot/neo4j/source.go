package neo4j

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
)

// Options are what a source needs besides its URL.
type Options struct {
	Host string // this machine's name, part of the source's identity
	// Log gets what neo4j-admin prints, line by line. Nil discards it.
	Log *slog.Logger
	// TempDir is the folder for temporary files of neo4j-admin's JVMs; empty
	// leaves the choice to Java. It must allow programs to be loaded from it:
	// where it does not, Neo4j falls back to gzip.
	TempDir string
	// Progress is told how much of the store was dumped, from 0 to 1, by a
	// goroutine of the capture. It may be nil.
	Progress func(fraction float64)
	// Guardian is the command line of a process that calls guard.Stand. Without
	// it no server is stopped.
	Guardian []string
	// Unfreezer is the command line of a process that calls freeze.Stand. Without it
	// no file system is frozen.
	Unfreezer []string
	// User and Password are asked of no server but to see that it serves again;
	// empty: its locks must do.
	User, Password string
	// State is a folder in which is remembered what only advice hangs on: how long
	// a dump took, when a database was checked. Empty: nothing is.
	State string
	Now   func() time.Time // nil: nothing of an earlier run is fresh
}

// Open checks the URL of a dump source and finds its neo4j-admin. What it
// refuses wraps snapshot.ErrUsage or snapshot.ErrNotFound. Nothing is started.
func Open(u *url.URL, options Options) (snapshot.Source, error) {
	req, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	if req.several {
		return nil, &snapshot.Error{Op: "open", Name: u.Redacted(), Err: fmt.Errorf("%w: it names several databases", snapshot.ErrUsage),
			Hint: "Name one of them."}
	}
	s, err := newSource(req, options)
	if err != nil {
		return nil, err
	}
	return s.captured(), nil
}

// captured is the source as it is captured.
func (s *source) captured() snapshot.Source {
	if len(s.online.from) > 0 {
		return &onlineSource{source: s}
	}
	return s
}

func newSource(req request, options Options) (*source, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	admin, err := newAdmin(req, options)
	if err != nil {
		return nil, err
	}
	return &source{request: req, admin: admin, options: options}, nil
}

type source struct {
	request
	admin   *admin
	options Options
	// at is where the files are, once prepare has looked for them.
	at store
	// ready is what was made of the database before it is captured; nil: nothing
	// was, and its capture makes it.
	ready *ready
}

// Name is the name of the database.
func (s *source) Name() string { return s.database }

// Capture asks neo4j-admin about the store and starts the dump. With a stream
// it returns once the first byte has come, so that what fails, fails here; with
// a scratch folder once the dump file is verified.
func (s *source) Capture(ctx context.Context) (snapshot.Capture, error) {
	info := snapshot.Info{Identity: s.identity()}
	if s.ready == nil {
		if err := s.look(ctx); err != nil {
			return nil, err
		}
	}
	if s.stream {
		return s.captureDown(ctx, info)
	}
	if s.scratch != "" {
		return s.captureScratch(ctx, info)
	}
	var err error
	if info.Facts, err = s.facts(ctx, s.at); err != nil {
		return nil, err
	}
	return s.captureStream(ctx, info)
}

// look finds out what must be known before anything is done.
func (s *source) look(ctx context.Context) error {
	find := s.admin.findVersion
	if s.stop { // it must not turn out later that nothing can be dumped
		find = s.admin.askVersion
	}
	if err := find(ctx); err != nil {
		return err
	}
	if s.admin.Expand && len(s.admin.exec) == 0 {
		if _, err := s.admin.ReadConf("dump"); err != nil {
			return s.admin.fail("open", err)
		}
	}
	if len(s.admin.exec) == 0 {
		s.admin.owner = home.OwnerOf(ctx, s.admin.Installation)
	}
	s.at = s.admin.locateStore(ctx)
	return nil
}

// Recover starts the server of a source that a run has stopped and did not start
// again, and that no guardian watches; or removes the snapshot that a run has
// left; or finishes a restore into a target. It reports whether there was one.
func Recover(ctx context.Context, u *url.URL, options Options) (recovered bool, err error) {
	if u.Scheme == LoadScheme {
		return recoverTarget(ctx, u, options)
	}
	all, err := openAll(ctx, u, options)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		found, err := s.recover(ctx)
		if recovered = recovered || found; err != nil {
			return recovered, err
		}
	}
	return recovered, nil
}

func (s *source) recover(ctx context.Context) (recovered bool, err error) {
	if !s.stop && s.via == "" {
		return false, &snapshot.Error{Op: "recover", Name: s.database, Err: fmt.Errorf("%w: the source stops no server and makes no snapshot", snapshot.ErrUsage),
			Hint: "Give the source as it is backed up, with scratch=DIR and stop=yes or via=…."}
	}
	folder, err := s.openFolder()
	if err != nil {
		return false, err
	}
	if s.via != "" {
		recovered, err = s.cleanSnapshot(ctx, folder)
		err = errors.Join(err, folder.clear())
	} else {
		recovered, err = s.recoverServer(ctx, folder)
	}
	return recovered, errors.Join(err, folder.release())
}

func (s *source) identity() snapshot.Identity {
	return snapshot.Identity{Type: "neo4j", Host: s.options.Host, Path: s.admin.Home, ID: s.database}
}

// facts are those of a database that is not in use.
func (s *source) facts(ctx context.Context, at store) (map[string]string, error) {
	facts, err := s.admin.storeInfo(ctx, at)
	if err != nil {
		return nil, err
	}
	facts["database"] = s.database
	facts["neo4j"] = s.admin.Version.Text
	return facts, nil
}

func (s *source) captureStream(ctx context.Context, info snapshot.Info) (snapshot.Capture, error) {
	// Two dumps of one store differ in their bytes.
	if _, err := rand.Read(info.Fingerprint[:]); err != nil {
		return nil, s.admin.fail("capture", fmt.Errorf("make fingerprint: %w", err))
	}
	dump, err := startStream(ctx, s.admin)
	if err != nil {
		return nil, err
	}
	return &streamCapture{info: info, dump: dump}, nil
}

type streamCapture struct {
	info snapshot.Info
	dump *stream
}

func (c *streamCapture) Info() snapshot.Info { return c.info }

func (c *streamCapture) Images() []snapshot.Image {
	return []snapshot.Image{{
		Name: c.info.Identity.ID + ".dump", Form: snapshot.FormStream, Size: -1,
		Stream: c.dump, Compressed: true,
	}}
}

// Check confirms that the stream was read to its proved end. The store cannot
// have changed meanwhile: neo4j-admin held its lock.
func (c *streamCapture) Check(context.Context) error {
	if !c.dump.complete() {
		return c.dump.admin.fail("dump", errors.New("the dump was not read to its end"))
	}
	return nil
}

// Close ends neo4j-admin and what it forked, and returns when all of it is
// gone and the database is free again.
func (c *streamCapture) Close() error { return c.dump.close() }
