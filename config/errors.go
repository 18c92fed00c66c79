package config

import (
	"errors"
	"fmt"
)

// The causes that callers tell apart.
var (
	// ErrInvalid: what the user wrote cannot be used.
	ErrInvalid = errors.New("invalid configuration")
	// ErrCycle: a command that prints a secret needs the secret itself.
	ErrCycle = errors.New("the secret needs itself")
)

// Error says what failed, on what, why, and what to do next. None of its texts
// holds a secret.
type Error struct {
	Op   string // "read", "parse secret", "fetch secret"
	Name string // the file or where the secret is kept; may be empty
	Err  error
	Hint string // for the user
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// UserHint returns the next step for the user.
func (e *Error) UserHint() string { return e.Hint }
