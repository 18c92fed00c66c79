package job_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

func verdictOf(t *testing.T, report *job.DoctorReport, name string) job.Check {
	t.Helper()
	i := slices.IndexFunc(report.Vaults[0].Checks, func(c job.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s in %+v", name, report)
	}
	return report.Vaults[0].Checks[i]
}

// What doctor finds out about buckets of each kind: an unversioned one in
// which everything can be replaced is red.
func TestDoctorOnRealStores(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *testenv.S3Server{"versitygw": testenv.S3, "minio": testenv.MinIO} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			r := job.Runner{}
			for bucket, c := range map[string]struct {
				kind    testenv.BucketKind
				want    job.Verdict // of all, without a lock
				locked  job.Verdict // of the check lock, with one
				verdict map[string]job.Verdict
			}{
				"plain":     {testenv.PlainBucket, job.Red, job.Red, map[string]job.Verdict{"overwrite": job.Red, "versioning": job.Yellow}},
				"versioned": {testenv.VersionedBucket, job.Yellow, job.Red, map[string]job.Verdict{"overwrite": job.Yellow, "versioning": job.Green}},
				"locked":    {testenv.LockedBucket, job.Yellow, job.Green, map[string]job.Verdict{"overwrite": job.Yellow, "versioning": job.Green}},
			} {
				server.MakeBucketOf(bucket, c.kind)
				vault := job.Vault{URL: server.URL(bucket, "p")}
				report, err := r.Doctor(t.Context(), job.DoctorRequest{Vaults: []job.Vault{vault}})
				if report == nil || report.Vaults[0].Verdict != c.want {
					t.Fatalf("%s: %+v, %v", bucket, report, err)
				}
				for check, want := range map[string]job.Verdict{"clock": job.Green, "create": job.Green, "read": job.Green, "list": job.Green, "delete": job.Yellow,
					"public": job.Green, "upload": job.Green, "download": job.Green, "overwrite": c.verdict["overwrite"], "versioning": c.verdict["versioning"]} {
					if got := verdictOf(t, report, check); got.Verdict != want {
						t.Errorf("%s: %+v, want %s", bucket, got, want)
					}
				}
				if keys := server.Keys(bucket); len(keys) != 0 || (len(report.Vaults[0].Left) > 0) != (c.kind != testenv.PlainBucket) {
					t.Errorf("%s: %q is there, %q is told", bucket, keys, report.Vaults[0].Left)
				}
				vault.Locks = map[string]job.LockPolicy{"daily": {Mode: "governance", Days: 1}}
				report, _ = r.Doctor(t.Context(), job.DoctorRequest{Vaults: []job.Vault{vault}, NoSpeed: true})
				if got := verdictOf(t, report, "lock"); got.Verdict != c.locked {
					t.Errorf("%s: %+v, want %s", bucket, got, c.locked)
				}
			}
		})
	}
}

// A backup into a vault with locks is locked, whole, until the day it should
// be, and one into a vault that cannot lock is refused.
func TestLocksOnRealStores(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *testenv.S3Server{"versitygw": testenv.S3, "minio": testenv.MinIO} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			server.MakeBucketOf("locked", testenv.LockedBucket)
			server.MakeBucketOf("plain", testenv.PlainBucket)
			r := job.Runner{}
			request := func(bucket, mode string) job.BackupRequest {
				return job.BackupRequest{Source: "-", Job: mode, Tier: "daily", Vaults: []job.Vault{{URL: server.URL(bucket, "p"),
					Access: job.Access{Locks: map[string]job.LockPolicy{"daily": {Mode: mode, Days: 2}}}}}}
			}
			for _, mode := range []string{"governance", "compliance"} {
				r.Stdin = strings.NewReader("some data")
				report, err := r.Backup(t.Context(), request("locked", mode))
				if err != nil {
					t.Fatal(err)
				}
				show, err := r.Show(t.Context(), job.ShowRequest{Backup: report.Vault + "#" + report.Name})
				if err != nil || show.Lock == nil || show.Lock.Mode != mode || time.Until(show.Lock.Until) < 47*time.Hour || time.Until(show.Lock.Until) > 49*time.Hour {
					t.Fatalf("%+v, %v", show, err)
				}
			}
			b, _, err := all.Registry().Open(t.Context(), server.URL("locked", "p"), providers.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			versioner, ok := providers.Feature[providers.Versioner](b)
			if !ok {
				t.Fatal("no versions")
			}
			objects := 0
			for v, err := range versioner.Versions(t.Context(), "p/") {
				if err != nil {
					t.Fatal(err)
				}
				objects++
				if code := server.RemoveVersion("locked", v.Key, v.ID); code == "" {
					t.Errorf("%s could be removed", v.Key)
				}
			}
			if objects < 10 {
				t.Errorf("%d objects", objects)
			}
			r.Stdin = strings.NewReader("some data")
			if _, err := r.Backup(t.Context(), request("plain", "governance")); job.Classify(err) != job.Refused || job.Hint(err) == "" || len(server.Keys("plain")) != 0 {
				t.Errorf("%v, hint %q, %q", err, job.Hint(err), server.Keys("plain"))
			}
		})
	}
}
