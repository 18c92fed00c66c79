package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// The words that a run says to its guardian, a line each.
const (
	wordReady    = "ready"    // the guardian: it watches
	wordStopping = "stopping" // the server may end from now on
	wordStopped  = "stopped"  // it has ended
	wordGroup    = "group"    // and a number: a process group to be ended
	wordDone     = "done"     // the server serves; nothing is left to do
)

// order is the first line that a guardian reads.
type order struct {
	Spec   Spec   `json:"spec"`
	Marker string `json:"marker"`
}

// Watch is a run's hold on its guardian.
type Watch struct {
	spec   Spec
	log    *slog.Logger
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	mu     sync.Mutex // of stdin
	exited chan struct{}

	stopped bool // the server has ended, as far as we know
}

// Begin starts a guardian and marks the server as one to be started. command is
// the guardian's command line, whose process calls Stand. holds are kept open by
// the guardian, so that locks on them last as long as it watches.
func Begin(ctx context.Context, spec Spec, command []string, holds []*os.File, log *slog.Logger) (*Watch, error) {
	if len(command) == 0 {
		return nil, errors.New("there is no program to watch over the server")
	}
	//nolint:noctx // a guardian outlives whoever gave the order
	cmd := exec.Command(command[0], command[1:]...)
	detach(cmd, holds)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	w := &Watch{spec: spec, log: log, cmd: cmd, stdin: stdin, exited: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err == nil && strings.TrimSpace(line) != wordReady {
			err = fmt.Errorf("it says %q", line)
		}
		ready <- err
		_, _ = io.Copy(io.Discard, stdout) // until it ends
		_ = cmd.Wait()                     // its status says nothing that the server does not
		close(w.exited)
	}()
	raw, err := json.Marshal(order{Spec: spec, Marker: spec.Marker})
	if err == nil {
		err = w.say(string(raw))
	}
	if err == nil {
		select {
		case err = <-ready:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		err = spec.mark()
	}
	if err != nil {
		_ = cmd.Process.Kill() // it may not listen, and nothing has happened to the server
		return nil, errors.Join(fmt.Errorf("start guardian: %w", err), w.dismiss())
	}
	return w, nil
}

func (w *Watch) say(line string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := io.WriteString(w.stdin, line+"\n")
	return err
}

// Stop stops the server. From here on the guardian starts it if we do not.
func (w *Watch) Stop(ctx context.Context) error {
	if err := w.say(wordStopping); err != nil {
		return fmt.Errorf("the guardian of the server is gone: %w", err)
	}
	if err := w.spec.Stop(ctx, w.Group); err != nil {
		return err
	}
	w.stopped = true
	if err := w.say(wordStopped); err != nil {
		return fmt.Errorf("the guardian of the server is gone: %w", err)
	}
	return nil
}

// Group names a process group that the guardian ends before it does anything.
func (w *Watch) Group(group int) {
	if err := w.say(wordGroup + " " + strconv.Itoa(group)); err != nil {
		w.log.Warn("the guardian of the server is gone", "error", err)
	}
}

// Start starts the server, and dismisses the guardian once it serves. If it does
// not, the guardian goes on trying, and the marker stays.
func (w *Watch) Start(ctx context.Context) error {
	if err := w.spec.again(ctx, w.stopped, w.log); err != nil {
		// Without a word the guardian takes over.
		return errors.Join(err, w.leave())
	}
	return w.dismiss()
}

// leave says no more words.
func (w *Watch) leave() error {
	err := w.stdin.Close()
	if errors.Is(err, os.ErrClosed) { // the guardian has ended, and it with it
		return nil
	}
	return err
}

// dismiss ends the guardian: there is nothing to start.
func (w *Watch) dismiss() error {
	err := w.spec.unmark()
	if sayErr := w.say(wordDone); sayErr == nil {
		<-w.exited
	} else {
		w.log.Debug("the guardian is gone already", "error", sayErr)
	}
	return errors.Join(err, w.leave())
}

// LogName is the file beside the marker in which a guardian writes what it does.
const LogName = "guardian.log"

// Stand is the guardian: it reads an order and then the words of its run from
// in, and answers on out. It returns when the server serves, or when it gives
// up, after an hour of trying. Signals that would end it must be ignored by the
// caller.
func Stand(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o order
	if err := json.Unmarshal(first, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	spec := o.Spec
	spec.Marker = o.Marker
	if _, err := fmt.Fprintln(out, wordReady); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	last, groups := listen(lines)
	switch last {
	case wordDone:
		return nil
	case wordReady:
		return spec.unmark() // nothing has happened to the server
	}
	file, err := os.OpenFile(filepath.Join(filepath.Dir(spec.Marker), LogName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		file = os.Stderr // better than nothing: the server comes first
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	log := slog.New(slog.NewTextHandler(file, nil))
	log.Warn("the run that has stopped the server is gone", "server", spec.Data)
	for _, group := range groups {
		if err := endGroup(ctx, group); err != nil {
			log.Warn("what the run has left does not end", "error", err)
		}
	}
	const tries, pause = 60, time.Minute
	for range tries {
		if err = spec.again(ctx, last == wordStopped, log); err == nil {
			return spec.unmark()
		}
		log.Error("the server does not serve", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

// listen follows a run until its end, and tells how far it has come.
func listen(lines *bufio.Reader) (last string, groups []int) {
	last = wordReady
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return last, groups
		}
		switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case wordDone:
			return word, groups
		case wordStopping, wordStopped:
			last = word
		case wordGroup:
			if n, err := strconv.Atoi(rest); err == nil && n > 1 {
				groups = append(groups, n)
			}
		}
	}
}

// again starts a server that was stopped, or that was asked to: that may go on
// without who has asked, and end a server that looks as if it served.
func (s Spec) again(ctx context.Context, stopped bool, log *slog.Logger) error {
	if !stopped {
		if err := s.Stop(ctx, nil); err != nil {
			log.Warn("the server was not stopped", "error", err)
		}
	}
	return s.Start(ctx, log)
}

// endGroup kills what is left of a run, and waits until it is gone.
func endGroup(ctx context.Context, group int) error {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	process.KillGroup(group)
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for !process.Gone(group) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("group %d: %w", group, context.Cause(ctx))
		}
	}
	return nil
}
