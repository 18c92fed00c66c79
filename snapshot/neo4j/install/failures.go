package install

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// The reasons why neo4j-admin fails that have words by which they are known.
var (
	ErrInUse         = errors.New("the database is in use")
	ErrNeedsRecovery = errors.New("the store was not shut down cleanly and needs recovery")
	ErrNoDatabase    = errors.New("the database does not exist")
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

// Explain finds the reason of a failure in what neo4j-admin printed; nil: its
// words are not known.
func Explain(text, database, home string) (hint string, err error) {
	lower := strings.ToLower(text)
	for _, r := range reasons(database, home) {
		for _, words := range r.words {
			if strings.Contains(lower, words) {
				return r.hint, r.err
			}
		}
	}
	return "", nil
}

// HintFor is what to do about one of the reasons; empty: it is none.
func HintFor(err error, database, home string) string {
	for _, r := range reasons(database, home) {
		if errors.Is(err, r.err) {
			return r.hint
		}
	}
	return ""
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
			"Community cannot dump a running database: add stop=yes and scratch=DIR, and the server is stopped for the dump and started again; or stop Neo4j by hand."},
		{[]string{"active logical log detected", "please recover database"}, ErrNeedsRecovery,
			"Start Neo4j, wait until database " + database + " is online, stop it cleanly, and run this again; or use neo4j+snapshot, which recovers a copy."},
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
			"Correct conf/neo4j.conf; commands in it are run with expand_commands=yes alone."},
		{nil, ErrCommand, "Add expand_commands=yes, which lets the commands of the configuration be run; or give plain values."},
		{nil, ErrOpenConf, "Let its owner alone write it, as Neo4j demands: chmod 640."},
	}
}
