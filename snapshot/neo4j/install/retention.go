package install

import (
	"strconv"
	"strings"
	"time"
)

// ParseRetention reads how long transaction logs are kept, such as "2 days 2G":
// for a time, or none at all. bounded reports whether something else than time
// may remove them before: a size, or a number of files or transactions. A policy
// that is not known is bounded, without a time.
func ParseRetention(policy string) (kept time.Duration, none, bounded bool) {
	words := strings.Fields(strings.ToLower(policy))
	switch {
	case len(words) == 0:
		return 0, false, true
	case words[0] == "true" || words[0] == "keep_all":
		return 0, false, false
	case words[0] == "false" || words[0] == "keep_none":
		return 0, true, false
	case len(words) == 1:
		return 0, false, true
	}
	units := map[string]time.Duration{"hours": time.Hour, "hour": time.Hour, "days": 24 * time.Hour, "day": 24 * time.Hour}
	n, err := strconv.ParseInt(words[0], 10, 32)
	unit, known := units[words[1]]
	if err != nil || !known {
		return 0, false, true
	}
	return time.Duration(n) * unit, false, len(words) > 2
}
