package format

import (
	"strings"
	"time"
)

// DrillsFolder is where the reports of drills stand, below the prefix of the
// vault: SERIES/ID-TIME-good.json or -failed.json, and a page for people beside
// each. They are notes that no reader of backups needs.
const DrillsFolder = "drills/"

// drillTime is the form of the time in the name of a report, UTC.
const drillTime = "20060102T150405Z"

// Drill is what the name of a report tells.
type Drill struct {
	Series, ID string
	Time       time.Time // of its end, UTC, to the second
	Good       bool
}

// File returns the name of the report below DrillsFolder, without its ending.
func (d Drill) File() string {
	verdict := "failed"
	if d.Good {
		verdict = "good"
	}
	return d.Series + "/" + d.ID + "-" + d.Time.UTC().Format(drillTime) + "-" + verdict
}

// ParseDrillFile reads the name of a report, with the ending .json.
func ParseDrillFile(s string) (d Drill, ok bool) {
	series, rest, ok := strings.Cut(s, "/")
	if !ok || CheckName(series) != nil {
		return d, false
	}
	rest, ok = strings.CutSuffix(rest, ".json")
	rest, good := strings.CutSuffix(rest, "-good")
	rest, failed := strings.CutSuffix(rest, "-failed")
	i := strings.LastIndexByte(rest, '-')
	if !ok || good == failed || i < 0 {
		return d, false
	}
	at, err := time.Parse(drillTime, rest[i+1:])
	if err != nil {
		return d, false
	}
	if _, err := ParseID(rest[:i]); err != nil {
		return d, false
	}
	d = Drill{Series: series, ID: rest[:i], Time: at, Good: good}
	return d, d.File()+".json" == s
}
