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

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// ending is a store in which so many objects can be removed, and no more.
type ending struct {
	providers.Bucket
	left *atomic.Int32
}

func (e ending) Delete(ctx context.Context, key string) error {
	if e.left.Add(-1) < 0 {
		return &providers.Error{Op: "delete", Key: key, Err: errFragile, Hint: "mend it"}
	}
	return e.Bucket.Delete(ctx, key)
}

// old is a vault in a folder with a backup a day, made at a time of its own.
type old struct {
	t     *testing.T
	r     *Runner
	vault Vault
	now   time.Time
	left  atomic.Int32
}

func newOld(t *testing.T, days int) *old {
	o := &old{t: t, vault: Vault{URL: t.TempDir(), Access: weekly()}, now: time.Now().UTC().AddDate(0, 0, -days)}
	o.left.Store(1 << 30)
	file := (&Runner{}).newSession().Registry[providers.SchemeFile]
	o.r = &Runner{Tuning: Tuning{Segment: 64 << 10, Chunk: 16 << 10, Tries: 1}, Now: func() time.Time { return o.now },
		Registry: providers.Registry{providers.SchemeFile: func(ctx context.Context, u *url.URL, opts providers.Options) (providers.Bucket, string, error) {
			b, prefix, err := file(ctx, u, opts)
			return ending{b, &o.left}, prefix, err
		}}}
	source := patterned(t, 100_000)
	for i := range days {
		if err := os.Chtimes(source, o.now, o.now); err != nil { // another state of the source
			t.Fatal(err)
		}
		if _, err := o.r.Backup(t.Context(), BackupRequest{Source: source, Job: "j", Vaults: []Vault{o.vault}}); err != nil {
			t.Fatalf("day %d: %v", i, err)
		}
		o.age()
		o.now = o.now.AddDate(0, 0, 1)
	}
	return o
}

// age gives the files that are younger than the time of the test that time.
func (o *old) age() {
	err := filepath.WalkDir(o.vault.URL, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.ModTime().After(o.now) {
			err = os.Chtimes(path, o.now, o.now)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// prune runs and returns what it says goes.
func (o *old) prune(confirm bool) (*PruneReport, []string, error) {
	report, err := o.r.Prune(o.t.Context(), PruneRequest{Vault: o.vault, KeepLast: 1, Confirm: confirm})
	var goes []string
	if report != nil {
		for _, b := range report.Backups {
			if b.Remove {
				goes = append(goes, b.Backup)
			}
		}
	}
	return report, goes, err
}

// backups are all that rules would leave, each verified to the last byte.
func (o *old) backups() (names []string) {
	o.t.Helper()
	report, err := o.r.List(o.t.Context(), ListRequest{Vault: o.vault})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, b := range report.Backups {
		if v, err := o.r.Verify(o.t.Context(), VerifyRequest{Backup: o.vault.URL + "#" + b.Name, Sample: 1}); err != nil {
			o.t.Errorf("%s: %+v, %v", b.Name, v, err)
		}
		names = append(names, b.Name)
	}
	return names
}

func (o *old) files() (n int) {
	err := filepath.WalkDir(o.vault.URL, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// What goes is what the rules of a bucket would have removed, and what stays
// is whole.
func TestPrune(t *testing.T) {
	o := newOld(t, 40)
	stay, files := o.backups(), o.files()
	report, goes, err := o.prune(false)
	if err != nil || len(goes) == 0 || len(goes)+len(stay) != 40 || o.files() != files || report.Removed != 0 {
		t.Fatalf("dry: %d go, %d stay, %d files of %d, %+v, %v", len(goes), len(stay), o.files(), files, report, err)
	}
	for _, name := range goes {
		for _, other := range stay {
			if name == other {
				t.Errorf("%s is restorable by the rules, and goes", name)
			}
		}
	}
	report, _, err = o.prune(true)
	if err != nil || report.Removed != len(goes) || report.Objects != files-o.files() || report.Bytes == 0 {
		t.Fatalf("confirmed: %+v, %v", report, err)
	}
	if left := o.backups(); strings.Join(left, " ") != strings.Join(stay, " ") {
		t.Errorf("left %q, want %q", left, stay)
	}
	if report, goes, err := o.prune(true); err != nil || len(goes) != 0 || report.Objects != 0 {
		t.Errorf("again: %q, %v", goes, err)
	}
	newest := stay[len(stay)-1]
	// Years later only the last is left, though it expired.
	o.now = o.now.AddDate(3, 0, 0)
	if _, _, err := o.prune(true); err != nil {
		t.Fatal(err)
	}
	all, err := o.r.List(t.Context(), ListRequest{Vault: o.vault, Expiring: true, Incomplete: true})
	if err != nil || len(all.Backups) != 1 || all.Backups[0].Name != newest {
		t.Errorf("at last: %+v, %v", all, err)
	}
}

// A run that is ended after any removal leaves nothing half visible, and the
// next one does the rest.
func TestPruneEndsAnywhere(t *testing.T) {
	for _, n := range []int32{0, 1, 2, 3, 4, 5, 6, 7, 11} {
		o := newOld(t, 12)
		stay := o.backups()
		o.left.Store(n)
		if _, _, err := o.prune(true); !errors.Is(err, errFragile) {
			t.Fatalf("after %d: %v", n, err)
		}
		for _, b := range o.backups() {
			if !strings.Contains(strings.Join(stay, " "), b) {
				t.Errorf("after %d: %s is listed", n, b)
			}
		}
		o.left.Store(1 << 30)
		if _, _, err := o.prune(true); err != nil {
			t.Fatal(err)
		}
		if left := o.backups(); strings.Join(left, " ") != strings.Join(stay, " ") {
			t.Errorf("after %d: left %q, want %q", n, left, stay)
		}
		o.keysWithoutBackup(stay)
	}
}

// keysWithoutBackup finds objects of what is no backup any more.
func (o *old) keysWithoutBackup(stay []string) {
	o.t.Helper()
	err := filepath.WalkDir(o.vault.URL, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(o.vault.URL, path)
		parts := strings.Split(filepath.ToSlash(rel), "/") // TIER/ROOM/SERIES/ID/…
		if len(parts) > 4 && !strings.Contains(strings.Join(stay, " "), parts[0]+"/"+parts[2]+"/"+parts[3]) {
			o.t.Errorf("%s is left", rel)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// What was begun and given up goes once no upload may take so long; what may
// still be made stays.
func TestPruneIncomplete(t *testing.T) {
	o := newOld(t, 2)
	manifests, err := filepath.Glob(filepath.Join(o.vault.URL, "*/catalog/j/*/manifest.json"))
	if err != nil || len(manifests) != 2 {
		t.Fatal(manifests, err)
	}
	if err := os.Remove(manifests[0]); err != nil {
		t.Fatal(err)
	}
	o.now = time.Now()
	run := func() *PruneReport {
		t.Helper()
		report, err := o.r.Prune(t.Context(), PruneRequest{Vault: Vault{URL: o.vault.URL}, KeepLast: 1, Incomplete: true, Confirm: true})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if report := run(); report.Removed != 0 {
		t.Errorf("at once: %+v", report)
	}
	o.now = o.now.Add(lifecycle.DefaultMaxUpload + time.Minute)
	if report := run(); report.Removed != 1 {
		t.Errorf("later: %+v", report)
	}
	all, err := o.r.List(t.Context(), ListRequest{Vault: Vault{URL: o.vault.URL}, Incomplete: true})
	if err != nil || len(all.Backups) != 1 || !all.Backups[0].Complete {
		t.Errorf("left %+v, %v", all, err)
	}
}

func TestPruneNeeds(t *testing.T) {
	o := newOld(t, 1)
	for _, req := range []PruneRequest{{Vault: o.vault}, {Vault: Vault{URL: o.vault.URL}, KeepLast: 1}} {
		if _, err := o.r.Prune(t.Context(), req); Classify(err) != Usage || Hint(err) == "" {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

// Data without a catalog, under an id that expired long ago, may belong to a
// copy that began a moment ago.
func TestPruneSparesDataThatJustCame(t *testing.T) {
	o := newOld(t, 20)
	catalogs, err := filepath.Glob(filepath.Join(o.vault.URL, "daily/catalog/j/*"))
	if err != nil || len(catalogs) < 2 {
		t.Fatal(catalogs, err)
	}
	lost := "daily/j/" + filepath.Base(catalogs[0])
	if err := os.RemoveAll(catalogs[0]); err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Glob(filepath.Join(o.vault.URL, "daily/data/j", filepath.Base(catalogs[0]), "*/*"))
	if err != nil || len(data) == 0 {
		t.Fatal(data, err)
	}
	for _, young := range []bool{true, false} {
		if at := o.now; young {
			err = os.Chtimes(data[len(data)-1], at, at)
		} else {
			err = os.Chtimes(data[len(data)-1], at.AddDate(0, 0, -20), at.AddDate(0, 0, -20))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, goes, err := o.prune(false)
		if err != nil || strings.Contains(strings.Join(goes, " "), lost) == young {
			t.Errorf("young %v: %q go, %v", young, goes, err)
		}
	}
}
