package job_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

// thawTakes says how often moto must be asked about an object until it thaws,
// and then until it has thawed. Before it thaws moto says that it has.
func thawTakes(t *testing.T, s *testenv.S3Server, looks int) {
	t.Helper()
	transition := fmt.Sprintf(`{"progression": "manual", "times": %d}`, looks)
	resp, err := http.Post(s.Endpoint+"/moto-api/state-manager/set-transition", "application/json",
		strings.NewReader(`{"model_name": "s3::keyrestore", "transition": `+transition+`}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s, %v", resp.Status, err)
	}
}

// archived is a vault whose data is in an archive class, with one backup.
func archived(t *testing.T, class string) (s *testenv.S3Server, v job.Vault, content []byte) {
	t.Helper()
	s = testenv.Moto(t)
	s.Setenv(t)
	s.MakeBucket("vault")
	content = bytes.Repeat([]byte("archived "), 1<<20)
	url := s.URL("vault", "p") + "&storage_class=" + class
	r := &job.Runner{Tuning: job.Tuning{Segment: 4 << 20, Chunk: 1 << 20}}
	v = job.Vault{URL: url, Access: job.Access{Retention: lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}}}}
	if _, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, string(content)), Vaults: []job.Vault{v}, Job: "s"}); err != nil {
		t.Fatal(err)
	}
	return s, v, content
}

// Nothing is written before everything can be read: what is archived is told,
// asked for, waited for.
func TestThaw(t *testing.T) {
	s, v, content := archived(t, "GLACIER")
	r := &job.Runner{PollEvery: time.Millisecond}
	target := filepath.Join(t.TempDir(), "back")
	req := job.RestoreRequest{Backup: v.URL + "#latest", Access: v.Access, Target: target}

	report, err := r.Restore(t.Context(), req)
	if !errors.Is(err, providers.ErrFrozen) || job.Classify(err) != job.Failed || !strings.Contains(job.Hint(err), "--thaw") {
		t.Fatalf("%v, %s", err, job.Hint(err))
	}
	if th := report.Thaw; th == nil || th.Class != "GLACIER" || th.Objects != 3 || th.Thawing != 3 || th.Asked != 0 || th.Bytes == 0 {
		t.Errorf("%+v", report.Thaw)
	}
	if _, err := r.Verify(t.Context(), job.VerifyRequest{Backup: req.Backup, Access: v.Access}); err != nil {
		t.Errorf("nothing of the data is read: %v", err)
	}
	if verify, err := r.Verify(t.Context(), job.VerifyRequest{Backup: req.Backup, Access: v.Access, Sample: 1}); !errors.Is(err, providers.ErrFrozen) || verify.OK {
		t.Errorf("verify: %v", err)
	}

	thawTakes(t, s, 1)
	req.Thaw = job.Thaw{Ask: true}
	report, err = r.Restore(t.Context(), req)
	if job.Classify(err) != job.Partial || !strings.Contains(job.Hint(err), "again after") {
		t.Fatalf("%v, %s", err, job.Hint(err))
	}
	if th := report.Thaw; th.Asked != 3 || th.Thawing != 3 || th.Hours != 5 || th.ReadyBy == nil || time.Until(*th.ReadyBy).Round(time.Hour) != 5*time.Hour {
		t.Errorf("%+v", report.Thaw)
	}
	if _, err := os.Stat(target); !os.IsNotExist(err) {
		t.Error("there is something at the target")
	}

	// It is on its way, so nothing is asked for twice; whoever waits gets it.
	thawTakes(t, s, 3)
	req.Thaw.Wait = time.Hour
	report, err = r.Restore(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if th := report.Thaw; th.Asked != 0 || th.Thawing != 0 || th.Objects != 3 {
		t.Errorf("%+v", th)
	}
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, content) {
		t.Errorf("other bytes, %v", err)
	}
	if verify, err := r.Verify(t.Context(), job.VerifyRequest{Backup: req.Backup, Access: v.Access, Sample: 1}); err != nil || !verify.OK {
		t.Errorf("verify: %v", err)
	}
}

// What waits can be ended.
func TestThawIsEnded(t *testing.T) {
	s, v, _ := archived(t, "GLACIER")
	thawTakes(t, s, 1)
	r := &job.Runner{PollEvery: time.Hour}
	req := job.RestoreRequest{Backup: v.URL + "#latest", Access: v.Access, Target: filepath.Join(t.TempDir(), "back"), Thaw: job.Thaw{Ask: true}}
	if _, err := r.Restore(t.Context(), req); job.Classify(err) != job.Partial {
		t.Fatal(err)
	}
	thawTakes(t, s, 9)
	req.Thaw.Wait = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := r.Restore(ctx, req)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// What rules remove before it has thawed is not asked for, unless it is faster.
func TestThawTooLate(t *testing.T) {
	s, v, _ := archived(t, "DEEP_ARCHIVE")
	thawTakes(t, s, 1)
	setRules(t, v.URL, `<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>p/</Prefix></Filter>`+
		`<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)
	req := job.RestoreRequest{Backup: v.URL + "#latest", Access: v.Access, Target: filepath.Join(t.TempDir(), "back"), Thaw: job.Thaw{Ask: true, Priority: "bulk"}}
	report, err := (&job.Runner{}).Restore(t.Context(), req)
	if job.Classify(err) != job.Refused || report.Thaw.Asked != 0 || !strings.Contains(err.Error(), "theirs") || !strings.Contains(job.Hint(err), "hold") {
		t.Errorf("%v, %s", err, job.Hint(err))
	}
	req.Thaw.Priority = "standard"
	if report, err = (&job.Runner{}).Restore(t.Context(), req); job.Classify(err) != job.Partial || report.Thaw.Asked != 3 {
		t.Errorf("%v", err)
	}
}

func setRules(t *testing.T, url, body string) {
	t.Helper()
	b, _, err := all.Registry().Open(t.Context(), url, providers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ruler, ok := providers.Feature[providers.Ruler](b)
	if !ok {
		t.Fatal("no rules")
	}
	err = ruler.SetRules(t.Context(), providers.RulesDocument{Store: lifecycle.S3, Body: []byte(body)})
	if err = errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
}

// Holds are set on every object, the manifest's last, and taken off.
func TestHold(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *testenv.S3Server{"moto": testenv.Moto, "minio": testenv.MinIO} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.Setenv(t)
			s.MakeBucketOf("vault", testenv.LockedBucket)
			s.MakeBucket("plain")
			v := job.Vault{URL: s.URL("vault", "p")}
			r := &job.Runner{}
			if _, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, "held"), Vaults: []job.Vault{v}, Job: "s"}); err != nil {
				t.Fatal(err)
			}
			req := job.HoldRequest{Backup: v.URL + "#latest"}
			for range 2 {
				report, err := r.Hold(t.Context(), req)
				if err != nil || !report.Held || report.Objects != len(s.Keys("vault")) {
					t.Fatalf("%+v, %v", report, err)
				}
			}
			if shown, err := r.Show(t.Context(), job.ShowRequest{Backup: req.Backup}); err != nil || !shown.Held {
				t.Errorf("%v", err)
			}
			req.Release = true
			if report, err := r.Hold(t.Context(), req); err != nil || report.Held {
				t.Fatalf("%+v, %v", report, err)
			}
			if shown, err := r.Show(t.Context(), job.ShowRequest{Backup: req.Backup}); err != nil || shown.Held {
				t.Errorf("%v", err)
			}
			// A hold of what has lost something says so.
			for _, key := range s.Keys("vault") {
				if strings.Contains(key, "/data/") {
					s.RemoveObject("vault", key)
				}
			}
			req.Release = false
			if report, err := r.Hold(t.Context(), req); job.Classify(err) != job.Damaged || report == nil {
				t.Errorf("%v", err)
			}

			// A bucket without locks has no holds.
			plain := job.Vault{URL: s.URL("plain", "p")}
			if _, err := r.Backup(t.Context(), job.BackupRequest{Source: file(t, "held"), Vaults: []job.Vault{plain}, Job: "s"}); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Hold(t.Context(), job.HoldRequest{Backup: plain.URL + "#latest"}); job.Classify(err) != job.Refused || job.Hint(err) == "" {
				t.Errorf("%v, %s", err, job.Hint(err))
			}
		})
	}
}

// What freezes again within a day is asked for once more before it is read.
func TestThawAgain(t *testing.T) {
	s, v, _ := archived(t, "GLACIER")
	r := &job.Runner{}
	req := job.RestoreRequest{Backup: v.URL + "#latest", Access: v.Access, Target: filepath.Join(t.TempDir(), "back"), Thaw: job.Thaw{Ask: true, Days: 1}}
	for i, asked := range []int{3, 3} {
		thawTakes(t, s, 1)
		report, err := r.Restore(t.Context(), req)
		if i == 0 {
			if job.Classify(err) != job.Partial || report.Thaw.Asked != asked {
				t.Fatalf("%+v, %v", report, err)
			}
			continue
		}
		if err != nil || report.Thaw.Asked != asked || report.Thaw.Thawing != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	}
}
