package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// The reasons why a store is not good.
var (
	ErrInconsistent = errors.New("the store is inconsistent")
	ErrFormat       = errors.New("the store has a format that this version of Neo4j does not open")
)

// AdminError is a neo4j-admin that failed in a scratch home.
type AdminError struct {
	Command string // as a person would type it
	Text    string // what it printed, its first and last lines
	Err     error  // its status
}

func (e *AdminError) Error() string {
	said := ""
	if lines := told(e.Text); len(lines) > 0 {
		said = ": " + strings.Join(lines[max(0, len(lines)-3):], "; ")
	}
	return fmt.Sprintf("%s: %v%s", e.Command, e.Err, said)
}

func (e *AdminError) Unwrap() error { return e.Err }

// told are the lines of a text that say something.
func told(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Run with '--verbose'") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Admin runs neo4j-admin in the home and returns what it printed to standard
// output. Its failures are *AdminError.
func (h *Home) Admin(ctx context.Context, args ...string) ([]byte, error) {
	c := h.command(h.own.Admin, args)
	c.Lines = process.NewLines("neo4j-admin (scratch)", h.log, nil)
	out, text, err := process.Output(ctx, c)
	if err != nil && ctx.Err() == nil {
		return nil, &AdminError{Command: commandLine(args), Text: text + "\n" + string(out), Err: err}
	}
	return out, err
}

// commandLine is what a person would type.
func commandLine(args []string) string { return "neo4j-admin " + strings.Join(hide(args), " ") }

// hide keeps passwords out of messages.
func hide(args []string) []string {
	for i, arg := range args {
		if arg == "set-initial-password" {
			return args[:i+1]
		}
	}
	return args
}

// Restore restores a chain of backups, whose last artifact is at path, as
// install.Version.Restore says; its programs must be of the Enterprise edition.
func (h *Home) Restore(ctx context.Context, path, until string) error {
	args, err := h.own.Version.Restore(h.database, path, until)
	if err != nil {
		return err
	}
	_, err = h.Admin(ctx, args...)
	return err
}

// Load loads DIR/DATABASE.dump, or since 5 the .backup file in DIR that is a full
// backup of the database.
func (h *Home) Load(ctx context.Context, dir string) error {
	_, err := h.Admin(ctx, h.own.Version.Load(h.database, dir, false)...)
	return h.explainLoad(err)
}

func (h *Home) explainLoad(err error) error {
	if failed, ok := errors.AsType[*AdminError](err); ok && strings.Contains(failed.Text, "is not on a supported version") {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return err
}

// Dump dumps the database, which no server uses, into DIR/DATABASE.dump.
func (h *Home) Dump(ctx context.Context, dir string) error {
	_, err := h.Admin(ctx, h.own.Version.DumpTo(h.database, dir)...)
	return err
}

// Info tells of the store of the home's database.
func (h *Home) Info(ctx context.Context) (install.StoreInfo, error) {
	at, err := h.Store(ctx)
	if err != nil {
		return install.StoreInfo{}, err
	}
	out, err := h.Admin(ctx, h.own.Version.Info(h.database, at.Data)...)
	if err != nil {
		return install.StoreInfo{}, err
	}
	return h.own.Version.ParseInfo(out)
}

// Store is where the files of the home's database are.
func (h *Home) Store(ctx context.Context) (install.Store, error) {
	conf, err := h.own.ReadConf("")
	if err != nil {
		return install.Store{}, err
	}
	return conf.Store(ctx, h.database)
}

// Check checks the consistency of the store, which no server uses. What it finds
// wrong is ErrInconsistent, with the first lines of its report.
func (h *Home) Check(ctx context.Context) error {
	_, _, offHeap := h.shares()
	reports := filepath.Join(h.own.Home, "reports")
	_, err := h.Admin(ctx, h.own.Version.Check(h.database, reports, install.CheckLimits{OffHeap: offHeap})...)
	failed, ok := errors.AsType[*AdminError](err)
	if !ok {
		return err
	}
	// Status 1 has several reasons; its words tell them apart.
	switch text := strings.ToLower(failed.Text); {
	case strings.Contains(text, "inconsistencies found"), strings.Contains(text, "inconsistenc") && reported(reports) != "":
		return fmt.Errorf("%w: %s", ErrInconsistent, reported(reports))
	case strings.Contains(text, "active logical log detected"), strings.Contains(text, "please recover"):
		return fmt.Errorf("%w: %w", install.ErrNeedsRecovery, err)
	}
	return err
}

// reported is the beginning of a consistency report; empty: there is none.
func reported(dir string) string {
	const most = 400
	paths, err := filepath.Glob(filepath.Join(dir, "inconsistencies-*"))
	if err != nil || len(paths) == 0 {
		return ""
	}
	raw, err := os.ReadFile(paths[0])
	if err != nil {
		return ""
	}
	text := strings.Join(strings.Fields(string(raw)), " ")
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
