//go:build unix

package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// LockFile takes the lock of an open file or fails at once. The system gives it
// back when the process ends, however it ends.
func LockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// endServer kills the group of a scratch server and waits until it is gone.
func endServer(pid int) error {
	if pid <= 0 {
		return errors.New("its scratch server runs in another container")
	}
	group, err := unix.Getpgid(pid)
	if err != nil {
		return fmt.Errorf("end scratch server: %w", err)
	}
	if err := unix.Kill(-group, unix.SIGKILL); err != nil {
		return fmt.Errorf("end scratch server: %w", err)
	}
	const patience, interval = 30 * time.Second, 10 * time.Millisecond
	for range patience / interval {
		if process.Gone(group) {
			return nil
		}
		time.Sleep(interval) // no system tells of the end of processes that are not our children
	}
	return fmt.Errorf("scratch server %d does not end", pid)
}
