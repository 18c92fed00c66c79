package neo4j

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// The reasons why neo4j-admin gives no dump. They come wrapped in a
// *snapshot.Error with a hint.
var (
	ErrAdminNotFound = fmt.Errorf("%w: neo4j-admin not found", snapshot.ErrNotFound)
	ErrVersion       = install.ErrVersion
	ErrInUse         = errors.New("the database is in use")
	ErrNeedsRecovery = errors.New("the store was not shut down cleanly and needs recovery")
	ErrNoDatabase    = fmt.Errorf("%w: the database does not exist", snapshot.ErrNotFound)
	ErrPermission    = fmt.Errorf("the database cannot be opened: %w", fs.ErrPermission)
	ErrJava          = errors.New("no Java was found, or one of the wrong version")
	ErrNoSpace       = errors.New("no space left on the device")
	ErrMigration     = errors.New("a store migration has not been finished")
	ErrArchiveExists = errors.New("the dump file exists already")
	ErrConfig        = errors.New("neo4j-admin cannot read its configuration")
)

// reason is a failure that is known by the words neo4j-admin prints for it.
type reason struct {
	words []string // lower case; any of them
	err   error
	hint  string
}

// reasons are tried in order: the general after the particular. The words were
// taken from 5.26 and 2026.09 where they could be provoked, else from Neo4j's
// sources.
func reasons(database, home string) []reason {
	java := "Set JAVA_HOME to the Java that this Neo4j needs: 8 or 11 for 3.5, 11 for 4.x, 17 or 21 for 5.x, 21 or 25 for 2025.01 and later."
	return []reason{
		{[]string{"unsupportedclassversionerror", "detected. please use", "java_home is not defined correctly", "unable to find any jvms",
			"java: not found", "java: command not found"}, ErrJava, java},
		{[]string{"is in use", "has been locked by another process"}, ErrInUse,
			"Stop Neo4j (bin/neo4j stop, or systemctl stop neo4j) and run this again; Community cannot dump a running database."},
		{[]string{"active logical log detected", "please recover database"}, ErrNeedsRecovery,
			"Start Neo4j, wait until database " + database + " is online, stop it cleanly, and run this again."},
		{[]string{"do not have permission", "could not write to:", "accessdeniedexception", "permission denied"}, ErrPermission,
			"Run as the user that owns " + home + ", mostly neo4j: sudo -u neo4j snapferry ..."},
		{[]string{"database does not exist", "must point to a directory", "does not contain a database"}, ErrNoDatabase,
			"Look into data/databases below " + home + " for the name; this user must be able to read it, and the configuration may place it elsewhere."},
		{[]string{"store migration folder detected"}, ErrMigration,
			"Run neo4j-admin database migrate " + database + " to its end, or start Neo4j once, and run this again."},
		{[]string{"no space left on device", "not enough space", "disk quota exceeded"}, ErrNoSpace,
			"Free space there, give a scratch folder on another disk, or leave scratch away: then no disk is needed."},
		{[]string{"archive already exists"}, ErrArchiveExists, "Remove the file; it is not one that snapferry wrote."},
		{[]string{"--expand-commands", "unrecognized setting", "failed to read config", "error evaluating value"}, ErrConfig,
			"Correct conf/neo4j.conf, or give plain values in a configuration that NEO4J_CONF names; commands in it are not run."},
	}
}

// fail makes an error of a cause, with the hint of the reason that it is.
func (a *admin) fail(op string, err error) error {
	var known *snapshot.Error
	if errors.As(err, &known) {
		return err
	}
	for _, r := range reasons(a.database, a.Home) {
		if errors.Is(err, r.err) {
			return &snapshot.Error{Op: op, Name: a.database, Err: err, Hint: r.hint}
		}
	}
	return &snapshot.Error{Op: op, Name: a.database, Err: err}
}

// failText explains a failed neo4j-admin by what it printed.
func (a *admin) failText(op, text string, exit error) error {
	lower := strings.ToLower(text)
	for _, r := range reasons(a.database, a.Home) {
		for _, words := range r.words {
			if strings.Contains(lower, words) {
				return &snapshot.Error{Op: op, Name: a.database, Err: r.err, Hint: r.hint}
			}
		}
	}
	return &snapshot.Error{
		Op: op, Name: a.database, Err: fmt.Errorf("neo4j-admin failed: %w%s", exit, quoteLast(text)),
		Hint: "Run it by hand: " + a.byHand() + ".",
	}
}

// byHand is the command line with which a user sees more.
func (a *admin) byHand() string {
	switch args := strings.Join(a.Version.DumpTo(a.database, "DIR"), " "); {
	case a.Version.Major == 0:
		return a.Admin + " --version"
	case a.Version.Major < 4:
		return "NEO4J_DEBUG=true " + a.Admin + " " + args
	default:
		return a.Admin + " " + args + " --verbose"
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
