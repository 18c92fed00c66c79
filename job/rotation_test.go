package job

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
)

func weekly() Access {
	return Access{Retention: lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}, Weekly: lifecycle.Keep{Count: 4}}}
}

// What is promised goes by the store's clock, so one that is far from ours is
// refused before anything is written.
func TestClocksApart(t *testing.T) {
	for _, skew := range []time.Duration{-6 * time.Minute, 6 * time.Minute, time.Minute} {
		c := healthy()
		c.skew = skew
		r, _ := patient(t, c)
		_, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 1000), Vaults: []Vault{{URL: "s3://x", Access: weekly()}}})
		if skew == time.Minute {
			if err != nil {
				t.Errorf("%v apart: %v", skew, err)
			}
			continue
		}
		if Classify(err) != Refused || !errors.Is(err, archive.ErrRefused) || !strings.Contains(err.Error(), "the clocks differ by ") || Hint(err) == "" {
			t.Errorf("%v apart: %v, hint %q", skew, err, Hint(err))
		}
		if backups, err := r.List(t.Context(), ListRequest{Vault: Vault{URL: "s3://x"}, Incomplete: true}); err != nil || len(backups.Backups) > 0 {
			t.Errorf("%v apart: something was begun: %+v, %v", skew, backups, err)
		}
	}
}

// Several vaults decide for themselves what the same backup stands for.
func TestEachVaultPromisesByItself(t *testing.T) {
	r := several(new(atomic.Int32))
	first, second := t.TempDir(), t.TempDir()
	if _, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 1000), Job: "j", Adopt: true, Vaults: []Vault{{URL: first, Access: weekly()}}}); err != nil {
		t.Fatal(err)
	}
	report, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 2000), Job: "j", Adopt: true,
		Vaults: []Vault{{URL: first, Access: weekly()}, {URL: second, Access: weekly()}, {URL: t.TempDir()}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"daily", "weekly", "manual"} {
		v := report.Vaults[i]
		if v.Tier != want || (v.PromisedUntil == nil) != (want == "manual") || (v.RestorableUntil == nil) != (want == "manual") {
			t.Errorf("vault %d: in %s for %v until %v, restorable until %v", i, v.Tier, v.Stands, v.PromisedUntil, v.RestorableUntil)
		}
	}
}

// A backup of which rules may have removed something is not listed, unless it
// is asked for.
func TestListLeavesOutWhatMayBeGone(t *testing.T) {
	r := several(new(atomic.Int32))
	vault := Vault{URL: t.TempDir(), Access: weekly()}
	for i := range 2 {
		if _, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 1000*(i+1)), Job: "j", Adopt: true, Vaults: []Vault{vault}}); err != nil {
			t.Fatal(err)
		}
	}
	r.Now = func() time.Time { return time.Now().AddDate(0, 0, 10) } // the daily is gone, the weekly not
	report, err := r.List(t.Context(), ListRequest{Vault: vault})
	if err != nil || len(report.Backups) != 1 || report.Backups[0].Tier != "weekly" || report.Expiring != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	report, err = r.List(t.Context(), ListRequest{Vault: vault, Expiring: true})
	if err != nil || len(report.Backups) != 2 || report.Expiring != 0 {
		t.Errorf("with all: %+v, %v", report, err)
	}
	// Where nothing is kept for a time, nothing goes.
	if report, err := r.List(t.Context(), ListRequest{Vault: Vault{URL: vault.URL}}); err != nil || len(report.Backups) != 2 {
		t.Errorf("without a policy: %+v, %v", report, err)
	}
}
