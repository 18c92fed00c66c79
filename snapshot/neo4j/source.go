package neo4j

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/snapferry/snapferry/snapshot"
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
}

// Open checks the URL of a dump source and finds its neo4j-admin. What it
// refuses wraps snapshot.ErrUsage or snapshot.ErrNotFound. Nothing is started.
func Open(u *url.URL, options Options) (snapshot.Source, error) {
	req, err := parseURL(u)
	if err != nil {
		return nil, err
	}
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
}

// Name is the name of the database.
func (s *source) Name() string { return s.database }

// Capture asks neo4j-admin about the store and starts the dump. With a stream
// it returns once the first byte has come, so that what fails, fails here; with
// a scratch folder once the dump file is verified.
func (s *source) Capture(ctx context.Context) (snapshot.Capture, error) {
	if err := s.admin.askVersion(ctx); err != nil {
		return nil, err
	}
	at := s.admin.locateStore(ctx)
	facts, err := s.admin.storeInfo(ctx, at)
	if err != nil {
		return nil, err
	}
	facts["database"] = s.database
	facts["neo4j"] = s.admin.Version.Text
	info := snapshot.Info{
		Kind:     "full",
		Identity: snapshot.Identity{Type: "neo4j", Host: s.options.Host, Path: s.admin.Home, ID: s.database},
		Facts:    facts,
	}
	if s.scratch != "" {
		return s.captureScratch(ctx, info, at)
	}
	return s.captureStream(ctx, info)
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
