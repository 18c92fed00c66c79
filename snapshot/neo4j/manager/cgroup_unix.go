//go:build unix && !linux

package manager

import "syscall"

func cgroupOf(int) (unit string, container bool) { return "", false }

func detach(attributes *syscall.SysProcAttr) { attributes.Setsid = true }
