package config

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the interrupts of our console away from the command.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends the command. What it started is left to end by itself when
// its output is closed.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
