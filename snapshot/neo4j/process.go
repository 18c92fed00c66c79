package neo4j

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/snapferry/snapferry/snapshot"
)

const (
	// termGrace is how long neo4j-admin has to end by itself.
	termGrace = 5 * time.Second
	// killPatience is how long the system has to remove killed processes: one
	// that waits for a disk ends only when the disk answers.
	killPatience = 30 * time.Second
	// pollInterval is how often a process group is asked whether it is gone;
	// no system tells of the end of processes that are not our children.
	pollInterval = 5 * time.Millisecond
)

// process is a running neo4j-admin: the launcher, and the JVM that it forks,
// which does the work and holds the lock of the database.
type process struct {
	cmd    *exec.Cmd
	group  group
	stdout *os.File
	stderr *os.File
	lines  *lineLog

	exited  chan struct{} // closed once the launcher has ended
	exitErr error         // its status, to be read after exited
	drained chan struct{} // closed once stderr was read to its end
	unwatch func() bool   // stops watching the context

	endOnce sync.Once
	endErr  error
}

// start runs neo4j-admin in a process group of its own. Whoever starts calls
// stop. When ctx is done, stop is called.
func (a *admin) start(ctx context.Context, args ...string) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, a.fail("capture", context.Cause(ctx))
	}
	// Pipes of our own: those of exec are closed when the launcher ends, with
	// the end of the output still in them.
	stdout, outWriter, err := os.Pipe()
	if err != nil {
		return nil, a.fail("capture", fmt.Errorf("start neo4j-admin: %w", err))
	}
	stderr, errWriter, err := os.Pipe()
	if err != nil {
		_ = errors.Join(stdout.Close(), outWriter.Close())
		return nil, a.fail("capture", fmt.Errorf("start neo4j-admin: %w", err))
	}
	//nolint:noctx // exec would kill the launcher alone and leave the JVM with the lock; stop ends both.
	cmd := exec.Command(a.Admin, args...)
	cmd.Env, cmd.Dir = a.env, a.Home
	cmd.Stdout, cmd.Stderr = outWriter, errWriter
	p := &process{
		cmd: cmd, stdout: stdout, stderr: stderr, lines: newLineLog(a.log, a.progress),
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
	err = p.group.start(cmd)
	_ = errors.Join(outWriter.Close(), errWriter.Close())
	if err != nil {
		_ = errors.Join(stdout.Close(), stderr.Close())
		return nil, a.startFailure(err)
	}
	go p.wait()
	go func() {
		p.lines.read(stderr)
		close(p.drained)
	}()
	p.unwatch = context.AfterFunc(ctx, func() { _ = p.end() })
	return p, nil
}

func (a *admin) startFailure(err error) error {
	hint := "Check that " + a.Admin + " can be run by this user."
	if errors.Is(err, fs.ErrNotExist) {
		hint = "Its first line may name a shell that is not installed: " + a.Admin
	}
	return &snapshot.Error{Op: "capture", Name: a.database, Err: fmt.Errorf("start neo4j-admin: %w", err), Hint: hint}
}

// wait takes the launcher's status. If it failed, the JVM must not go on alone:
// nobody would know how it ended.
func (p *process) wait() {
	p.exitErr = p.cmd.Wait()
	if p.exitErr != nil {
		p.group.kill()
	}
	close(p.exited)
}

// finish waits for the launcher and for the rest of its messages, and returns
// its status. It is called when stdout has ended.
func (p *process) finish() error {
	<-p.exited
	p.awaitMessages()
	return p.exitErr
}

// stop ends all processes and returns when they are gone. Called again it
// returns the first result. After a good end it costs next to nothing.
func (p *process) stop() error {
	p.unwatch()
	return p.end()
}

func (p *process) end() error {
	p.endOnce.Do(func() {
		if !p.gone() {
			p.group.terminate()
			if !p.awaitGone(termGrace) {
				p.group.kill()
				if !p.awaitGone(killPatience) {
					p.endErr = fmt.Errorf("neo4j-admin (process %d) does not end; the database stays locked until it does", p.cmd.Process.Pid)
				}
			}
		}
		p.awaitMessages()
		p.endErr = errors.Join(p.endErr, p.stdout.Close(), p.group.close())
	})
	return p.endErr
}

func (p *process) gone() bool {
	select {
	case <-p.exited:
		return p.group.gone()
	default:
		return false
	}
}

func (p *process) awaitGone(patience time.Duration) bool {
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
func (p *process) awaitMessages() {
	limit := time.NewTimer(termGrace)
	defer limit.Stop()
	select {
	case <-p.drained:
	case <-limit.C:
	}
	_ = p.stderr.Close()
	<-p.drained
}
