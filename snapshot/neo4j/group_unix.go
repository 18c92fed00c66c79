//go:build unix

package neo4j

import (
	"errors"
	"os/exec"
	"syscall"
)

// group is a process group: the launcher leads it, the JVM it forks is in it.
type group struct {
	id int
}

func (g *group) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	g.id = cmd.Process.Pid
	return nil
}

// terminate and kill fail only if nobody is left in the group.

func (g *group) terminate() { _ = syscall.Kill(-g.id, syscall.SIGTERM) }

func (g *group) kill() { _ = syscall.Kill(-g.id, syscall.SIGKILL) }

// gone reports whether no process of the group is left. The launcher must have
// been waited for.
func (g *group) gone() bool {
	// As process 1 of a container we inherit the orphaned JVM, and nobody else
	// would reap it.
	for {
		pid, err := syscall.Wait4(-g.id, nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(syscall.Kill(-g.id, 0), syscall.ESRCH) {
		return true
	}
	return onlyZombies(g.id)
}

func (g *group) close() error { return nil }
