package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/lifecycle"
)

// What stays longer than the vault keeps it, and is charged for, is a warning
// until it is put right.
func TestCheckWarnings(t *testing.T) {
	s := testenv.GCS(t)
	s.MakeBucketWith("vault", testenv.GCSOptions{Versioned: true, Retention: true, SoftDelete: 7 * 24 * time.Hour})
	v := func(keep lifecycle.Policy) job.Vault {
		return job.Vault{URL: s.URL("vault", "p"), Access: job.Access{Retention: keep}}
	}
	r := &job.Runner{}
	check := func(keep lifecycle.Policy) string {
		t.Helper()
		report, err := r.CheckRules(t.Context(), job.PlanRequest{Vault: v(keep)})
		if report == nil || job.Classify(err) == job.Damaged || len(report.Warnings) > 0 && job.Classify(err) != job.Partial {
			t.Fatalf("%+v, %v", report, err)
		}
		return strings.Join(report.Warnings, "\n")
	}
	wants := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("no word of %q in:\n%s", w, text)
			}
		}
		if len(want) != strings.Count(text, "\n")+1 {
			t.Errorf("%d warnings are wanted:\n%s", len(want), text)
		}
	}
	const soft = "for 7 more days, unseen"

	locked := v(keeping(7, 0))
	locked.Locks = map[string]job.LockPolicy{"daily": {Mode: "governance", Days: 8}}
	if _, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, "one"), Job: "j", Vaults: []job.Vault{locked}, Tier: "daily"}); job.Classify(err) != job.Partial && err != nil {
		t.Fatal(err)
	}
	wants(check(keeping(7, 0)), soft, `older versions, and no rule removes those below "p/daily/catalog/"`, `below "p/daily/data/"`)
	if _, err := r.Apply(t.Context(), job.PlanRequest{Vault: v(keeping(7, 0))}); err != nil {
		t.Fatal(err)
	}
	wants(check(lifecycle.Policy{}), soft)

	// A lock that is longer than the rules of somebody else leave it.
	theirs := `{"action":{"type":"Delete"},"condition":{"age":5,"matchesPrefix":["p/daily/"]}}`
	live := string(s.Lifecycle("vault"))
	s.SetLifecycle("vault", []byte(strings.Replace(live, `"rule":[`, `"rule":[`+theirs+`,`, 1)))
	report, _ := r.CheckRules(t.Context(), job.PlanRequest{Vault: v(lifecycle.Policy{})})
	if text := strings.Join(report.Warnings, "\n"); !strings.Contains(text, "is locked until") || !strings.Contains(text, "stays until the lock ends") {
		t.Errorf("lock: %s", text)
	}
	s.SetLifecycle("vault", []byte(live))

	// A tier of which nothing is kept any more, and whose rules are gone.
	if _, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, "two"), Job: "k", Vaults: []job.Vault{v(lifecycle.Policy{})}, Tier: "hourly"}); err != nil {
		t.Fatal(err)
	}
	wants(check(lifecycle.Policy{}), soft, `hourly has 1 backups, nothing of it is kept any more, and no rule removes what is below "p/hourly/catalog/"`,
		`below "p/hourly/data/": it stays`, `older versions, and no rule removes those below "p/hourly/catalog/"`, `older versions, and no rule removes those below "p/hourly/data/"`)
}
