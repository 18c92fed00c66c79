package job

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// machineMemory is the memory of this process's surroundings, in bytes: of the
// machine, or of the narrowest control group it is in.
type machineMemory struct{ total, free int64 }

// readMemory reads what Linux tells below root; other systems do not.
func readMemory(root fs.FS) (machineMemory, bool) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return machineMemory{}, false
	}
	fields := parseFields(text)
	m := machineMemory{total: fields["MemTotal:"] << 10, free: fields["MemAvailable:"] << 10}
	if m.total <= 0 || m.free < 0 {
		return machineMemory{}, false
	}
	m.free = min(m.free, m.total)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return m, true
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			m.narrow(root, "sys/fs/cgroup", parts[2], cgroupFiles{"memory.max", "memory.current", "inactive_file"})
		case parts[1] == "memory":
			m.narrow(root, "sys/fs/cgroup/memory", parts[2], cgroupFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"})
		}
	}
	return m, true
}

// cgroupFiles are the names by which one version of control groups tells.
type cgroupFiles struct{ limit, usage, inactive string }

// narrow applies the limits of a group and of all around it. Within a
// container the group's own folder may be missing, and the mount is the group.
func (m *machineMemory) narrow(root fs.FS, mount, group string, names cgroupFiles) {
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		folder := path.Join(mount, at)
		limit, limited := readNumber(root, path.Join(folder, names.limit))
		if limited && limit < m.total {
			m.total = limit
			m.free = min(m.free, limit)
		}
		if usage, ok := readNumber(root, path.Join(folder, names.usage)); ok && limited {
			// Pages of files that nobody uses are given up first.
			stat, err := fs.ReadFile(root, path.Join(folder, "memory.stat"))
			if err == nil {
				usage = max(usage-max(parseFields(stat)[names.inactive], 0), 0)
			}
			m.free = min(m.free, max(limit-usage, 0))
		}
		if at == "/" {
			return
		}
	}
}

// readNumber reads a file of one number; false if it says that there is no
// limit, or nothing.
func readNumber(root fs.FS, name string) (int64, bool) {
	if !fs.ValidPath(name) {
		return 0, false
	}
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	// Version 1 writes the largest number of whole pages for no limit.
	return n, err == nil && n >= 0 && n < math.MaxInt64>>1
}

// parseFields reads lines of a name and a number.
func parseFields(text []byte) map[string]int64 {
	fields := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(words[1], 10, 53); err == nil {
			fields[words[0]] = n
		}
	}
	return fields
}
