package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/lifecycle"
)

// Whether a store runs the rules that it keeps shows by a canary, in time.
func TestDoctorRules(t *testing.T) {
	s := testenv.GCS(t)
	s.MakeBucket("vault")
	v := job.Vault{URL: s.URL("vault", "p"), Access: job.Access{Retention: lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}}}}
	var later time.Duration
	r := &job.Runner{Now: func() time.Time { return time.Now().Add(later) }}
	wants := func(verdict job.Verdict, words string) {
		t.Helper()
		report, err := r.Doctor(t.Context(), job.DoctorRequest{Vaults: []job.Vault{v}, NoSpeed: true})
		if report == nil {
			t.Fatal(err)
		}
		for _, c := range report.Vaults[0].Checks {
			if c.Name == "rules" && (c.Verdict != verdict || !strings.Contains(c.Detail, words)) {
				t.Errorf("%+v", c)
			}
		}
	}
	canaries := func() (there []string) {
		for _, key := range s.Keys("vault") {
			if strings.HasPrefix(key, "p/doctor/canary/") {
				there = append(there, key)
			}
		}
		return there
	}
	wants(job.Unknown, "lifecycle apply")
	if _, err := r.Apply(t.Context(), job.PlanRequest{Vault: v}); err != nil {
		t.Fatal(err)
	}
	wants(job.Unknown, "must be gone by")
	wants(job.Unknown, "must be gone by")
	later = 3 * 24 * time.Hour
	wants(job.Unknown, "must be gone by")
	if there := canaries(); len(there) != 1 {
		t.Fatalf("%q", there)
	}
	later = 5 * 24 * time.Hour
	wants(job.Yellow, "does not run them")
	s.RemoveObject("vault", canaries()[0])
	wants(job.Green, "is gone")
	if there := canaries(); len(there) != 0 {
		t.Errorf("another one was placed at once: %q", there)
	}
	later = 31 * 24 * time.Hour
	wants(job.Green, "is gone")
	if there := canaries(); len(there) != 1 {
		t.Errorf("%q", there)
	}
	// Neither is a backup, nor does it change what the rules are to be.
	if list, err := (&job.Runner{}).List(t.Context(), job.ListRequest{Vault: v}); err != nil || len(list.Backups) != 0 || list.Ignored != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if plan, err := (&job.Runner{}).Plan(t.Context(), job.PlanRequest{Vault: v}); err != nil || len(plan.Changes) != 0 || plan.Others != 0 {
		t.Errorf("%+v, %v", plan, err)
	}
}
