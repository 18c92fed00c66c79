package untar

import (
	"os"

	"golang.org/x/sys/unix"
)

func setFileXattr(f *os.File, name, value string) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(fd uintptr) { callErr = unix.Fsetxattr(int(fd), name, []byte(value), 0) }); err != nil {
		return err
	}
	return callErr
}
