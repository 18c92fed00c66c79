package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// onlyZombies reports whether every process that is left in the group has ended
// and merely waits to be reaped. Where process 1 does not reap, as in many
// containers, an orphan stays so for ever; its locks and files are free.
func onlyZombies(group int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false
	}
	found := false
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name, in parentheses, may hold anything; the state, the parent
		// and the group follow it.
		text := string(raw)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 3 || fields[2] != strconv.Itoa(group) {
			continue
		}
		if state := fields[0]; state != "Z" && state != "X" {
			return false
		}
		found = true
	}
	return found
}
