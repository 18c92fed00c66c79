package install

import (
	"errors"
	"fmt"
	"time"
)

// The questions to a running server, each in the Cypher of the version.

// Addressed is the name by which a session asks for a database; empty: the
// version has one alone, and no names.
func (v Version) Addressed(database string) string {
	if v.Major < 4 {
		return ""
	}
	return database
}

// Alive is a statement that a database answers only when it can answer all.
// system takes nothing but its own commands.
func (v Version) Alive(database string) string {
	if database == System {
		return "SHOW DATABASES YIELD name RETURN name"
	}
	return "RETURN 1"
}

// System is the database that has the users and the names of the others, since
// 4.
const System = "system"

// StopDatabase stops the database $name of a server of the Enterprise edition,
// and waits until that is done; it is asked of system.
func (v Version) StopDatabase(patience time.Duration) string {
	return fmt.Sprintf("STOP DATABASE $name WAIT %d SECONDS", seconds(patience))
}

// StartDatabase is the opposite.
func (v Version) StartDatabase(patience time.Duration) string {
	return fmt.Sprintf("START DATABASE $name WAIT %d SECONDS", seconds(patience))
}

func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }

// ErrNotDone says that a server did not do in time what it was asked for.
var ErrNotDone = errors.New("the server did not do it in time")

// Completed tells whether the rows with which a command that waits is answered
// say that it was done: a row for each server, with the columns address, state,
// message and success.
func Completed(rows [][]any) error {
	for _, row := range rows {
		if len(row) == 4 && row[3] == false {
			return fmt.Errorf("%w: %v is %v: %v", ErrNotDone, row[0], row[1], row[2])
		}
	}
	return nil
}

// Graph tells of a database by what the server counts anyway: one row with
// nodes, relationships, constraints and indexes.
func (v Version) Graph() string {
	return "CALL db.stats.retrieve('GRAPH COUNTS') YIELD data RETURN data"
}

// Indexes returns a row for each index: its name, its state in capitals, and its
// provider.
func (v Version) Indexes() string {
	switch {
	case v.Major < 4:
		return "CALL db.indexes() YIELD description, state, provider RETURN description, state, provider.key"
	case v.Major < 5:
		return "CALL db.indexes() YIELD name, state, provider RETURN name, state, provider"
	}
	return "SHOW INDEXES YIELD name, state, indexProvider RETURN name, state, indexProvider"
}

// Constraints returns a row for each constraint, with its name or description.
func (v Version) Constraints() string {
	switch {
	case v.Major < 4:
		return "CALL db.constraints() YIELD description RETURN description"
	case v.Major < 5:
		return "CALL db.constraints() YIELD name RETURN name"
	}
	return "SHOW CONSTRAINTS YIELD name RETURN name"
}

// AwaitIndexes waits until every index is populated, 5 minutes at most.
func (v Version) AwaitIndexes() string { return "CALL db.awaitIndexes(300)" }

// DataFolder returns one row with the folder of the server's data.
func (v Version) DataFolder() string {
	return "CALL dbms.listConfig('" + v.Name(DataDirectory) + "') YIELD name, value WHERE name = '" + v.Name(DataDirectory) + "' RETURN value"
}

// Retention returns one row with how long the server keeps its transaction logs.
func (v Version) Retention() string {
	name := "db.tx_log.rotation.retention_policy"
	if v.Major < 5 {
		name = "dbms.tx_log.rotation.retention_policy"
	}
	return "CALL dbms.listConfig('" + name + "') YIELD name, value WHERE name = '" + name + "' RETURN value"
}

// Clock returns one row with the milliseconds since 1970 by the server's clock.
func (v Version) Clock() string { return "RETURN timestamp()" }

// Status returns a row for each copy of a database: its status, and why it has
// it. It is asked of the database system; empty: the version has no such
// question.
func (v Version) Status() string {
	if v.Major < 4 {
		return ""
	}
	if v.Major < 5 {
		return "SHOW DATABASES YIELD name, currentStatus, error WHERE name = $name RETURN currentStatus, error"
	}
	return "SHOW DATABASES YIELD name, currentStatus, statusMessage WHERE name = $name RETURN currentStatus, statusMessage"
}
