package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// commandLimit is how long a command may take: time enough to unlock a
	// store of passwords by hand.
	commandLimit = 60 * time.Second
	// commandPatience is how long the output of a command that has ended may
	// stay open in the hands of what it started.
	commandPatience = 2 * time.Second
	// maxMessages is how many bytes of a command's messages are kept, and
	// maxShown how many of them an error shows.
	maxMessages = 16 << 10
	maxShown    = 500
	// resolving is the variable that tells a command which secrets are being
	// fetched above it: their fingerprints, parted by blanks.
	resolving = "SNAPFERRY_RESOLVING"
	// maxResolving is how deep that may go. A cycle that is never twice at the
	// same command ends here.
	maxResolving = 8
)

var errSlow = fmt.Errorf("the command did not end within %v", commandLimit)

// run runs the command and returns what it prints.
func (s Secret) run(ctx context.Context) ([]byte, error) {
	above := strings.Fields(os.Getenv(resolving))
	self := s.fingerprint()
	if slices.Contains(above, self) || len(above) >= maxResolving {
		return nil, s.fail(fmt.Errorf("%w: %w", ErrInvalid, ErrCycle),
			"the command runs snapferry with a configuration that names this command again: let it read the secret from somewhere else")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, errSlow)
	defer cancel()
	stdout, stderr := &capped{max: MaxSecret}, &tail{max: maxMessages}
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...) // the user's own command
	cmd.Env = append(os.Environ(), resolving+"="+strings.Join(append(above, self), " "))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = commandPatience
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	err := cmd.Run()
	if cmd.Process != nil {
		_ = killGroup(cmd) // what it left behind; mostly nothing
	}
	switch {
	case err == nil:
		return stdout.bytes(), nil
	case ctx.Err() != nil:
		return nil, s.fail(context.Cause(ctx), "run the command by hand to see what it waits for")
	case stdout.over:
		return nil, s.fail(errTooLong, "the command must print the secret alone")
	}
	return nil, s.commandFailure(err, stderr.shown(stdout.bytes()))
}

// fingerprint tells commands apart without repeating their arguments.
func (s Secret) fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join(s.args, "\x00")))
	return hex.EncodeToString(sum[:8])
}

func (s Secret) commandFailure(err error, messages string) error {
	hint := "run the command by hand: what it prints on standard output is the secret"
	switch {
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		err, hint = errors.New("there is no such program"), "check its name, or give its full path; no shell runs it"
	case errors.Is(err, fs.ErrPermission):
		err, hint = errors.New("the program cannot be run by this user"), "chmod +x it, or give the path of another"
	case errors.Is(err, exec.ErrWaitDelay):
		err, hint = errors.New("something that the command started keeps its output open"), "let the command end all that it starts, or redirect its output"
	}
	if messages != "" {
		err = fmt.Errorf("%w: it says: %s", err, messages)
	}
	return s.fail(err, hint)
}

// privateName is the name of a variable whose value is not shown.
var privateName = regexp.MustCompile(`(?i)pass|secret|token|key|credential|auth`)

// minPrivate is how many bytes such a value has at least: shorter ones, such as
// "1", say nothing and are part of many words.
const minPrivate = 6

// privateVariables are the values of the environment that a command may repeat
// and nobody should see.
func privateVariables() []string {
	var values []string
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); len(value) >= minPrivate && privateName.MatchString(name) {
			values = append(values, value)
		}
	}
	return values
}

// capped keeps what is written to it, and fails beyond max bytes.
type capped struct {
	b    []byte
	max  int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.b)+len(p) > c.max {
		c.over = true
		return 0, errTooLong
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

func (c *capped) bytes() []byte { return c.b }

// tail keeps the last of what is written to it.
type tail struct {
	b   []byte
	max int
	cut bool // something was dropped
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - t.max; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
		t.cut = true
	}
	return len(p), nil
}

// shown returns the messages on one line, the last of them if they are many,
// without any line of the secret and what else looks like one.
func (t *tail) shown(secret []byte) string {
	text := t.b
	if t.cut { // the first line may be the end of a secret
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	shown := Mask(string(text))
	for _, word := range append(strings.Split(string(secret), "\n"), privateVariables()...) {
		if word = strings.TrimSpace(word); word != "" {
			shown = strings.ReplaceAll(shown, word, masked)
		}
	}
	lines := strings.FieldsFunc(printable(strings.ToValidUTF8(shown, ".")), func(r rune) bool { return r == '\n' })
	shown = strings.TrimSpace(strings.Join(lines, "; "))
	if runes := []rune(shown); len(runes) > maxShown {
		shown = "… " + string(runes[len(runes)-maxShown:])
	}
	return shown
}
