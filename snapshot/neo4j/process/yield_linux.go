package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ioprioIdle is class idle of ioprio_set(2), and ioprioGroup its IOPRIO_WHO_PGRP.
const ioprioIdle, ioprioGroup = 3 << 13, 2

// lowest is the lowest priority of a CPU, see setpriority(2).
const lowest = 19

// yield gives the group the lowest priority of CPU and disk, and makes it the
// first to be ended when memory is short. What it forks inherits all three.
// Should one fail, the run is less considerate, and that is all.
func (g *group) yield() {
	_ = unix.Setpriority(unix.PRIO_PGRP, g.id, lowest)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioGroup, uintptr(g.id), ioprioIdle)
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", g.id), []byte("1000"), 0)
}
