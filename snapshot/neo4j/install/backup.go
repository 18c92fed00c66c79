package install

import (
	"fmt"
	"strconv"
	"strings"
)

// The kinds of online backups that can be asked for.
const (
	BackupFull = "FULL"
	BackupDiff = "DIFF" // fails where it cannot be one
	BackupAuto = "AUTO" // a differential, or a full one where that cannot be
)

// BackupTask is an online backup of one database, which is for the Enterprise
// edition.
type BackupTask struct {
	Database string
	Dir      string   // an existing folder
	From     []string // HOST:PORT of servers, of which one is taken
	Kind     string   // one of the constants; before 5 it says nothing
	// PageCache is in bytes; 0: what Neo4j takes by default, 8 MiB.
	PageCache int64
	// Metadata is which users and roles come along: all, users, roles, none;
	// empty: Neo4j's choice. There are none of system, and none in 3.5.
	Metadata string
	TempDir  string // for temporary files; empty: Dir. Before 5.24 it says nothing.
}

// Files reports whether online backups are files, one for each: before 5 they are
// a folder that the next backup of the same database changes.
func (v Version) Files() bool { return v.Major >= 5 }

// Backup makes an online backup below the folder of the task. Before 5 it is the
// folder DIR/DATABASE, which is brought up to date if it is there.
func (v Version) Backup(t BackupTask) []string {
	cache := func(args []string) []string {
		if t.PageCache > 0 {
			args = append(args, "--pagecache="+strconv.FormatInt(t.PageCache>>10, 10)+"k")
		}
		return args
	}
	metadata := func(args []string) []string {
		if t.Metadata != "" && t.Database != System {
			args = append(args, "--include-metadata="+t.Metadata)
		}
		return args
	}
	from := strings.Join(t.From, ",")
	switch {
	case v.Major < 4:
		return cache([]string{"backup", "--backup-dir=" + t.Dir, "--name=" + t.Database, "--from=" + t.From[0], "--fallback-to-full=true",
			"--check-consistency=false"})
	case v.Major < 5:
		return metadata(cache([]string{"backup", "--backup-dir=" + t.Dir, "--database=" + t.Database, "--from=" + t.From[0], "--fallback-to-full=true",
			"--check-consistency=false"}))
	}
	args := metadata(cache([]string{"database", "backup", "--to-path=" + t.Dir, "--from=" + from, "--type=" + t.Kind}))
	if t.TempDir != "" && (v.Major > 5 || v.Minor >= firstTempPath) {
		args = append(args, "--temp-path="+t.TempDir)
	}
	return append(args, t.Database)
}

// Aggregate makes one recovered full backup of the chain of a database in a folder,
// and removes the chain. It is for the Enterprise edition since 5.
func (v Version) Aggregate(database, dir, tempDir string) ([]string, error) {
	if v.Major < 5 {
		return nil, fmt.Errorf("%w: %s has no chains", ErrVersion, v)
	}
	args := []string{"database", "aggregate-backup"}
	if v.Major >= firstCalendar {
		args = []string{"backup", "aggregate"}
	}
	args = append(args, "--from-path="+dir, "--keep-old-backup=false")
	if tempDir != "" && (v.Major > 5 || v.Minor >= firstTempPath) {
		args = append(args, "--temp-path="+tempDir)
	}
	return append(args, database), nil
}

// firstCalendar is the first year that is a version.
const firstCalendar = 2025

// Restore restores the chain whose last artifact is at path, with all members of
// it in the same folder, over what is there. until is where it ends: the number of
// the first transaction that is left out, or an instant as YYYY-MM-DD hh:mm:ss in
// UTC; empty: at its end. It is for the Enterprise edition since 5.
func (v Version) Restore(database, path, until string) ([]string, error) {
	if v.Major < 5 {
		return nil, fmt.Errorf("%w: %s restores folders", ErrVersion, v)
	}
	args := []string{"database", "restore", "--from-path=" + path, "--overwrite-destination=true"}
	if until != "" {
		args = append(args, "--restore-until="+until)
	}
	return append(args, database), nil
}

// firstTempPath is the first release of 5 whose backups take a folder for
// temporary files.
const firstTempPath = 24

// CheckBackup refuses what the version cannot do.
func (v Version) CheckBackup(t BackupTask) error {
	switch {
	case v.Major < 5 && len(t.From) > 1:
		return fmt.Errorf("%w: %s asks one server", ErrVersion, v)
	case v.Major < 4 && t.Metadata != "":
		return fmt.Errorf("%w: %s has no users and roles in backups", ErrVersion, v)
	case v.Major < 5 && t.Metadata == "none":
		return fmt.Errorf("%w: %s has no include_metadata=none", ErrVersion, v)
	}
	return nil
}

// Online is a question to the database system: rows with the name of a database,
// and whether it is online, or is to be.
func (v Version) Online() string {
	if v.Major < 5 {
		return "SHOW DATABASES YIELD name, currentStatus, requestedStatus RETURN DISTINCT name, 'online' IN [currentStatus, requestedStatus] AS wanted"
	}
	return "SHOW DATABASES YIELD name, currentStatus, requestedStatus, type WHERE type <> 'composite' " +
		"RETURN DISTINCT name, 'online' IN [currentStatus, requestedStatus] AS wanted"
}
