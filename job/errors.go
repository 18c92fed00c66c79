package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/internal/nearest"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot"
)

// The causes that are this package's own.
var (
	// ErrUsage: a request that cannot be carried out as it is written.
	ErrUsage = errors.New("invalid request")
	// ErrPartial: a backup that restores exists, and something else failed.
	ErrPartial = errors.New("partly done")
	// ErrEmpty: a source without a single byte, which is rarely meant.
	ErrEmpty = errors.New("the source is empty")
	// ErrDoubtful and ErrUnfit are what Doctor comes to where not all is well.
	ErrDoubtful = errors.New("backups would work, and not all is as it should be")
	ErrUnfit    = errors.New("backups would fail or not be safe")
)

// Error says what failed, on what, why, and what to do next.
type Error struct {
	Op   string // "parse", "back up", "restore"
	Name string // argument, path or backup, without credentials
	Err  error
	Hint string // for the user
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// UserHint returns the next step for the user.
func (e *Error) UserHint() string { return e.Hint }

// usage makes the error of an argument that cannot be used.
func usage(name string, reason error, hint string) error {
	return &Error{Op: "use", Name: name, Err: fmt.Errorf("%w: %w", ErrUsage, reason), Hint: hint}
}

// Class is what a failure means to who started the run.
type Class int

// The classes of an outcome.
const (
	Done        Class = iota // no error
	Failed                   // anything without a class of its own
	Usage                    // the request or the configuration is wrong
	Partial                  // a restorable backup exists, something else failed
	Damaged                  // a backup is not what it should be
	NotFound                 // no such source, vault or backup
	Refused                  // going on could have cost data
	Interrupted              // the caller ended the run
)

// Classify returns the class of an error of this package.
func Classify(err error) Class {
	if err == nil {
		return Done
	}
	for _, c := range []struct {
		class  Class
		causes []error
	}{
		{Partial, []error{ErrPartial, ErrDoubtful}},
		{Damaged, []error{archive.ErrDamaged}},
		{Refused, []error{archive.ErrRefused, snapshot.ErrNotEmpty, snapshot.ErrUnsafe, ErrEmpty}},
		{NotFound, []error{archive.ErrNotFound, snapshot.ErrNotFound, providers.ErrNoBucket, providers.ErrNotFound}},
		{Usage, []error{ErrUsage, snapshot.ErrUsage, providers.ErrInvalidURL, archive.ErrInvalid, archive.ErrAmbiguous}},
		{Interrupted, []error{context.Canceled}},
	} {
		for _, cause := range c.causes {
			if errors.Is(err, cause) {
				return c.class
			}
		}
	}
	return Failed
}

// Hint returns one sentence about what to do next. It is never empty for an
// error: where nobody on the way knew better, the class decides.
func Hint(err error) string {
	if err == nil {
		return ""
	}
	if hint := carriedHint(err); hint != "" {
		return hint
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, providers.ErrNoSpace):
		return "free space there, then run the same command again"
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, providers.ErrDenied):
		return "run as a user who may do this, or change the permissions"
	case errors.Is(err, snapshot.ErrChanged) || errors.Is(err, archive.ErrChanged):
		return "stop what writes to the source, or back up a snapshot of it, then run the command again"
	case errors.Is(err, providers.ErrStalled):
		return "check the network to the store; --stall-timeout says how long a transfer may stand still"
	}
	return classHint(Classify(err))
}

func classHint(c Class) string {
	switch c {
	case Usage:
		return "snapferry help shows how each command is written"
	case Partial:
		return "the backup itself is complete and restores; look into what failed beside it"
	case Damaged:
		return "take another backup at once; older backups and other vaults may still be good"
	case NotFound:
		return "check the name; snapferry list VAULT shows what there is"
	case Refused:
		return "nothing was changed; look at what is there before you go on"
	case Interrupted:
		return "run the same command again: what is stored already of a file or a folder is not sent twice"
	}
	return "run the same command again, with -v to see every attempt; what is stored already of a file or a folder is not sent twice"
}

// carriedHint returns the first hint on the way from the outermost error to
// its causes.
func carriedHint(err error) string {
	if e, ok := err.(interface{ UserHint() string }); ok {
		if hint := e.UserHint(); hint != "" {
			return hint
		}
	}
	switch e := err.(type) { //nolint:errorlint // the chain is walked by hand
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			return carriedHint(next)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			if hint := carriedHint(next); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// Nearest returns the known word that word most likely meant, or "".
func Nearest(word string, known []string) string { return nearest.Word(word, known) }

// Suggest returns the hint for a word that is not one of those known.
func Suggest(word string, known []string) string {
	list := "known are " + strings.Join(known, ", ")
	if near := nearest.Word(word, known); near != "" {
		return fmt.Sprintf("did you mean %s? %s", near, list)
	}
	return list
}
