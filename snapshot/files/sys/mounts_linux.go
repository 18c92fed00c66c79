package sys

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MountedAt returns where the block device at path is mounted.
func MountedAt(path string) (string, bool) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return "", false
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", false
	}
	defer func() { _ = f.Close() }()
	number := strconv.Itoa(int(unix.Major(st.Rdev))) + ":" + strconv.Itoa(int(unix.Minor(st.Rdev)))
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// ID PARENT MAJOR:MINOR ROOT MOUNTPOINT …, proc(5)
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && fields[2] == number {
			return fields[4], true
		}
	}
	return "", false
}
