// Package freeze stops all writes to a file system for a moment, for snapshots of
// what is below it that would not be atomic otherwise. Whoever writes waits, a
// database too; so a file system is frozen for 5 seconds at most, and thawed by a
// process of its own, which is loaded before: it does so when it is told, when
// who has told it is gone, and when the time is over.
package freeze

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Limit is how long a file system is frozen at most.
const Limit = 5 * time.Second

// The reasons why a file system is not frozen, or not for long enough.
var (
	// ErrNeeded: what is needed to thaw it, or to tell of it, lies on it.
	ErrNeeded = errors.New("the file system is needed while it would be frozen")
	// ErrLate: it was thawed before the work was done.
	ErrLate = errors.New("the file system was frozen for as long as it may be, and was thawed")
	// ErrUnsupported: this system cannot do it.
	ErrUnsupported = errors.New("file systems can be frozen on Linux alone")
	errNotFrozen   = errors.New("it is not frozen")
)

// Request says what is frozen.
type Request struct {
	Folder string   // on the file system
	Avoid  []string // what must not be on it: scratch, logs, state
	// Thawer is the command line of a process that calls Stand.
	Thawer []string
}

// The words that are said to a thawer, a line each.
const (
	wordReady    = "ready"    // the thawer: it waits
	wordFreezing = "freezing" // the time begins
	wordDone     = "done"     // it is thawed
)

// order is the first line that a thawer reads.
type order struct {
	Folder string        `json:"folder"`
	Limit  time.Duration `json:"limit"`
}

// While freezes a file system and does some work, which must not write to it, nor
// to anything that waits for it. ErrLate: the work took too long, and what it has
// made is not of one instant.
func While(ctx context.Context, req Request, work func(context.Context) error) (err error) {
	if err := req.Check(); err != nil {
		return err
	}
	if len(req.Thawer) == 0 {
		return errors.New("there is no program that would thaw it")
	}
	//nolint:noctx // it outlives whoever gave the order
	cmd := exec.Command(req.Thawer[0], req.Thawer[1:]...)
	detach(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start thawer: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start thawer: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start thawer: %w", err)
	}
	defer func() {
		err = errors.Join(err, in.Close())
		_ = cmd.Wait() // its status says nothing that the file system does not
	}()
	if err := flush(req.Folder); err != nil { // before the time begins: it may take long
		return fmt.Errorf("write what is dirty: %w", err)
	}
	if err := prepare(req, in, out); err != nil {
		return fmt.Errorf("start thawer: %w", err)
	}
	bound, cancel := context.WithTimeoutCause(ctx, Limit, ErrLate)
	defer cancel()
	err = set(req.Folder)
	if err == nil {
		if err = work(bound); bound.Err() != nil {
			err = errors.Join(context.Cause(bound), err)
		}
	}
	thawErr := release(req.Folder)
	switch {
	case errors.Is(thawErr, errNotFrozen) && err == nil:
		err = ErrLate
	case thawErr != nil && !errors.Is(thawErr, errNotFrozen):
		return errors.Join(fmt.Errorf("thaw %s: %w", req.Folder, thawErr), err) // without a word the thawer tries
	}
	_, sayErr := io.WriteString(in, wordDone+"\n")
	return errors.Join(err, sayErr)
}

// prepare gives the order, and returns once the thawer waits.
func prepare(req Request, in io.Writer, out io.Reader) error {
	folder, err := filepath.Abs(req.Folder)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(order{Folder: folder, Limit: Limit})
	if err != nil {
		return err
	}
	if _, err := in.Write(append(raw, '\n')); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil && strings.TrimSpace(line) != wordReady {
		err = fmt.Errorf("it says %q", line)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(in, wordFreezing+"\n")
	return err
}

// Stand is the thawer. It returns when the file system is thawed. Signals that
// would end it must be ignored by the caller.
func Stand(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o order
	if err := json.Unmarshal(first, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	if o.Limit <= 0 || o.Limit > Limit {
		return fmt.Errorf("read order: %s is no limit", o.Limit)
	}
	hold, err := open(o.Folder) // it cannot be opened any more once it is frozen
	if err != nil {
		return err
	}
	defer func() { _ = hold.Close() }()
	if _, err := fmt.Fprintln(out, wordReady); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if word, err := lines.ReadString('\n'); err != nil || strings.TrimSpace(word) != wordFreezing {
		return nil // nothing has been frozen, and nothing will be
	}
	said := make(chan bool, 1) // that it is thawed; or nothing, by who is gone
	go func() {
		word, _ := lines.ReadString('\n')
		said <- strings.TrimSpace(word) == wordDone
	}()
	gone := false
	select {
	case well := <-said:
		if well {
			return nil
		}
		gone = true
	case <-time.After(o.Limit):
	}
	return persist(hold, said, gone)
}

// persist thaws a file system that may be frozen only now: as long as whoever
// freezes is there, it may do so yet, and a little longer.
func persist(hold *os.File, said <-chan bool, gone bool) error {
	const pause, tries = 20 * time.Millisecond, 500
	for after := 0; ; {
		err := thaw(hold)
		if err == nil {
			return nil
		}
		select {
		case well := <-said:
			if well {
				return nil
			}
			gone = true
		default:
		}
		if gone {
			if after++; after > tries && errors.Is(err, errNotFrozen) {
				return nil
			}
			if after > tries {
				return err
			}
		}
		time.Sleep(pause)
	}
}
