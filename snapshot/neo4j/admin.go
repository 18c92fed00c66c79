package neo4j

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// admin runs the neo4j-admin of one installation for one database.
type admin struct {
	*install.Installation
	database string
	env      []string
	log      *slog.Logger
	progress func(float64)
	owner    *process.Owner  // who runs it; nil: who we are
	started  func(group int) // is told of every process group; may be nil
	exec     []string        // what runs it elsewhere; empty: it runs here
}

func newAdmin(req request, options Options) (*admin, error) {
	if len(req.exec) > 0 {
		return execAdmin(req, options), nil
	}
	found, err := install.Find(req.home, os.Getenv)
	switch {
	case errors.Is(err, install.ErrNoHome) && req.home == "" && os.Getenv("NEO4J_HOME") == "":
		return nil, &snapshot.Error{Op: "open", Name: req.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUsage, err),
			Hint: "Add ?home=DIR, the folder of the Neo4j installation, or set NEO4J_HOME."}
	case errors.Is(err, install.ErrNoHome):
		return nil, &snapshot.Error{Op: "open", Name: cmp.Or(req.home, os.Getenv("NEO4J_HOME")), Err: fmt.Errorf("%w: %w", snapshot.ErrNotFound, err),
			Hint: "home is the folder of the Neo4j installation, with bin, conf and data in it."}
	case err != nil:
		return nil, &snapshot.Error{Op: "open", Name: req.home, Err: fmt.Errorf("%w: %w", ErrAdminNotFound, err),
			Hint: "home must be a Neo4j installation with bin/neo4j-admin in it, or neo4j-admin must be on PATH and executable."}
	}
	a := &admin{Installation: found, database: req.database, log: options.Log, progress: options.Progress}
	// Until it is known whose the data is: a program is no safer than who may
	// change it.
	if a.owner, err = process.OwnerOf(found.Home); err != nil {
		return nil, &snapshot.Error{Op: "open", Name: found.Home, Err: err, Hint: "This user must be able to look into the home."}
	}
	a.env = found.Environ(os.Environ(), options.TempDir)
	found.Expand, found.As = req.expand, func(cmd *exec.Cmd) { cmd.SysProcAttr = a.owner.Attributes() }
	return a, nil
}

// execAdmin is a neo4j-admin that a program of the user's runs somewhere else,
// such as in a container. Nothing of its files can be seen from here.
func execAdmin(req request, options Options) *admin {
	in := &install.Installation{Home: cmp.Or(req.home, strings.Join(req.exec, " ")), Admin: "neo4j-admin", Expand: req.expand}
	a := &admin{Installation: in, database: req.database, log: options.Log, progress: options.Progress, exec: req.exec}
	a.env = (&install.Installation{}).Environ(os.Environ(), "")
	return a
}

// findVersion finds the version of neo4j-admin, and refuses those whose commands
// are not known.
func (a *admin) findVersion(ctx context.Context) error {
	if len(a.exec) == 0 && a.KnowVersion() {
		return nil
	}
	return a.askVersion(ctx)
}

// askVersion asks neo4j-admin for its version, which proves that there is a Java
// for it.
func (a *admin) askVersion(ctx context.Context) error {
	printed := ""
	err := a.AskVersion(ctx, func(ctx context.Context, args ...string) ([]byte, error) {
		out, err := a.output(ctx, args...)
		printed = string(out)
		return out, err
	})
	switch {
	case errors.Is(err, install.ErrVersion):
		return &snapshot.Error{Op: "capture", Name: a.database, Err: err,
			Hint: "Neo4j 3.5, 4.x, 5 and the calendar versions (2025.01 and later) are supported; back up an older one from a dump file of its own neo4j-admin."}
	case err != nil && printed != "":
		return a.failText("capture", printed, err)
	}
	return err
}

// storeInfo asks for what is known of the store, and fails where a dump would
// be refused. The facts are named as neo4j-admin names them.
func (a *admin) storeInfo(ctx context.Context, at store) (map[string]string, error) {
	if a.Version.Major < 5 && at.data == "" {
		return map[string]string{}, nil // it wants a folder; the dump decides
	}
	out, err := a.output(ctx, a.Version.Info(a.database, at.data)...)
	if err != nil {
		return nil, err
	}
	info, err := a.Version.ParseInfo(out)
	switch {
	case err != nil:
		// What it prints is no promise of Neo4j's; the dump decides by itself.
		a.log.Warn("neo4j-admin gave no usable answer about the store", "database", a.database, "error", err)
	case info.InUse:
		return nil, a.fail("capture", ErrInUse)
	case info.RecoveryRequired:
		return nil, a.fail("capture", ErrNeedsRecovery)
	}
	return info.Facts(), nil
}

// start runs neo4j-admin. Whoever starts calls Stop.
func (a *admin) start(ctx context.Context, args ...string) (*process.Process, error) {
	p, err := process.Start(ctx, a.command(args))
	if err != nil {
		return nil, a.startFailure("capture", err)
	}
	return p, nil
}

func (a *admin) command(args []string) process.Command {
	if a.Expand && len(args) > 1 { // and not its version
		args = append(slices.Clip(args), "--expand-commands")
	}
	c := process.Command{Path: a.Admin, Args: args, Env: a.env, Dir: a.Home,
		Lines: process.NewLines("neo4j-admin", a.log, a.progress), Started: a.started, As: a.owner}
	if len(a.exec) > 0 {
		c.Path, c.Args, c.Dir = a.exec[0], slices.Concat(a.exec[1:], []string{a.Admin}, args), ""
	}
	return c
}

// output runs a command that answers briefly.
func (a *admin) output(ctx context.Context, args ...string) ([]byte, error) {
	out, text, err := process.Output(ctx, a.command(args))
	_, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		return nil, a.failText("capture", text+"\n"+string(out), err)
	case err != nil:
		return nil, a.startFailure("capture", err)
	}
	return out, nil
}

// startFailure explains an error that is none of neo4j-admin's own.
func (a *admin) startFailure(op string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &snapshot.Error{Op: op, Name: a.database, Err: err, Hint: "Its first line may name a shell that is not installed: " + a.Admin}
	case errors.Is(err, fs.ErrPermission):
		return &snapshot.Error{Op: op, Name: a.database, Err: err, Hint: "Check that " + a.Admin + " can be run by this user."}
	}
	return a.fail(op, err)
}
