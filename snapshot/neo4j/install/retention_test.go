package install

import (
	"testing"
	"time"
)

func TestParseRetention(t *testing.T) {
	day := 24 * time.Hour
	for policy, want := range map[string]struct {
		kept          time.Duration
		none, bounded bool
	}{
		"2 days 2G": {2 * day, false, true}, "7 days": {7 * day, false, false}, "36 hours": {36 * time.Hour, false, false}, "1 day": {day, false, false},
		"true": {}, "keep_all": {}, "false": {0, true, false}, "KEEP_NONE": {0, true, false},
		"100M size": {0, false, true}, "10 files": {0, false, true}, "1k txs": {0, false, true}, "": {0, false, true}, "x days": {0, false, true}, "days": {0, false, true},
	} {
		if kept, none, bounded := ParseRetention(policy); kept != want.kept || none != want.none || bounded != want.bounded {
			t.Errorf("%q: %s, %t, %t; want %+v", policy, kept, none, bounded, want)
		}
	}
}
