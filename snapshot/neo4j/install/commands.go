package install

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// The tasks of neo4j-admin, each as its arguments. Flags and their values are
// one argument: several of them are greedy and would swallow a database's name.
// ErrVersion: the version has no such command.

// DumpTo dumps a database into DIR/DATABASE.dump, which must not exist.
func (v Version) DumpTo(database, dir string) []string {
	if v.Major < 5 {
		return []string{"dump", "--database=" + database, "--to=" + filepath.Join(dir, database+".dump")}
	}
	return []string{"database", "dump", database, "--to-path=" + dir}
}

// DumpStream dumps a database to standard output. 3.5 cannot.
func (v Version) DumpStream(database string) ([]string, error) {
	switch {
	case v.Major < 4:
		return nil, fmt.Errorf("%w: %s writes dumps to files alone", ErrVersion, v)
	case v.Major < 5:
		return []string{"dump", "--database=" + database, "--to=-"}, nil
	}
	return []string{"database", "dump", database, "--to-stdout"}, nil
}

// Load loads DIR/DATABASE.dump, over what is there if that is said. 3.5 fails if
// it is said of a database that is not there.
func (v Version) Load(database, dir string, over bool) []string {
	if v.Major < 5 {
		args := []string{"load", "--database=" + database, "--from=" + filepath.Join(dir, database+".dump")}
		switch {
		case over && v.Major < 4:
			args = append(args, "--force=true")
		case over:
			args = append(args, "--force")
		}
		return args
	}
	return []string{"database", "load", database, "--from-path=" + dir, "--overwrite-destination=" + strconv.FormatBool(over)}
}

// LoadStream loads a dump from standard input into a database that is not there.
// Before 5 none does.
func (v Version) LoadStream(database string) ([]string, error) {
	if v.Major < firstDatabaseCommands {
		return nil, fmt.Errorf("%w: %s reads dumps from files alone", ErrVersion, v)
	}
	return []string{"database", "load", database, "--from-stdin"}, nil
}

// firstDatabaseCommands is the release whose commands are "database dump" and the
// like.
const firstDatabaseCommands = 5

// SetPassword sets the password of the user neo4j, of a home that was never
// started. It has at least 8 characters.
func (v Version) SetPassword(password string) []string {
	if v.Major < 5 {
		return []string{"set-initial-password", password}
	}
	return []string{"dbms", "set-initial-password", password}
}

// CheckLimits bound what a consistency check takes.
type CheckLimits struct {
	OffHeap int64 // bytes outside the heap; 0: Neo4j's choice, 90 % of the machine. Before 5 there is no such limit.
	Threads int   // 0: one a core; before 5 there is no such limit
}

// Check checks the consistency of a database that is not in use, and writes
// what it finds into the folder report.
func (v Version) Check(database, report string, limits CheckLimits) []string {
	if v.Major < 5 {
		return []string{"check-consistency", "--database=" + database, "--report-dir=" + report}
	}
	args := []string{"database", "check", database, "--report-path=" + report}
	if limits.OffHeap > 0 {
		args = append(args, "--max-off-heap-memory="+strconv.FormatInt(limits.OffHeap, 10))
	}
	if limits.Threads > 0 {
		args = append(args, "--threads="+strconv.Itoa(limits.Threads))
	}
	return args
}

// Info tells of a store: whether it is in use, needs recovery, and its last
// transaction. store is the folder of the database. Before 5 it fails for one
// that is in use; what 3.5 prints is text and has no recovery in it.
func (v Version) Info(database, store string) []string {
	switch {
	case v.Major < 4:
		return []string{"store-info", "--store=" + store}
	case v.Major < 5:
		return []string{"store-info", "--structured", store}
	}
	return []string{"database", "info", "--format=json", database}
}
