package manager

import (
	"syscall"

	"golang.org/x/sys/windows"
)

func cgroupOf(int) (unit string, container bool) { return "", false }

func detach(attributes *syscall.SysProcAttr) {
	attributes.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS
}
