package job

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// maxPeriods is more than anybody keeps: a thousand years, or a year of hours.
const maxPeriods = 10_000

// ParseRetention reads what a vault keeps, such as daily=14,weekly=8+1: whole
// periods beside the current one, and after a + the slack, further periods that
// make up for ones without a success. zone is where days begin, such as
// Europe/Berlin; empty means UTC.
func ParseRetention(text, zone string) (lifecycle.Policy, error) {
	var p lifecycle.Policy
	fields := map[string]*lifecycle.Keep{"hourly": &p.Hourly, "daily": &p.Daily, "weekly": &p.Weekly, "monthly": &p.Monthly, "yearly": &p.Yearly}
	known := slices.Sorted(maps.Keys(fields))
	const example = "write for instance daily=14,weekly=8,monthly=12"
	for part := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		name, numbers, _ := strings.Cut(strings.TrimSpace(part), "=")
		keep, ok := fields[name]
		if !ok {
			return p, usage("retention "+text, fmt.Errorf("no tier %q is kept for a time", name), Suggest(name, known))
		}
		if keep.Count != 0 {
			return p, usage("retention "+text, fmt.Errorf("%s is there twice", name), example)
		}
		number, more, slack := strings.Cut(numbers, "+")
		var err error
		if keep.Count, err = strconv.Atoi(number); err != nil || keep.Count < 1 || keep.Count > maxPeriods {
			return p, usage("retention "+text, fmt.Errorf("%q is not a number of periods from 1 to %d", number, maxPeriods), example)
		}
		if !slack {
			continue
		}
		if keep.Slack, err = strconv.Atoi(more); err != nil || keep.Slack < 0 || keep.Slack > maxPeriods {
			return p, usage("retention "+text, fmt.Errorf("%q is not a number of periods from 0 to %d", more, maxPeriods), "write the slack as in daily=14+2")
		}
	}
	if zone != "" {
		var err error
		if p.Zone, err = time.LoadLocation(zone); err != nil {
			return p, usage("zone "+zone, errors.New("no such time zone"), "write it as in the IANA database, such as Europe/Berlin or UTC")
		}
	}
	return p, nil
}

// FormatRetention writes what ParseRetention reads, from the shortest kind on;
// empty: nothing is kept for a time.
func FormatRetention(p lifecycle.Policy) string {
	var parts []string
	for _, t := range lifecycle.Tiers() {
		keep := p.Keep(t)
		if keep.Count == 0 {
			continue
		}
		part := fmt.Sprintf("%s=%d", t, keep.Count)
		if keep.Slack > 0 {
			part += fmt.Sprintf("+%d", keep.Slack)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}
