package config

import (
	"fmt"
	"strconv"
	"strings"
)

// checkSchedule checks the five fields of a crontab line: minute, hour, day of
// the month, month, day of the week. Each is *, N, N-M, a list of those, and
// may have a step; months and days of the week have names, too.
func checkSchedule(s string) error {
	fields := strings.Fields(s)
	limits := []struct {
		name      string
		low, high int
		names     string
	}{
		{"minute", 0, 59, ""}, {"hour", 0, 23, ""}, {"day of the month", 1, 31, ""},
		{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"},
		{"day of the week", 0, 7, "sun mon tue wed thu fri sat"},
	}
	const hint = `write minute, hour, day of the month, month, day of the week, such as "0 3 * * *" for three o'clock each day`
	if len(fields) != len(limits) {
		return wrong{fmt.Sprintf("has not five fields but %d", len(fields)), hint}
	}
	for i, l := range limits {
		for part := range strings.SplitSeq(fields[i], ",") {
			if !cronPart(part, l.low, l.high, strings.Fields(l.names)) {
				return wrong{fmt.Sprintf("has no valid %s", l.name), hint}
			}
		}
	}
	return nil
}

func cronPart(part string, low, high int, names []string) bool {
	values, step, stepped := strings.Cut(part, "/")
	if stepped {
		if n, err := strconv.Atoi(step); err != nil || n < 1 || n > high || step[0] == '+' {
			return false
		}
	}
	if values == "*" {
		return true
	}
	first, last, ranged := strings.Cut(values, "-")
	from, ok := cronValue(first, low, high, names)
	if !ok || !ranged {
		return ok && !stepped // a step of a single value means little
	}
	to, ok := cronValue(last, low, high, names)
	return ok && from <= to
}

func cronValue(s string, low, high int, names []string) (int, bool) {
	for i, name := range names {
		if strings.EqualFold(s, name) {
			return i + low, true
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= low && n <= high && s[0] != '+' && s[0] != '-'
}
