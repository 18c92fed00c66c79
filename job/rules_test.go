package job_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

// ruled is a vault in a bucket that keeps lifecycle rules.
type ruled struct {
	t     *testing.T
	url   string
	keys  func() []string
	rules func() providers.Ruler
}

func ruledStores() map[string]func(t *testing.T) ruled {
	ruler := func(t *testing.T, url string) func() providers.Ruler {
		return func() providers.Ruler {
			b, _, err := all.Registry().Open(t.Context(), url, providers.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() }) // nothing is kept in it
			r, ok := providers.Feature[providers.Ruler](b)
			if !ok {
				t.Fatal("no rules")
			}
			return r
		}
	}
	return map[string]func(t *testing.T) ruled{
		"moto": func(t *testing.T) ruled {
			s := testenv.Moto(t)
			s.Setenv(t)
			s.MakeBucket("vault")
			return ruled{t: t, url: s.URL("vault", "p"), keys: func() []string { return s.Keys("vault") }, rules: ruler(t, s.URL("vault", "p"))}
		},
		"minio": func(t *testing.T) ruled {
			s := testenv.MinIO(t)
			s.Setenv(t)
			s.MakeBucket("vault")
			return ruled{t: t, url: s.URL("vault", "p"), keys: func() []string { return s.Keys("vault") }, rules: ruler(t, s.URL("vault", "p"))}
		},
		"gcs": func(t *testing.T) ruled {
			s := testenv.GCS(t)
			s.MakeBucket("vault")
			return ruled{t: t, url: s.URL("vault", "p"), keys: func() []string { return s.Keys("vault") }, rules: ruler(t, s.URL("vault", "p"))}
		},
	}
}

func (r ruled) vault(keep lifecycle.Policy) job.Vault {
	return job.Vault{URL: r.url, Access: job.Access{Retention: keep}}
}

func (r ruled) count(prefix string) (n int) {
	for _, key := range r.keys() {
		if strings.HasPrefix(key, "p/"+prefix) {
			n++
		}
	}
	return n
}

func keeping(daily, weekly int) lifecycle.Policy {
	return lifecycle.Policy{Daily: lifecycle.Keep{Count: daily}, Weekly: lifecycle.Keep{Count: weekly}}
}

func file(t *testing.T, content string) string {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Rules are written, kept, and not made shorter than what backups are promised
// unless each loss is accepted by its name.
func TestApplyRules(t *testing.T) {
	for name, start := range ruledStores() {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			var runner job.Runner
			ctx := t.Context()
			must := func(report *job.PlanReport, err error) *job.PlanReport {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				return report
			}
			if first := must(runner.Apply(ctx, job.PlanRequest{Vault: r.vault(keeping(7, 4))})); len(first.Changes) == 0 || !first.Applied || first.Others != 0 {
				t.Errorf("first: %+v", first)
			}
			if again := must(runner.Plan(ctx, job.PlanRequest{Vault: r.vault(lifecycle.Policy{})})); len(again.Changes) != 0 || again.Retention != "daily=7,weekly=4" {
				t.Errorf("again: %+v", again)
			}
			made, err := runner.Backup(ctx, job.BackupRequest{Source: file(t, "one"), Job: "j", Vaults: []job.Vault{r.vault(lifecycle.Policy{})}})
			if err != nil || made.Tier != "weekly" || made.RestorableUntil == nil || made.RestorableUntil.Before(*made.PromisedUntil) {
				t.Fatalf("backup: %+v, %v", made, err)
			}
			// More is no loss.
			if more := must(runner.Apply(ctx, job.PlanRequest{Vault: r.vault(keeping(10, 4))})); len(more.Losses) != 0 || len(more.Changes) == 0 {
				t.Errorf("more: %+v", more)
			}
			less := job.PlanRequest{Vault: r.vault(keeping(7, 0))}
			plan, err := runner.Apply(ctx, less)
			if job.Classify(err) != job.Refused || plan == nil || len(plan.Losses) != 1 || plan.Losses[0].Backup != made.Name || plan.Applied {
				t.Fatalf("less: %+v, %v", plan, err)
			}
			less.AcceptLoss = []string{made.Name}
			if accepted := must(runner.Apply(ctx, less)); !accepted.Applied || !accepted.Losses[0].Accepted {
				t.Errorf("accepted: %+v", accepted)
			}
			if got := []int{r.count("policy/"), r.count("rules/"), r.count("accepted/")}; !slices.Equal(got, []int{3, 2, 1}) {
				t.Errorf("policies, replaced rules and acceptances: %d", got)
			}
			check, err := runner.CheckRules(ctx, job.PlanRequest{Vault: r.vault(lifecycle.Policy{})})
			if job.Classify(err) != job.Damaged || len(check.Broken) != 1 || check.Series[0].Backups != 1 || check.Series[0].EmptyOn == nil {
				t.Errorf("check: %+v, %v", check, err)
			}
		})
	}
}

// meddling is a store where somebody else writes rules right after us.
type meddling struct {
	providers.Bucket
	ruler providers.Ruler
}

func (m *meddling) Rules(ctx context.Context) (providers.RulesDocument, error) {
	return m.ruler.Rules(ctx)
}

func (m *meddling) SetRules(ctx context.Context, doc providers.RulesDocument) error {
	if err := m.ruler.SetRules(ctx, doc); err != nil {
		return err
	}
	there, err := m.ruler.Rules(ctx)
	if err != nil {
		return err
	}
	there.Body = []byte(`{"rule":[{"action":{"type":"Delete"},"condition":{"age":1}}]}`)
	return m.ruler.SetRules(ctx, there)
}

// Rules that somebody else replaces at once are noticed when they are read
// again, and no policy is stored that nothing keeps.
func TestApplyIsUndoneBySomebodyElse(t *testing.T) {
	r := ruledStores()["gcs"](t)
	runner := job.Runner{Registry: providers.Registry{"gs": func(ctx context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
		b, prefix, err := all.Registry()["gs"](ctx, u, o)
		if err != nil {
			return nil, "", err
		}
		ruler, _ := providers.Feature[providers.Ruler](b)
		return &meddling{b, ruler}, prefix, nil
	}}}
	report, err := runner.Apply(t.Context(), job.PlanRequest{Vault: r.vault(keeping(7, 4))})
	if !errors.Is(err, providers.ErrChanged) || report.Applied || r.count("policy/") != 0 || job.Hint(err) == "" {
		t.Errorf("%+v, %v", report, err)
	}
}

// What cannot be planned is refused with a reason.
func TestPlanNeedsAPolicy(t *testing.T) {
	r := ruledStores()["gcs"](t)
	var runner job.Runner
	if _, err := runner.Plan(t.Context(), job.PlanRequest{Vault: r.vault(lifecycle.Policy{})}); job.Classify(err) != job.Usage || job.Hint(err) == "" {
		t.Errorf("no policy: %v", err)
	}
	var body []string
	for i := range 100 {
		body = append(body, fmt.Sprintf(`{"action":{"type":"Delete"},"condition":{"age":%d,"matchesPrefix":["x/"]}}`, i+1))
	}
	doc, err := r.rules().Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	doc.Body = []byte(`{"rule":[` + strings.Join(body, ",") + `]}`)
	if err := r.rules().SetRules(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	if _, err := runner.Plan(t.Context(), job.PlanRequest{Vault: r.vault(keeping(7, 0))}); job.Classify(err) != job.Usage || !strings.Contains(err.Error(), "it takes 100") {
		t.Errorf("too many rules: %v", err)
	}
}
