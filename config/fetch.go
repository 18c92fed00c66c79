package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MaxSecret is the most bytes a secret may have: an RSA key has some 3 KiB.
const MaxSecret = 64 << 10

var errTooLong = fmt.Errorf("it has more than %d KiB", MaxSecret>>10)

// Fetch returns the secret, without one line end at its end. It fails with an
// *Error that names the origin: ErrInvalid if there is nothing at the origin,
// ErrCycle if a command needs the secret itself. When ctx is done, a command
// and whatever it started is killed.
func (s Secret) Fetch(ctx context.Context) ([]byte, error) {
	text, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	if len(text) == 0 {
		return nil, s.fail(fmt.Errorf("%w: it is empty", ErrInvalid), "put the secret there")
	}
	return text, nil
}

func (s Secret) fetch(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.fail(err, "")
	}
	switch s.origin {
	case fromEnv:
		text, ok := os.LookupEnv(s.name)
		if !ok {
			return nil, s.fail(fmt.Errorf("%w: the variable is not set", ErrInvalid), "set it in the environment that snapferry runs in: export "+s.name)
		}
		if len(text) > MaxSecret {
			return nil, s.fail(errTooLong, "")
		}
		return []byte(text), nil
	case fromFile:
		return s.read(ctx)
	case fromCommand:
		return s.run(ctx)
	}
	return nil, s.fail(fmt.Errorf("%w: no secret is named", ErrInvalid), secretHint)
}

// read reads the file. One that is a pipe may never end: when ctx is done, the
// read that is under way is left behind.
func (s Secret) read(ctx context.Context) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := readFile(s.name)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, s.fail(r.err, fileHint(r.err))
		}
		return r.text, nil
	case <-ctx.Done():
		return nil, s.fail(context.Cause(ctx), "")
	}
}

func readFile(path string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok { // after file: no shell sees it
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(home, rest)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, MaxSecret+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case len(text) > MaxSecret:
		return nil, errTooLong
	}
	return text, nil
}

// cause is err without the path, which the *Error around it names already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func fileHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the path; one that is relative begins at the folder in which snapferry is run"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs snapferry read the file: chown it, and chmod 600"
	case errors.Is(err, errTooLong):
		return "name the file that holds the key or the passphrase alone"
	}
	return "check that it is a file that can be read"
}

func (s Secret) fail(err error, hint string) error {
	return &Error{Op: "fetch secret", Name: s.String(), Err: err, Hint: hint}
}
