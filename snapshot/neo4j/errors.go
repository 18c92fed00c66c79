package neo4j

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// The reasons why neo4j-admin gives no dump. They come wrapped in a
// *snapshot.Error with a hint.
var (
	ErrAdminNotFound = fmt.Errorf("%w: neo4j-admin not found", snapshot.ErrNotFound)
	ErrVersion       = install.ErrVersion
	ErrInUse         = install.ErrInUse
	ErrNeedsRecovery = install.ErrNeedsRecovery
	ErrNoDatabase    = fmt.Errorf("%w: %w", snapshot.ErrNotFound, install.ErrNoDatabase)
	ErrPermission    = install.ErrPermission
	ErrJava          = install.ErrJava
	ErrNoSpace       = install.ErrNoSpace
	ErrMigration     = install.ErrMigration
	ErrArchiveExists = install.ErrArchiveExists
	ErrConfig        = install.ErrConfig
)

// fail makes an error of a cause, with the hint of the reason that it is.
func (a *admin) fail(op string, err error) error {
	var known *snapshot.Error
	if errors.As(err, &known) {
		return err
	}
	return &snapshot.Error{Op: op, Name: a.database, Err: err, Hint: install.HintFor(err, a.database, a.Home)}
}

// failText explains a failed neo4j-admin by what it printed.
func (a *admin) failText(op, text string, exit error) error {
	if hint, err := install.Explain(text, a.database, a.Home); err != nil {
		if errors.Is(err, install.ErrNoDatabase) {
			err = ErrNoDatabase
		}
		return &snapshot.Error{Op: op, Name: a.database, Err: err, Hint: hint}
	}
	return &snapshot.Error{
		Op: op, Name: a.database, Err: fmt.Errorf("neo4j-admin failed: %w%s", exit, quoteLast(text)),
		Hint: "Run it by hand: " + a.byHand() + ".",
	}
}

// byHand is the command line with which a user sees more.
func (a *admin) byHand() string {
	program := strings.Join(append(slices.Clip(a.exec), a.Admin), " ")
	switch args := strings.Join(a.Version.DumpTo(a.database, "DIR"), " "); {
	case a.Version.Major == 0:
		return program + " --version"
	case a.Version.Major < 4:
		return "NEO4J_DEBUG=true " + program + " " + args
	default:
		return program + " " + args + " --verbose"
	}
}

// quoteLast returns the last lines that say more than the frame around them.
func quoteLast(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && line != "Command Failed" && !strings.HasPrefix(line, "Run with '--verbose'") {
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		return ""
	}
	return ": " + strings.Join(said[max(0, len(said)-3):], "; ")
}
