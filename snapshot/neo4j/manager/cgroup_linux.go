package manager

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// containerGroup is how container engines name control groups.
var containerGroup = regexp.MustCompile(`docker|containerd|kubepods|libpod|crio|lxc`)

// cgroupOf tells by its control group what a process runs in: a unit of the
// system's systemd, or a container that is not ours.
func cgroupOf(pid int) (unit string, container bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", false
	}
	return parseCgroup(string(raw))
}

func parseCgroup(text string) (unit string, container bool) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		path := fields[2]
		container = container || containerGroup.MatchString(path)
		parts := strings.Split(strings.Trim(path, "/"), "/")
		// A user's own manager and its units are none of the system's.
		if len(parts) > 1 && parts[0] == "system.slice" && strings.HasSuffix(parts[len(parts)-1], ".service") {
			unit = parts[len(parts)-1]
		}
	}
	return unit, container
}

func detach(attributes *syscall.SysProcAttr) { attributes.Setsid = true }
