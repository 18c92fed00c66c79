package job

import (
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

func TestRetentionSpec(t *testing.T) {
	p, err := RetentionSpec{Text: "daily=14+2,monthly=12", Zone: "Europe/Berlin", MaxChain: 6, MaxUpload: "48h", Undo: 30, RestoreDays: 2,
		Transitions: map[string]Transition{"monthly": {30, "GLACIER_IR"}}}.Policy()
	if err != nil || p.Daily != (lifecycle.Keep{Count: 14, Slack: 2}) || p.Monthly.Move.Class != "GLACIER_IR" || p.MaxChain != 6 || p.UploadLimit() != 48*time.Hour ||
		p.UndoDays() != 30 || p.Restore != 2 || p.Zone.String() != "Europe/Berlin" {
		t.Errorf("%+v, %v", p, err)
	}
	for want, spec := range map[string]RetentionSpec{
		"nothing is kept of it":                   {Text: "daily=7", Transitions: map[string]Transition{"monthly": {30, "X"}}},
		"data moves after 30 days and goes after": {Text: "daily=7", Transitions: map[string]Transition{"daily": {30, "X"}}},
		"no time above 0":                         {Text: "daily=7", MaxUpload: "-1h"},
		"not a number of periods":                 {Text: "daily=7+x"},
		"no such time zone":                       {Text: "daily=7", Zone: "Europe/Atlantis"},
	} {
		if _, err := spec.Policy(); Classify(err) != Usage || !strings.Contains(err.Error(), want) || Hint(err) == "" {
			t.Errorf("%+v: %v, want %q", spec, err, want)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	for _, line := range []string{"0 3 * * *", "*/15 * * * 1-5", "0 0 1 jan 7", "0 3 * * 5-7", "@daily", "TZ=UTC 0 3 * * *"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, err := parseSchedule(line, time.UTC)
		if err != nil {
			if Classify(err) != Usage {
				t.Errorf("%q: %v", line, err)
			}
			return
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if next := s.Next(from); !next.IsZero() && !next.After(from) {
			t.Errorf("%q: after %v comes %v", line, from, next)
		}
	})
}
