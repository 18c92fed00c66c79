package archive

import (
	"errors"
	"fmt"

	"github.com/snapferry/snapferry/archive/format"
)

// The causes a caller maps to an exit code.
var (
	// ErrDamaged: an object is missing, or is not what its name or the
	// manifest says.
	ErrDamaged = errors.New("backup is damaged")
	// ErrNotFound: no such backup.
	ErrNotFound = errors.New("backup not found")
	// ErrAmbiguous: a short name fits several backups.
	ErrAmbiguous = errors.New("name fits several backups")
	// ErrRefused: going on could lose or mix up data.
	ErrRefused = errors.New("refused for safety")
	// ErrInvalid: an argument outside the limits or the grammar.
	ErrInvalid = format.ErrInvalid
	// ErrKey: no identity that was given opens the backup.
	ErrKey = errors.New("no key for the backup")
	// ErrNotEncrypted: a backup that everybody can read who reads the vault.
	ErrNotEncrypted = fmt.Errorf("%w: it is not encrypted", ErrInvalid)
	// ErrChanged: the source did not deliver what it had announced.
	ErrChanged = errors.New("source does not match its capture")
)

// Error says what failed, on which object or backup, and what to do next.
type Error struct {
	Op   string // "begin", "commit", "finish", "open", "restore", "verify"
	Name string // key of an object, or TIER/SERIES/ID of a backup
	Err  error
	Hint string
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// UserHint returns the next step for the user.
func (e *Error) UserHint() string { return e.Hint }

// damaged wraps what is wrong with the object key as ErrDamaged.
func damaged(op, key string, cause error) *Error {
	return &Error{Op: op, Name: key, Err: fmt.Errorf("%w: %w", ErrDamaged, cause)}
}
