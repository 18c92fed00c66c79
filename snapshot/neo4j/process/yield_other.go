//go:build unix && !linux

package process

import "golang.org/x/sys/unix"

// yield gives the group the lowest priority of the CPU. Should that fail, the
// run is less considerate, and that is all.
func (g *group) yield() { _ = unix.Setpriority(unix.PRIO_PGRP, g.id, 19) }
