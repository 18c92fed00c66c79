package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

const (
	// stopGrace is how long a server has to end by itself: it needs more than
	// 10 s even when it has nothing to do.
	stopGrace = 10 * time.Minute
	// askInterval is how often a server is asked whether it answers yet.
	askInterval = 100 * time.Millisecond
)

// ErrEnded says that a server ended by itself.
var ErrEnded = errors.New("the scratch server ended by itself")

// Server is a running server of a scratch home.
type Server struct {
	*bolt.Server
	home *Home
	p    *process.Process
}

// errPort says that somebody else has the port of the scratch server.
var errPort = errors.New("its port was taken by somebody else")

// Start starts the server of a home that somebody may connect to, and returns
// once its database answers. The caller calls Kill. A port that was free when it
// was chosen, and is not any more, is replaced by another one.
func (h *Home) Start(ctx context.Context) (*Server, error) {
	const tries = 4
	for try := 1; ; try++ {
		s, err := h.start(ctx)
		if err == nil || !errors.Is(err, errPort) || try == tries {
			return s, err
		}
		h.log.Warn("the scratch server is started on another port", "error", err)
		if err := h.configure(ctx); err != nil {
			return nil, err
		}
	}
}

func (h *Home) start(ctx context.Context) (_ *Server, err error) {
	// One that was killed has left its number, which may be somebody else's now.
	if err := os.Remove(filepath.Join(h.own.Home, "run", "neo4j.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("start scratch server: %w", err)
	}
	c := h.console()
	c.Grace = time.Nanosecond // what it holds is thrown away
	p, err := process.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &Server{home: h, p: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Kill(ctx))
		}
	}()
	user := "neo4j"
	if h.password == "" {
		user = ""
	}
	if s.Server, err = bolt.Open(bolt.Address{At: h.address, User: user, Password: h.password}); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s, s.assertOurs(ctx)
}

// console is the server in the foreground: it ends with its process group.
func (h *Home) console() process.Command {
	c := h.command(h.own.Server(), []string{"console"})
	c.Merge = true
	c.Lines = process.NewLines("scratch server", h.log, nil)
	return c
}

// Kill ends the server at once.
func (s *Server) Kill(ctx context.Context) error {
	var err error
	if s.Server != nil {
		err = s.Server.Close(context.WithoutCancel(ctx))
	}
	return errors.Join(err, s.p.Stop())
}

// await returns once the very database answers: the server's own word that it
// has started comes before, and also if the database could not be opened.
func (s *Server) await(ctx context.Context) error {
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for {
		_, err := s.Server.Read(ctx, s.home.addressed(), s.home.own.Version.Alive(s.home.database), nil)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, bolt.ErrAuth):
			return fmt.Errorf("%w: %w", errPort, err) // ours has the password that we gave it
		}
		if why := s.failed(ctx); why != "" {
			return fmt.Errorf("%w: %s: %s", bolt.ErrFailed, s.home.database, why)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer of the scratch server was: %w", context.Cause(ctx), err)
		case <-s.p.Exited():
			return s.home.ended(s.p)
		case <-tick.C:
		}
	}
}

// failed says why the server could not open the database; empty: it may still
// come.
func (s *Server) failed(ctx context.Context) string {
	question := s.home.own.Version.Status()
	if question == "" {
		return ""
	}
	rows, err := s.Server.Read(ctx, install.System, question, map[string]any{"name": s.home.database})
	if err != nil || len(rows) != 1 || len(rows[0]) != 2 {
		return ""
	}
	status, message := fmt.Sprint(rows[0][0]), fmt.Sprint(rows[0][1])
	if message == "" || message == "<nil>" || status == "online" || status == "starting" {
		return ""
	}
	return status + ": " + message
}

func (h *Home) addressed() string { return h.own.Version.Addressed(h.database) }

// ended explains a server that has ended.
func (h *Home) ended(p *process.Process) error {
	status := p.Finish()
	if status == nil {
		status = errors.New("exit status 0")
	}
	text := p.Text()
	if strings.Contains(strings.ToLower(text), "address already in use") || strings.Contains(text, "is already in use, cannot bind") {
		status = fmt.Errorf("%w: %w", errPort, status)
	}
	lines := told(text)
	return fmt.Errorf("%w: %w: %s", ErrEnded, status, strings.Join(lines[max(0, len(lines)-5):], "; "))
}

// assertOurs makes sure that who answers is the server of this home: before
// the first question, whatever listens on the port.
func (s *Server) assertOurs(ctx context.Context) error {
	rows, err := s.Server.Read(ctx, s.home.addressed(), s.home.own.Version.DataFolder(), nil)
	if s.home.database == install.System {
		rows, err = s.Server.Read(ctx, "", s.home.own.Version.DataFolder(), nil)
	}
	if err != nil {
		return fmt.Errorf("ask the scratch server where its data is: %w", err)
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return fmt.Errorf("%w: the server does not tell where its data is", snapshot.ErrUnsafe)
	}
	theirs, ours := fmt.Sprint(rows[0][0]), s.home.data
	if !filepath.IsAbs(theirs) {
		theirs = filepath.Join(s.home.own.Home, theirs)
	}
	if theirs != ours && !same(theirs, ours) {
		return fmt.Errorf("%w: %w: the server that answers has its data in %s and not in %s", snapshot.ErrUnsafe, errPort, theirs, ours)
	}
	return nil
}

// Recover lets a server that nobody can connect to replay the transaction logs
// of the store, and ends it cleanly. It returns once the store needs no more
// recovery.
func (h *Home) Recover(ctx context.Context) (install.StoreInfo, error) {
	c := h.console()
	c.Grace = stopGrace
	started := make(chan struct{})
	var once sync.Once
	c.Lines.OnLine = func(line string) {
		if strings.HasSuffix(strings.TrimSpace(line), "Started.") {
			once.Do(func() { close(started) })
		}
	}
	p, err := process.Start(ctx, c)
	if err != nil {
		return install.StoreInfo{}, err
	}
	// Some versions end by themselves when there is nothing to listen to,
	// others stay.
	ended := false
	select {
	case <-started:
	case <-p.Exited():
		ended = true
	case <-ctx.Done():
	}
	if ended && p.Finish() != nil {
		return install.StoreInfo{}, errors.Join(h.ended(p), p.Stop())
	}
	if err := p.Stop(); err != nil {
		return install.StoreInfo{}, err
	}
	if ctx.Err() != nil {
		return install.StoreInfo{}, context.Cause(ctx)
	}
	info, err := h.Info(ctx)
	if err == nil && info.RecoveryRequired {
		lines := told(p.Text())
		err = fmt.Errorf("%w after a scratch server had run: %s", install.ErrNeedsRecovery, strings.Join(lines[max(0, len(lines)-5):], "; "))
	}
	return info, err
}
