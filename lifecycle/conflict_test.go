package lifecycle_test

import (
	"testing"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// A rule of somebody else that would remove new backups too early is told with
// the arithmetic; one that cannot is not.
func TestConflicts(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}, Monthly: lifecycle.Keep{Count: 6, Slack: 1}, MaxChain: 3}
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		effect lifecycle.Effect
		want   string
	}{
		"without a prefix": {lifecycle.Effect{Rule: "rule 1", Days: 3},
			"rule 1: remove after 3 days everywhere, and yearly must stay 248 days: monthly keeps 6 whole months, 1 more as slack and this one: 245 days, plus a chain of 3"},
		"of one tier": {lifecycle.Effect{Rule: "x", Days: 17, Prefixes: []string{"p/daily/"}},
			`x: remove after 17 days in "p/daily/", and daily must stay 18 days: daily keeps 14 whole days and today: 15 days, plus a chain of 3`},
		"with conditions": {lifecycle.Effect{Rule: "x", Days: 1, Prefixes: []string{"p/daily/data/s"}, Partial: true},
			`x: remove after 1 day in "p/daily/data/s", and daily must stay 18 days: daily keeps 14 whole days and today: 15 days, plus a chain of 3; it has conditions that may leave them out`},
		"long enough":         {lifecycle.Effect{Days: 248}, ""},
		"elsewhere":           {lifecycle.Effect{Days: 1, Prefixes: []string{"q/", "p/manual/"}}, ""},
		"ours":                {lifecycle.Effect{Days: 1, Own: true}, ""},
		"a move":              {lifecycle.Effect{Days: 1, Class: "COLD"}, ""},
		"of older versions":   {lifecycle.Effect{Days: 1, Noncurrent: true}, ""},
		"of what was before":  {lifecycle.Effect{Days: 1, CreatedBefore: now}, ""},
		"of what comes, once": {lifecycle.Effect{Rule: "x", Days: 17, Prefixes: []string{"p/daily/"}, CreatedBefore: now.AddDate(1, 0, 0)}, `x: remove after 17 days if created before 2027-11-29 in "p/daily/", and daily must stay 18 days: daily keeps 14 whole days and today: 15 days, plus a chain of 3`},
	} {
		got := ""
		for _, x := range p.Conflicts(lifecycle.Ruleset{Store: lifecycle.GCS, Effects: []lifecycle.Effect{c.effect}}, "p", now) {
			got += x.String()
		}
		if got != c.want {
			t.Errorf("%s: %q\nwant %q", name, got, c.want)
		}
	}
}
