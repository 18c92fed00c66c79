package lifecycle_test

import (
	"testing"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// A rule cleans a prefix if nothing below it can escape.
func TestCleans(t *testing.T) {
	for name, c := range map[string]struct {
		effect lifecycle.Effect
		older  bool
		want   bool
	}{
		"its own":                {lifecycle.Effect{Prefixes: []string{"p/daily/data/"}, Days: 8}, false, true},
		"above":                  {lifecycle.Effect{Prefixes: []string{"x/", "p/"}, Days: 8}, false, true},
		"everywhere":             {lifecycle.Effect{Days: 8}, false, true},
		"below":                  {lifecycle.Effect{Prefixes: []string{"p/daily/data/s/"}, Days: 8}, false, false},
		"a move":                 {lifecycle.Effect{Class: "COLD", Days: 8}, false, false},
		"of older versions":      {lifecycle.Effect{Noncurrent: true, Days: 8}, false, false},
		"older versions":         {lifecycle.Effect{Noncurrent: true, Days: 8}, true, true},
		"with conditions":        {lifecycle.Effect{Partial: true, Days: 8}, false, false},
		"of what was before":     {lifecycle.Effect{CreatedBefore: time.Unix(1, 0)}, false, false},
		"current, asked for old": {lifecycle.Effect{Days: 8}, true, false},
	} {
		if got := (lifecycle.Ruleset{Effects: []lifecycle.Effect{c.effect}}).Cleans("p/daily/data/", c.older); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if (lifecycle.Ruleset{Effects: []lifecycle.Effect{{Days: 8}}, Ended: time.Unix(1, 0)}).Cleans("p/", false) {
		t.Error("rules that were replaced")
	}
}
