package config

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
)

// Secret says where a secret is kept: in a variable of the environment, in a
// file, or with a program that prints it. It never holds the secret itself,
// and every way of printing it shows the origin alone. The zero value is no
// secret.
type Secret struct {
	origin origin
	name   string   // of the variable, or the path
	args   []string // of a command, the program first
}

type origin string

const (
	fromEnv     origin = "env:"
	fromFile    origin = "file:"
	fromCommand origin = "command:"
)

const secretHint = "keep the secret outside and write env:NAME, file:PATH or command:PROGRAM ARGUMENTS"

// ParseSecret reads env:NAME, file:PATH or command:PROGRAM ARGUMENTS. The
// words of a command are told apart as a shell does it, but no shell runs it.
// It fails with an *Error that wraps ErrInvalid and repeats nothing of s,
// which may be the secret itself, written where its origin belongs.
func ParseSecret(s string) (Secret, error) {
	for _, o := range []origin{fromEnv, fromFile, fromCommand} {
		rest, ok := strings.CutPrefix(s, string(o))
		if !ok {
			continue
		}
		switch o {
		case fromEnv:
			return envSecret(rest)
		case fromFile:
			return fileSecret(rest)
		case fromCommand:
			words, err := splitWords(rest)
			if err != nil {
				return Secret{}, secretError(err, "no shell runs the command: quote with ' what is special, or write command:sh -c '…'")
			}
			return CommandSecret(words...)
		}
	}
	return Secret{}, secretError(errors.New("neither env: nor file: nor command: is at its beginning"), secretHint)
}

// ParseSecretOrPath is ParseSecret, for which anything without one of its
// beginnings is the path of a file.
func ParseSecretOrPath(s string) (Secret, error) {
	for _, o := range []origin{fromEnv, fromFile, fromCommand} {
		if strings.HasPrefix(s, string(o)) {
			return ParseSecret(s)
		}
	}
	return fileSecret(s)
}

// CommandSecret is the secret that a program prints. It fails with an *Error
// that wraps ErrInvalid if there is no program.
func CommandSecret(args ...string) (Secret, error) {
	if len(args) == 0 || args[0] == "" {
		return Secret{}, secretError(errors.New("the command is empty"), "write command:PROGRAM ARGUMENTS")
	}
	for _, a := range args {
		if strings.ContainsRune(a, 0) {
			return Secret{}, secretError(errors.New("the command holds a zero byte"), "write command:PROGRAM ARGUMENTS")
		}
		if HoldsSecret(a) {
			return Secret{}, secretError(errors.New("the command holds a secret itself"), secretHint)
		}
	}
	return Secret{origin: fromCommand, args: append([]string(nil), args...)}, nil
}

func envSecret(name string) (Secret, error) {
	if HoldsSecret(name) {
		return Secret{}, secretError(errors.New("it is the secret itself, not the name of a variable"), secretHint)
	}
	if !isVariable(name) {
		return Secret{}, secretError(errors.New("what follows env: is not the name of a variable"), "write env:NAME with letters, digits and _")
	}
	return Secret{origin: fromEnv, name: name}, nil
}

func fileSecret(path string) (Secret, error) {
	switch {
	case path == "":
		return Secret{}, secretError(errors.New("the path of the file is empty"), "write file:PATH")
	case HoldsSecret(path) || strings.ContainsAny(path, "\n\x00"):
		return Secret{}, secretError(errors.New("it is the secret itself, not the path of a file"), secretHint)
	}
	return Secret{origin: fromFile, name: path}, nil
}

// isVariable reports whether s can be the name of a variable of the
// environment, by the rules of POSIX.
func isVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return s != ""
}

func secretError(reason error, hint string) error {
	return &Error{Op: "parse secret", Err: fmt.Errorf("%w: %w", ErrInvalid, reason), Hint: hint}
}

// IsZero reports whether s is no secret.
func (s Secret) IsZero() bool { return s.origin == "" }

// String returns the origin, for display. Of a command it shows the program
// alone: arguments have a way of being private.
func (s Secret) String() string {
	switch {
	case s.origin == fromCommand && len(s.args) > 1:
		return string(s.origin) + filepath.Base(s.args[0]) + " …"
	case s.origin == fromCommand:
		return string(s.origin) + filepath.Base(s.args[0])
	}
	return string(s.origin) + s.name
}

// GoString is String, so that %#v shows no more.
func (s Secret) GoString() string { return "config.Secret(" + s.String() + ")" }

// MarshalText writes the origin, as String does, in JSON and elsewhere.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue logs the origin.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
