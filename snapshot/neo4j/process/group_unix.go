//go:build unix

package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// group is a process group: the launcher leads it, the JVM it forks is in it.
type group struct {
	id int
}

func (g *group) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return err
	}
	g.id = cmd.Process.Pid
	return nil
}

// Attributes let a process run as the owner; nil: as who we are.
func (o *Owner) Attributes() *syscall.SysProcAttr {
	if o == nil {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: o.UID, Gid: o.GID}}
}

// OwnerOf returns whom programs should run as that write below path: nil, unless
// we are root and it belongs to somebody else.
func OwnerOf(path string) (*Owner, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || stat.Uid == 0 {
		return nil, nil //nolint:nilnil // as who we are
	}
	return &Owner{UID: stat.Uid, GID: stat.Gid}, nil
}

// terminate and kill fail only if nobody is left in the group.

func (g *group) terminate() { _ = syscall.Kill(-g.id, syscall.SIGTERM) }

func (g *group) kill() { _ = syscall.Kill(-g.id, syscall.SIGKILL) }

// gone reports whether no process of the group is left. The launcher must have
// been waited for.
func (g *group) gone() bool { return Gone(g.id) }

// Ask asks one process to end.
func Ask(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }

// KillGroup ends a group at once.
func KillGroup(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) } // it fails only if nobody is left

// Gone reports whether no process of a group is left. One whose launcher is a
// child of ours must have been waited for.
func Gone(group int) bool {
	// As process 1 of a container we inherit the orphaned JVM, and nobody else
	// would reap it.
	for {
		pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return true
	}
	return onlyZombies(group)
}

func (g *group) close() error { return nil }
