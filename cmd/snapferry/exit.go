package main

import (
	"strings"

	"github.com/snapferry/snapferry/job"
)

// The exit codes; docs/cli.md promises them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitDamaged     = 4
	exitNotFound    = 5
	exitRefused     = 6
	exitInterrupted = 130
)

func exitCode(c job.Class) int {
	switch c {
	case job.Done:
		return exitDone
	case job.Usage:
		return exitUsage
	case job.Partial:
		return exitPartial
	case job.Damaged:
		return exitDamaged
	case job.NotFound:
		return exitNotFound
	case job.Refused:
		return exitRefused
	case job.Interrupted:
		return exitInterrupted
	case job.Failed:
	}
	return exitFailed
}

// usageError is the error of a command line that no command got to see.
type usageError struct{ err error }

func (e *usageError) Error() string   { return e.err.Error() }
func (e *usageError) Unwrap() []error { return []error{e.err, job.ErrUsage} }

// refused makes the error of a command line that cannot be carried out.
func refused(what string, reason error, hint string) error {
	return &job.Error{Op: "use", Name: what, Err: &usageError{reason}, Hint: hint}
}

// oneLine keeps a message on the one line that a reader of errors expects.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
