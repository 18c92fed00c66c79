//go:build unix

package testenv

import (
	"errors"
	"syscall"
)

// ownGroup keeps a server out of our process group: neo4j is a launcher and a
// forked JVM, and only the group reaches both.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func signalGroup(pid int, sig syscall.Signal) { _ = syscall.Kill(-pid, sig) }

func groupGone(pid int) bool { return errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) }
