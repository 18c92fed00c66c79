package job

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot"
)

// fragile is a store that takes so many objects and then fails.
type fragile struct {
	providers.Bucket
	left *atomic.Int32
}

var errFragile = errors.New("it broke")

func (f fragile) Put(ctx context.Context, key string, body providers.Body) error {
	if f.left.Add(-1) < 0 {
		return &providers.Error{Op: "put", Key: key, Err: errFragile, Hint: "mend it"}
	}
	return f.Bucket.Put(ctx, key, body)
}

// several is a Runner over folders, of which those below the scheme
// fragile:// take left objects.
func several(left *atomic.Int32) *Runner {
	r := &Runner{Progress: &Progress{}, Tuning: Tuning{Segment: 64 << 10, Chunk: 16 << 10, Tries: 1}, Registry: providers.Registry{}}
	file := (&Runner{}).newSession().Registry[providers.SchemeFile]
	r.Registry[providers.SchemeFile] = file
	r.Registry["fragile"] = func(ctx context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
		b, prefix, err := file(ctx, &url.URL{Scheme: providers.SchemeFile, Path: u.Path}, o)
		return fragile{b, left}, prefix, err
	}
	return r
}

func patterned(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *Runner) listed(t *testing.T, vault string) []Backup {
	t.Helper()
	report, err := r.List(t.Context(), ListRequest{Vault: Vault{URL: vault}})
	if err != nil {
		t.Fatal(err)
	}
	return report.Backups
}

// A vault that breaks in the middle is told of, with its hint, while the
// other is complete; the next run, at another instant, catches it up with the
// same backup and leaves the other alone.
func TestVaultBreaks(t *testing.T) {
	var left atomic.Int32
	left.Store(4)
	r := several(&left)
	source, good, bad := patterned(t, 1<<20), filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "bad")
	req := BackupRequest{Source: source, Job: "s", Tier: "daily", Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
		Vaults: []Vault{{URL: good, Name: "here"}, {URL: "fragile://" + bad, Name: "there"}}}
	first, err := r.Backup(t.Context(), req)
	if Classify(err) != Partial || !strings.Contains(err.Error(), "fragile://"+bad) || !strings.Contains(Hint(err), "mend it") {
		t.Fatalf("%v (%s)", err, Hint(err))
	}
	if len(first.Vaults) != 2 || !first.Vaults[0].OK || first.Vaults[1].OK || first.Vaults[1].Complete || first.Vaults[1].Configured != "there" ||
		first.Vaults[1].Hint != "mend it" || first.Vaults[1].Name != first.Name || first.Vault != good {
		t.Errorf("%+v", first)
	}
	if status := r.Progress.Status(); status.Done != 1<<20 || status.Total != 1<<20 {
		t.Errorf("%+v", status)
	}
	left.Store(1000)
	req.Time = req.Time.Add(24 * time.Hour)
	second, err := r.Backup(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if second.Name != first.Name || second.Vaults[1].Name != first.Name || !second.Vaults[1].Resumed || len(second.Levels) != 0 || second.Vaults[1].Levels["fastest"] == 0 {
		t.Errorf("%+v", second)
	}
	for _, vault := range []string{good, bad} {
		if got := r.listed(t, vault); len(got) != 1 || got[0].Name != first.Name {
			t.Errorf("%s: %+v", vault, got)
		}
	}
	third, err := r.Backup(t.Context(), req)
	if err != nil || third.Name == first.Name {
		t.Errorf("with nothing to catch up, the next run made %v, %v", third, err)
	}
}

// When no vault has the backup, the error is that of the first.
func TestAllVaultsBreak(t *testing.T) {
	var left atomic.Int32
	r := several(&left)
	source := patterned(t, 1<<16)
	report, err := r.Backup(t.Context(), BackupRequest{Source: source,
		Vaults: []Vault{{URL: "fragile://" + t.TempDir()}, {URL: "fragile://" + t.TempDir()}}})
	if report != nil || Classify(err) != Failed || !errors.Is(err, errFragile) {
		t.Errorf("%+v, %v", report, err)
	}
	left.Store(1000)
	if _, err := r.Backup(t.Context(), BackupRequest{Source: filepath.Join(t.TempDir(), "none"),
		Vaults: []Vault{{URL: t.TempDir()}, {URL: t.TempDir()}}}); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("no source: %v", err)
	}
}

// A source that belongs to another series in one vault is refused there alone.
func TestRefusedInOneVault(t *testing.T) {
	var left atomic.Int32
	r := several(&left)
	a, b := t.TempDir(), t.TempDir()
	if _, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 100), Job: "s", Vaults: []Vault{{URL: b}}}); err != nil {
		t.Fatal(err)
	}
	report, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 100), Job: "s", Vaults: []Vault{{URL: a}, {URL: b}}})
	if Classify(err) != Partial || !strings.Contains(err.Error(), archive.ErrRefused.Error()) || !strings.Contains(Hint(err), "--adopt") || !report.Complete {
		t.Errorf("%+v, %v, %s", report, err, Hint(err))
	}
}

// quitting is a store that ends the run when it is given a manifest.
type quitting struct {
	providers.Bucket
	quit func()
}

func (q quitting) Put(ctx context.Context, key string, body providers.Body) error {
	if strings.HasSuffix(key, "/manifest.json") {
		q.quit()
		return ctx.Err()
	}
	return q.Bucket.Put(ctx, key, body)
}

// A run that was ended is interrupted, also if one vault was done before.
func TestCancelWithSeveralVaults(t *testing.T) {
	var left atomic.Int32
	r := several(&left)
	good, source := t.TempDir(), patterned(t, 1<<16)
	req := BackupRequest{Source: source, Job: "s", Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), Vaults: []Vault{{URL: good}}}
	if _, err := r.Backup(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.Registry["quit"] = func(ctx context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
		b, prefix, err := r.Registry[providers.SchemeFile](ctx, &url.URL{Scheme: providers.SchemeFile, Path: u.Path}, o)
		return quitting{b, cancel}, prefix, err
	}
	req.Vaults = append(req.Vaults, Vault{URL: "quit://" + t.TempDir()})
	report, err := r.Backup(ctx, req)
	if Classify(err) != Interrupted || report == nil || !report.Vaults[0].OK || report.Vaults[1].OK {
		t.Errorf("%+v, %v", report, err)
	}
}

// A copy that fails in one vault is partly done; what is wrong with the source
// is the source's fault in all.
func TestCopyClasses(t *testing.T) {
	var left atomic.Int32
	left.Store(3)
	r := several(&left)
	from, to, bad := t.TempDir(), t.TempDir(), t.TempDir()
	if _, err := r.Backup(t.Context(), BackupRequest{Source: patterned(t, 1<<18), Job: "s", Vaults: []Vault{{URL: from}}}); err != nil {
		t.Fatal(err)
	}
	req := CopyRequest{Backup: from + "#latest", Vaults: []Vault{{URL: "fragile://" + bad}, {URL: to}}, Tier: "yearly"}
	report, err := r.Copy(t.Context(), req)
	if Classify(err) != Partial || !strings.Contains(Hint(err), "mend it") || len(report.Copies) != 2 || report.Copies[0].OK || !report.Copies[1].OK ||
		report.Tier != "manual" || report.Copies[1].Tier != "yearly" || !report.Complete {
		t.Errorf("%+v, %v", report, err)
	}
	if got := r.listed(t, bad); len(got) > 0 {
		t.Errorf("a partial copy is listed: %+v", got)
	}
	left.Store(1000)
	if report, err = r.Copy(t.Context(), req); err != nil || !report.Copies[0].Resumed || !report.Copies[1].Resumed || report.Copies[1].ReusedBytes != 1<<18 {
		t.Errorf("again: %+v, %v", report, err)
	}
	found, err := filepath.Glob(filepath.Join(from, "manual/data/s/*/*/*.zst"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	if err := os.Remove(found[0]); err != nil {
		t.Fatal(err)
	}
	req.Tier = "weekly"
	if report, err := r.Copy(t.Context(), req); report != nil || Classify(err) != Damaged || !strings.Contains(err.Error(), filepath.Base(found[0])) {
		t.Errorf("%+v, %v", report, err)
	}
}
