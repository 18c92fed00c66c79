package providers

import (
	"context"
	"errors"
	"fmt"
)

// The causes a caller may act on. Everything else a provider returns is a
// passing fault and may be tried again: all operations are repeatable.
var (
	ErrExists      = errors.New("object already exists")
	ErrNotFound    = errors.New("object not found")
	ErrNoBucket    = errors.New("bucket not found")
	ErrDenied      = errors.New("access denied")
	ErrCredentials = errors.New("no usable credentials")
	ErrClockSkew   = errors.New("clock differs too much from the server's")
	ErrNoSpace     = errors.New("no space left")
	ErrRange       = errors.New("range begins past the end of the object")
	ErrInvalidKey  = errors.New("key outside the grammar")
	ErrInvalidURL  = errors.New("invalid vault URL")
	ErrUnsupported = errors.New("not supported by this store")
	ErrChanged     = errors.New("somebody else changed it meanwhile")
	ErrFrozen      = errors.New("archived, and not thawed")

	// ErrStalled, ErrChecksum and ErrThrottled are passing faults with a name.
	ErrStalled   = errors.New("no progress")
	ErrChecksum  = errors.New("checksum mismatch on the way")
	ErrThrottled = errors.New("the store asks to slow down")
)

// Error says which operation failed on what, why, and what to do next.
type Error struct {
	Op   string // "put", "get", "list", "delete", "open", "read rules", "write rules"
	Key  string // object key, prefix or URL without credentials
	Err  error
	Hint string // one sentence for the user; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Key, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// UserHint returns the next step for the user.
func (e *Error) UserHint() string { return e.Hint }

// Permanent reports whether trying again cannot help: the caller's context is
// done, or the store gave a definite answer.
func Permanent(err error) bool {
	for _, target := range []error{
		ErrExists, ErrNotFound, ErrNoBucket, ErrDenied, ErrCredentials, ErrClockSkew, ErrNoSpace,
		ErrRange, ErrInvalidKey, ErrInvalidURL, ErrUnsupported, ErrChanged, ErrFrozen, context.Canceled,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
