// Package drill proves that a backup of Neo4j restores: it loads the dump into
// a scratch home, checks its consistency, starts a server on it that only this
// machine can reach, compares what is in it with what is known of the backup,
// and asks what the user wants to know.
package drill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// ErrFailed says that a backup did not pass its drill. Errors that are not of
// this kind say that the drill could not be held.
var ErrFailed = errors.New("the drill failed")

// Request says what is drilled, and how.
type Request struct {
	// Live is the installation whose programs are used, with its version.
	Live *install.Installation
	// Dir is a folder of this drill alone. It holds the artifact, by the name by
	// which neo4j-admin finds it, DATABASE.dump or that of a .backup file, or the
	// folder of a copy, and gets the home.
	Dir      string
	Database string
	// Last is the name of the last .backup file of a chain in Dir, which is
	// restored with the programs of the Enterprise edition; empty: one file is
	// loaded.
	Last string
	// Copy is the name of the folder in Dir into which a copy of the files was
	// unpacked; empty: it is no copy.
	Copy string
	// Facts are what was recorded with the backup.
	Facts map[string]string
	// Before is what an earlier drill of the same backup found; nil: none did.
	Before *Graph
	Checks []Check
	// Plugins is a folder of plug-ins that the data needs; empty: none.
	Plugins string
	// Quick leaves out the consistency check.
	Quick      bool
	Memory     int64 // bytes; 0: home.DefaultMemory
	Background bool
	TempDir    string
	Now        func() time.Time
	Log        *slog.Logger
}

// Step is one part of a drill.
type Step struct {
	Name    string
	Took    time.Duration
	Problem string // empty: it went well
}

// The steps of a drill, in their order.
const (
	StepLoad    = "load"
	StepCheck   = "check"   // consistency
	StepStart   = "start"   // until the database answers
	StepCompare = "compare" // with what is known of the backup
	StepAsk     = "ask"     // the user's checks
)

// Result is what a drill found.
type Result struct {
	Version  string // of Neo4j in the drill
	Steps    []Step
	Graph    *Graph // nil: it did not come so far
	Answers  []Answer
	Warnings []string
}

// Good reports whether everything went well.
func (r *Result) Good() bool {
	for _, s := range r.Steps {
		if s.Problem != "" {
			return false
		}
	}
	return len(r.Steps) > 0
}

// drill is one that is held.
type drill struct {
	Request
	home   *home.Home
	server *home.Server
	result *Result
}

// Run holds a drill. It stops at the first step that does not go well; its
// error is ErrFailed then, and the result tells which. Nothing is left behind
// but what was in Dir.
func Run(ctx context.Context, req Request) (_ *Result, err error) {
	d := &drill{Request: req, result: &Result{Version: req.Live.Version.String()}}
	if err := d.comparable(); err != nil {
		return nil, err
	}
	owner := home.OwnerOf(ctx, req.Live)
	if err := home.LetIn(owner, req.Dir); err != nil {
		return nil, err
	}
	d.home, err = home.Make(ctx, home.Options{Live: req.Live, Dir: filepath.Join(req.Dir, "home"), Database: req.Database, Connect: true, As: owner,
		Plugins: req.Plugins, Memory: req.Memory, Background: req.Background, TempDir: req.TempDir, Log: req.Log})
	if err != nil {
		return nil, d.cannot(err)
	}
	defer func() {
		if d.server != nil {
			err = errors.Join(err, d.server.Kill(ctx))
		}
		err = errors.Join(err, d.home.Remove())
	}()
	steps := []struct {
		name string
		do   func(context.Context) error
	}{{StepLoad, d.load}, {StepCheck, d.check}, {StepStart, d.start}, {StepCompare, d.compare}, {StepAsk, d.ask}}
	for _, step := range steps {
		if step.name == StepCheck && req.Quick || step.name == StepAsk && len(req.Checks) == 0 {
			continue
		}
		if err := d.step(ctx, step.name, step.do); err != nil {
			return d.result, err
		}
	}
	return d.result, nil
}

// step does one part and writes down how it went.
func (d *drill) step(ctx context.Context, name string, do func(context.Context) error) error {
	d.Log.Info("drill", "step", name, "database", d.Database)
	began := d.Now()
	err := do(ctx)
	step := Step{Name: name, Took: d.Now().Sub(began)}
	if err != nil {
		step.Problem = err.Error()
	}
	d.result.Steps = append(d.result.Steps, step)
	if err == nil {
		return nil
	}
	if err = d.cannot(err); ctx.Err() != nil || !isVerdict(err) {
		return err
	}
	return &snapshot.Error{Op: "drill", Name: d.Database, Err: fmt.Errorf("%w at %s: %w", ErrFailed, name, err),
		Hint: "Take another backup at once and drill it; if it fails alike, look at the live database with neo4j-admin's check."}
}

// otherError is one that has nothing to do with the backup.
type otherError struct{ error }

func (e otherError) Unwrap() error { return e.error }

// cannot explains what has nothing to do with the backup: no Java, no space, no
// right, a process that somebody killed.
func (d *drill) cannot(err error) error {
	if failed, ok := errors.AsType[*home.AdminError](err); ok {
		hint, reason := install.Explain(failed.Text, d.Database, d.Live.Home)
		for _, other := range []error{install.ErrJava, install.ErrNoSpace, install.ErrPermission, install.ErrConfig} {
			if errors.Is(reason, other) {
				return otherError{&snapshot.Error{Op: "drill", Name: d.Database, Err: fmt.Errorf("%w (%w)", reason, err), Hint: hint}}
			}
		}
	}
	if status, ok := errors.AsType[*exec.ExitError](err); ok && !status.Exited() {
		return otherError{&snapshot.Error{Op: "drill", Name: d.Database, Err: err,
			Hint: "Something ended it, most often the system for want of memory: give it less with --memory, or use a larger machine."}}
	}
	return err
}

// isVerdict reports whether an error is about the backup, and not about what it
// was drilled with.
func isVerdict(err error) bool {
	_, other := errors.AsType[otherError](err)
	_, path := errors.AsType[*fs.PathError](err)
	_, program := errors.AsType[*exec.Error](err)
	_, system := errors.AsType[*os.SyscallError](err)
	return !other && !path && !program && !system && !errors.Is(err, snapshot.ErrUnsafe) && !errors.Is(err, snapshot.ErrUsage)
}

// comparable refuses an older Neo4j than that of the backup, which cannot read
// it, and one that would have to migrate it, and warns of another one.
func (d *drill) comparable() error {
	text := d.Facts[FactVersion]
	if text == "" {
		return nil
	}
	theirs, err := install.ParseVersion(text)
	if err != nil {
		return fmt.Errorf("read the version of the backup: %w", err)
	}
	ours, why := d.Live.Version, ""
	switch {
	case ours.Major < theirs.Major, ours.Major == theirs.Major && ours.Minor < theirs.Minor:
		why = "and the drill would use the older " + ours.Text
	case ours.Major != theirs.Major && theirs.Major < firstCalendar:
		why = "which " + ours.Text + " would have to migrate"
	case ours.Text != theirs.Text:
		d.warn(fmt.Sprintf("the backup is of Neo4j %s and was drilled with %s", theirs, ours))
	}
	if why == "" {
		return nil
	}
	return &snapshot.Error{Op: "drill", Name: d.Database, Err: fmt.Errorf("%w: the backup is of Neo4j %s, %s", snapshot.ErrUsage, theirs, why),
		Hint: "Give --home, an installation of the version of the backup or a later one of the same series."}
}

// firstCalendar is the first year that is a version.
const firstCalendar = 2025

// FactVersion is the fact that names the version of Neo4j.
const FactVersion = "neo4j"

func (d *drill) warn(text string) {
	d.result.Warnings = append(d.result.Warnings, text)
	d.Log.Warn("drill: " + text)
}

// load loads the artifact and looks whether it is what was backed up: nothing
// has touched it yet.
func (d *drill) load(ctx context.Context) error {
	place := func() error { return d.home.Load(ctx, d.Dir) }
	switch {
	case d.Last != "":
		place = func() error { return d.home.Restore(ctx, filepath.Join(d.Dir, d.Last), "") }
	case d.Copy != "":
		place = func() error { return d.home.Adopt(ctx, filepath.Join(d.Dir, d.Copy)) }
	}
	if err := place(); err != nil {
		return err
	}
	info, err := d.home.Info(ctx)
	if err != nil {
		return err
	}
	if info.RecoveryRequired {
		return fmt.Errorf("%w: a dump never does", install.ErrNeedsRecovery)
	}
	if d.Facts[install.FactRecovery] != "" { // what it had recovered then was less
		return nil
	}
	was, is := d.Facts[install.FactTransaction], info.LastTransaction
	if _, err := strconv.ParseUint(was, 10, 64); err == nil && is != "" && was != is {
		return fmt.Errorf("its last transaction is %s, and %s when it was backed up", is, was)
	}
	if was, is := d.Facts[install.FactFormat], info.Format; was != "" && is != "" && was != is {
		d.warn(fmt.Sprintf("the store has format %s, and %s when it was backed up", is, was))
	}
	return nil
}

func (d *drill) check(ctx context.Context) error { return d.home.Check(ctx) }

func (d *drill) start(ctx context.Context) (err error) {
	d.server, err = d.home.Start(ctx)
	return err
}
