package files

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot/files/sys"
)

const noAtime = unix.O_NOATIME

// adviseSequential asks for more read-ahead. It is advice: failing is fine.
func adviseSequential(f *os.File) {
	_ = sys.WithFD(f, func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_SEQUENTIAL) })
}
