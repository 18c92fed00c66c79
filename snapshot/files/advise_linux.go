package files

import (
	"os"

	"golang.org/x/sys/unix"
)

const noAtime = unix.O_NOATIME

// adviseSequential asks for more read-ahead. It is advice: failing is fine.
func adviseSequential(f *os.File) {
	_ = withFD(f, func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_SEQUENTIAL) })
}
