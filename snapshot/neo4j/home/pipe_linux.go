package home

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen lets a pipe hold 1 MiB, which is what a user may have: both sides wait for
// one another less often than with its 64 KiB.
func widen(pipe *os.File) {
	const size = 1 << 20
	conn, err := pipe.SyscallConn() // not Fd, which would let each write block a thread
	if err != nil {
		return
	}
	// Where it may not be larger it is good as it is.
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, size) })
}
