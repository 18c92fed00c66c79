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
	known := slices.DeleteFunc(tierNames(), func(name string) bool { return p.At(lifecycle.Tier(name)) == nil })
	const example = "write for instance daily=14,weekly=8,monthly=12"
	for part := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		name, numbers, _ := strings.Cut(strings.TrimSpace(part), "=")
		keep := p.At(lifecycle.Tier(name))
		if keep == nil {
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

// RetentionSpec is what a vault keeps, as a configuration has it.
type RetentionSpec struct {
	Text        string // as ParseRetention reads it
	Zone        string
	MaxChain    int    // days; 0: there are no differentials
	MaxUpload   string // a duration such as 48h; empty: the default
	Undo        int    // days; 0: the default
	RestoreDays int    // likewise
	Transitions map[string]Transition
}

// Transition moves the data of a tier to another storage class.
type Transition struct {
	Days  int // after it was created
	Class string
}

// Policy is what the vault promises. Errors are of the class Usage.
func (r RetentionSpec) Policy() (lifecycle.Policy, error) {
	p, err := ParseRetention(r.Text, r.Zone)
	if err != nil {
		return p, err
	}
	p.MaxChain, p.Undo, p.Restore = r.MaxChain, r.Undo, r.RestoreDays
	if r.MaxUpload != "" {
		if p.MaxUpload, err = time.ParseDuration(r.MaxUpload); err != nil || p.MaxUpload <= 0 {
			return p, usage("max_upload "+r.MaxUpload, errors.New("it is no time above 0"), "write for instance 48h")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Transitions)) {
		keep := p.At(lifecycle.Tier(name))
		if keep == nil || keep.Count == 0 {
			return p, usage("transition of tier "+name, errors.New("nothing is kept of it"), "remove the transition, or keep some of the tier")
		}
		keep.Move = lifecycle.Move{Days: r.Transitions[name].Days, Class: r.Transitions[name].Class}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Transitions)) {
		move := p.Keep(lifecycle.Tier(name)).Move
		if life, ok := p.DataDays(lifecycle.Tier(name), lifecycle.S3); ok && move.Days >= life {
			return p, usage("transition of tier "+name, fmt.Errorf("data moves after %d days and goes after %d", move.Days, life), "move it earlier, or keep more")
		}
	}
	return p, nil
}
