package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// acknowledged is how many bytes the peer has received, or 0. On a slow link
// the system's buffers take megabytes at once and then drain for minutes; only
// this counter moves meanwhile.
func acknowledged(c net.Conn) int64 {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	var acked int64
	err = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			acked = int64(info.Bytes_acked) //nolint:gosec // 2^63 bytes are not sent
		}
	})
	if err != nil {
		return 0 // closed
	}
	return acked
}
