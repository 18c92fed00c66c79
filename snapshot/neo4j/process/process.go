// Package process runs neo4j-admin and Neo4j servers. Each is a launcher that
// forks the JVM which does the work and holds the locks: both run in a process
// group of their own, end together, and are gone when Stop returns. If we are
// killed, they are not.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	// defaultGrace is how long a command has to end by itself.
	defaultGrace = 5 * time.Second
	// messagePatience is how long to wait for the last messages of processes
	// that are gone.
	messagePatience = 5 * time.Second
	// killPatience is how long the system has to remove killed processes: one
	// that waits for a disk ends only when the disk answers.
	killPatience = 30 * time.Second
	// pollInterval is how often a process group is asked whether it is gone;
	// no system tells of the end of processes that are not our children.
	pollInterval = 5 * time.Millisecond
)

// Command is what is to be run.
type Command struct {
	Path string
	Args []string
	Env  []string
	Dir  string
	// Lines gets what is printed to standard error, line by line.
	Lines *Lines
	// Stdin is what the command reads; nil: nothing. The caller closes it.
	Stdin *os.File
	// Merge sends standard output to Lines as well; Stdout has nothing then.
	Merge bool
	// Grace is how long Stop waits before it kills; 0: 5 s.
	Grace time.Duration
	// Background gives way to everything else on the machine: lowest priority of
	// CPU and disk, and the first to be ended when memory is short.
	Background bool
	// As is who runs it; nil: who we are.
	As *Owner
	// Started, if set, is told the number of the process group at once.
	Started func(group int)
}

// Owner is a user and a group, by their numbers.
type Owner struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// FolderMode is the mode of a folder of ours within which the owner has one of
// its own.
func (o *Owner) FolderMode() fs.FileMode {
	if o == nil {
		return 0o700
	}
	return 0o711
}

// Give gives a folder of ours to the owner; nil: it stays ours.
func (o *Owner) Give(folder string) error {
	if o == nil {
		return nil
	}
	return os.Lchown(folder, int(o.UID), int(o.GID))
}

// Process is a running command: the launcher, and what it forks.
type Process struct {
	cmd    *exec.Cmd
	grace  time.Duration
	group  group
	stdout *os.File // nil if it is merged
	stderr *os.File
	lines  *Lines

	exited  chan struct{} // closed once the launcher has ended
	exitErr error         // its status, to be read after exited
	drained chan struct{} // closed once stderr was read to its end
	unwatch func() bool   // stops watching the context

	endOnce sync.Once
	endErr  error
}

// Start runs a command in a process group of its own. Whoever starts calls
// Stop. When ctx is done, Stop is called.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	// Pipes of our own: those of exec are closed when the launcher ends, with
	// the end of the output still in them.
	stderr, errWriter, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	stdout, outWriter := (*os.File)(nil), errWriter
	if !c.Merge {
		if stdout, outWriter, err = os.Pipe(); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", filepath.Base(c.Path), err), stderr.Close(), errWriter.Close())
		}
	}
	//nolint:noctx // exec would kill the launcher alone and leave the JVM with the lock; Stop ends both.
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	cmd.Stdout, cmd.Stderr = outWriter, errWriter
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin // a nil file in the interface would be none
	}
	p := &Process{
		cmd: cmd, grace: cmp.Or(c.Grace, defaultGrace), stdout: stdout, stderr: stderr, lines: c.Lines,
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
	cmd.SysProcAttr = c.As.Attributes()
	err = p.group.start(cmd)
	_ = errWriter.Close()
	if !c.Merge {
		_ = outWriter.Close()
	}
	if err != nil {
		_ = stderr.Close()
		if stdout != nil {
			_ = stdout.Close()
		}
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	if c.Started != nil {
		c.Started(p.Group())
	}
	if c.Background {
		p.group.yield() // before the launcher can fork: its child inherits it
	}
	go p.wait()
	go func() {
		p.lines.read(stderr)
		close(p.drained)
	}()
	p.unwatch = context.AfterFunc(ctx, func() { _ = p.end() })
	return p, nil
}

// Stdout is the standard output, unless it is merged.
func (p *Process) Stdout() *os.File { return p.stdout }

// Exited is closed once the launcher has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Group is the number of the process group, which is that of the launcher.
func (p *Process) Group() int { return p.cmd.Process.Pid }

// Terminate asks all processes to end, and returns at once.
func (p *Process) Terminate() { p.group.terminate() }

// Text returns the first and the last lines that were printed to standard
// error, to be called after Finish or Stop.
func (p *Process) Text() string { return p.lines.text() }

// wait takes the launcher's status. If it failed, the JVM must not go on alone:
// nobody would know how it ended.
func (p *Process) wait() {
	p.exitErr = p.cmd.Wait()
	if p.exitErr != nil {
		p.group.kill()
	}
	close(p.exited)
}

// Finish waits for the launcher and for the rest of its messages, and returns
// its status. It is called when stdout has ended.
func (p *Process) Finish() error {
	<-p.exited
	p.awaitMessages()
	return p.exitErr
}

// Stop ends all processes and returns when they are gone. Called again it
// returns the first result. After a good end it costs next to nothing.
func (p *Process) Stop() error {
	p.unwatch()
	return p.end()
}

func (p *Process) end() error {
	p.endOnce.Do(func() {
		if !p.gone() {
			p.group.terminate()
			if !p.awaitGone(p.grace) {
				p.group.kill()
				if !p.awaitGone(killPatience) {
					p.endErr = fmt.Errorf("%s (process %d) does not end; the database stays locked until it does", filepath.Base(p.cmd.Path), p.cmd.Process.Pid)
				}
			}
		}
		p.awaitMessages()
		if p.stdout != nil {
			p.endErr = errors.Join(p.endErr, p.stdout.Close())
		}
		p.endErr = errors.Join(p.endErr, p.group.close())
	})
	return p.endErr
}

func (p *Process) gone() bool {
	select {
	case <-p.exited:
		return p.group.gone()
	default:
		return false
	}
}

func (p *Process) awaitGone(patience time.Duration) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !p.gone() {
		select {
		case <-tick.C:
		case <-limit.C:
			return p.gone()
		}
	}
	return true
}

// awaitMessages waits for the end of stderr, which comes with the end of the
// last process that holds it.
func (p *Process) awaitMessages() {
	limit := time.NewTimer(messagePatience)
	defer limit.Stop()
	select {
	case <-p.drained:
	case <-limit.C:
	}
	_ = p.stderr.Close()
	<-p.drained
}

// maxAnswer bounds what is read of a command that answers briefly, in bytes.
const maxAnswer = 64 << 10

// Output runs a command to its end and returns what it printed to standard
// output, 64 KiB at most, and to standard error. The error is of the start, of
// the end, or the status.
func Output(ctx context.Context, c Command) (out []byte, text string, err error) {
	p, err := Start(ctx, c)
	if err != nil {
		return nil, "", err
	}
	out, readErr := io.ReadAll(io.LimitReader(p.stdout, maxAnswer))
	exitErr := p.Finish()
	if err := p.Stop(); err != nil {
		return nil, p.Text(), err
	}
	switch {
	case ctx.Err() != nil:
		return nil, p.Text(), context.Cause(ctx)
	case exitErr != nil:
		return out, p.Text(), exitErr
	case readErr != nil:
		return nil, p.Text(), fmt.Errorf("read from %s: %w", filepath.Base(c.Path), readErr)
	}
	return out, p.Text(), nil
}
