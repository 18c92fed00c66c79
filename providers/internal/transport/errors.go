package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"

	"github.com/snapferry/snapferry/providers"
)

// HungUp reports that the store ended the connection instead of answering. A
// store may do so with an answer on its way, 412 say, that is lost because
// the body was still being sent: every further try could end alike.
func HungUp(err error) bool {
	const wsaConnAborted, wsaConnReset = syscall.Errno(10053), syscall.Errno(10054) // Windows has numbers of its own
	for _, target := range []error{syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, wsaConnAborted, wsaConnReset} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Unreachable is the error of a request without an answer, without the URL
// that package net/http puts before it and without secrets. It wraps no
// context error, which would look like the end of all trying.
func Unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.Canceled) {
		return errors.New(providers.Scrub(err.Error()))
	}
	return fmt.Errorf("reach the store: %w", scrubbed{err})
}

// scrubbed shows less of an error than it is.
type scrubbed struct{ err error }

func (s scrubbed) Error() string { return providers.Scrub(s.err.Error()) }
func (s scrubbed) Unwrap() error { return s.err }

// ParseContentRange parses the header "bytes FROM-TO/SIZE" (RFC 9110, section
// 14.4), of which all parts must be known here.
func ParseContentRange(s string) (from, to, size int64, err error) {
	var rest string
	n, _ := fmt.Sscanf(s+"\x00", "bytes %d-%d/%d%s", &from, &to, &size, &rest)
	if n != 4 || rest != "\x00" || from < 0 || to < from || size <= to {
		return 0, 0, 0, fmt.Errorf("the store sends the range %q, which is none", s)
	}
	return from, to, size, nil
}
