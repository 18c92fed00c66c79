//go:build unix

package guard

import (
	"os"
	"os/exec"
	"syscall"
)

// detach gives the guardian a session of its own, out of reach of the terminal
// and of signals to our group, and a hold on locks.
func detach(cmd *exec.Cmd, holds []*os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = holds
}
