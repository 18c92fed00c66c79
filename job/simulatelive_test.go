package job_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/lifecycle"
)

// A simulation of a vault begins with what is in it, and goes by the rules that
// are in force, whoever made them.
func TestSimulateLive(t *testing.T) {
	s := testenv.GCS(t)
	s.MakeBucket("vault")
	v := job.Vault{URL: s.URL("vault", "p"), Access: job.Access{Retention: lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}}}}
	r := &job.Runner{}
	if _, err := r.Apply(t.Context(), job.PlanRequest{Vault: v}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.SimulateLive(t.Context(), v, "", job.SimulateRequest{Days: 5, Schedule: "0 3 * * *"}); job.Classify(err) != job.Usage || !strings.Contains(job.Hint(err), "--series") {
		t.Errorf("an empty vault: %v", err)
	}
	made, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, "one"), Job: "j", Vaults: []job.Vault{v}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, "two"), Job: "k", Vaults: []job.Vault{v}, Tier: "manual"}); err != nil {
		t.Fatal(err)
	}
	var svg bytes.Buffer
	request := job.SimulateRequest{Days: 30, Schedule: "0 3 * * *", On: time.Now().UTC().AddDate(0, 0, 1), Chart: &svg}
	if _, err := r.SimulateLive(t.Context(), v, "", request); job.Classify(err) != job.Usage || !strings.Contains(job.Hint(err), "j, k") {
		t.Errorf("two series: %v", err)
	}
	report, err := r.SimulateLive(t.Context(), v, "j", request)
	if err != nil {
		t.Fatal(err)
	}
	first := report.Points[0]
	if !first.Time.Equal(made.Time) || first.RestorableUntil == nil || !first.RestorableUntil.Equal(*made.RestorableUntil) || len(first.Stands) != 1 {
		t.Errorf("%+v", first)
	}
	// Seven whole days, the current one, and the one that is half over at the
	// end of a day.
	if last := report.Days[len(report.Days)-1]; last.Points != 8 || len(report.Days) != 30 || report.On == nil || len(report.On.Points) == 0 || !strings.Contains(svg.String(), "<svg") {
		t.Errorf("%+v", last)
	}
	// Somebody else's rule counts.
	live := string(s.Lifecycle("vault"))
	s.SetLifecycle("vault", []byte(strings.Replace(live, `"rule":[`, `"rule":[{"action":{"type":"Delete"},"condition":{"age":3}},`, 1)))
	request.Chart = nil
	if report, err = r.SimulateLive(t.Context(), v, "j", request); err != nil {
		t.Fatal(err)
	}
	if last := report.Days[len(report.Days)-1]; last.Points != 3 || !report.Points[0].RestorableUntil.Before(*made.RestorableUntil) {
		t.Errorf("%+v, %+v", last, report.Points[0])
	}
}
