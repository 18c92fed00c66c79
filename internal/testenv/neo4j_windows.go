package testenv

import "syscall"

// Neo4j homes are assembled by a POSIX shell, so on Windows no server is ever
// started and there is no group to signal.

func ownGroup() *syscall.SysProcAttr { return nil }

func signalGroup(int, syscall.Signal) {}

func groupGone(int) bool { return true }
