package job

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/local"
)

// lockable is a folder that takes locks and remembers them.
type lockable struct {
	providers.Bucket
	opts   providers.Options
	refuse error // of CheckLock
	flaky  int   // how often it fails before

	mu         sync.Mutex
	attributes map[string]providers.Attributes
	asked      []providers.LockMode
}

func (l *lockable) Put(ctx context.Context, key string, body providers.Body) error {
	if err := l.Bucket.Put(ctx, key, body); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attributes[key] = l.opts.AttributesOf(key)
	return nil
}

func (l *lockable) CheckLock(_ context.Context, mode providers.LockMode) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, mode)
	if l.flaky > 0 {
		l.flaky--
		return errors.New("connection reset")
	}
	return l.refuse
}

func (l *lockable) LockOf(_ context.Context, key string) (providers.Lock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attributes[key].Lock, nil
}

// lockRegistry opens the one lockable vault below a prefix.
func lockRegistry(t *testing.T, l *lockable) providers.Registry {
	dir := t.TempDir()
	l.attributes = map[string]providers.Attributes{}
	return providers.Registry{"lock": func(_ context.Context, _ *url.URL, o providers.Options) (providers.Bucket, string, error) {
		b, err := local.New(dir, o)
		l.Bucket, l.opts = b, o
		return l, "a/b", err
	}}
}

func sourceFile(t *testing.T, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every object of a locked tier is locked, those of others are not, and
// segments alone are bulk.
func TestLocksGoWithEachObject(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 123, time.UTC)
	l := &lockable{flaky: 2}
	r := Runner{Registry: lockRegistry(t, l), Now: func() time.Time { return now }, Tuning: Tuning{Segment: 64 << 10, Chunk: 64 << 10}}
	access := Access{Locks: map[string]LockPolicy{"daily": {Mode: "compliance", Days: 7}, "weekly": {Mode: "governance", Days: 1}}}
	source := sourceFile(t, 200<<10)
	for tier, want := range map[string]providers.Lock{
		"daily":  {Mode: providers.LockCompliance, Until: time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)},
		"weekly": {Mode: providers.LockGovernance, Until: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)},
		"manual": {},
	} {
		report, err := r.Backup(t.Context(), BackupRequest{Source: source, Vaults: []Vault{{URL: "lock://x", Access: access}}, Tier: tier, Job: tier})
		if err != nil {
			t.Fatal(err)
		}
		objects, bulk := 0, 0
		for key, a := range l.attributes {
			if !strings.HasPrefix(key, "a/b/"+tier+"/") {
				continue
			}
			objects++
			if a.Bulk {
				bulk++
			}
			if a.Lock != want || a.Bulk != strings.Contains(key, "/data/") {
				t.Errorf("%s: %+v, want the lock %v", key, a, want)
			}
		}
		if bulk != 4 || objects < bulk+4 { // at least capture, table, RESTORE.md, manifest
			t.Errorf("%s has %d objects, %d of them bulk", tier, objects, bulk)
		}
		show, err := r.Show(t.Context(), ShowRequest{Backup: "lock://x#" + report.Name})
		if err != nil {
			t.Fatal(err)
		}
		if want.IsZero() && show.Lock != nil || !want.IsZero() && (show.Lock == nil || *show.Lock != Lock{Mode: string(want.Mode), Until: want.Until}) {
			t.Errorf("%s shows the lock %v, want %v", tier, show.Lock, want)
		}
	}
}

// A vault that cannot lock is refused before the source is touched; one that
// needs no lock is not asked.
func TestVaultThatCannotLock(t *testing.T) {
	off := fmt.Errorf("%w: object lock is off", providers.ErrUnsupported)
	for _, c := range []struct {
		name   string
		refuse error
		want   Class
		hint   string
	}{
		{"off", &providers.Error{Op: "lock", Key: "x", Err: off, Hint: "switch on object lock"}, Refused, "switch on object lock"},
		{"denied", &providers.Error{Op: "lock", Key: "x", Err: providers.ErrDenied, Hint: "allow s3:GetBucketObjectLockConfiguration"}, Refused, "allow s3:"},
		{"credentials", &providers.Error{Op: "lock", Key: "x", Err: providers.ErrCredentials}, Failed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &lockable{refuse: c.refuse}
			r := Runner{Registry: lockRegistry(t, l), Stdin: untouched{t}}
			request := BackupRequest{Source: "-", Vaults: []Vault{{URL: "lock://x", Access: Access{Locks: map[string]LockPolicy{"manual": {"governance", 1}}}}}}
			_, err := r.Backup(t.Context(), request)
			if Classify(err) != c.want || !errors.Is(err, c.refuse) || !strings.Contains(Hint(err), c.hint) || len(l.attributes) != 0 {
				t.Errorf("%v, hint %q", err, Hint(err))
			}
		})
	}
	r := Runner{Stdin: untouched{t}}
	_, err := r.Backup(t.Context(), BackupRequest{Source: "-", Vaults: []Vault{{URL: t.TempDir(), Access: Access{Locks: map[string]LockPolicy{"manual": {"governance", 1}}}}}})
	if Classify(err) != Refused || !errors.Is(err, archive.ErrRefused) || !strings.Contains(err.Error(), "no locks") {
		t.Errorf("a folder: %v", err)
	}
	l := &lockable{refuse: off}
	free := Runner{Registry: lockRegistry(t, l)}
	if _, err := free.Backup(t.Context(), BackupRequest{Source: sourceFile(t, 1), Vaults: []Vault{{URL: "lock://x"}}}); err != nil || len(l.asked) != 0 {
		t.Errorf("without a lock: %v, asked %v", err, l.asked)
	}
}

func TestLocksAreChecked(t *testing.T) {
	daily := lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}, MaxChain: 7}
	for _, c := range []struct {
		locks     map[string]LockPolicy
		retention lifecycle.Policy
		want      string // of the error; empty: none
	}{
		{map[string]LockPolicy{"daily": {"governance", 22}}, daily, ""},
		{map[string]LockPolicy{"daily": {"governance", 30}}, daily,
			"daily keeps 14 whole days and today: 15 days, plus a chain of 7: objects live 22 days, the lock is 30"},
		{map[string]LockPolicy{"manual": {"governance", 30_000}}, daily, ""},
		{map[string]LockPolicy{"daily": {"governance", 30_000}}, lifecycle.Policy{}, ""},
		{map[string]LockPolicy{"daly": {"governance", 1}}, daily, "no such tier"},
		{map[string]LockPolicy{"daily": {"complianc", 1}}, daily, "no such mode"},
		{map[string]LockPolicy{"daily": {"", 1}}, daily, "no such mode"},
		{map[string]LockPolicy{"daily": {"compliance", 0}}, daily, "not between 1 and 36500"},
		{map[string]LockPolicy{"daily": {"compliance", 36_501}}, lifecycle.Policy{}, "not between 1 and 36500"},
	} {
		err := (&Access{Locks: c.locks, Retention: c.retention}).CheckLocks()
		if c.want == "" && err != nil || c.want != "" && (Classify(err) != Usage || !strings.Contains(err.Error(), c.want) || Hint(err) == "") {
			t.Errorf("%v: %v, hint %q", c.locks, err, Hint(err))
		}
	}
}

func TestParseLocks(t *testing.T) {
	locks, err := ParseLocks([]string{"governance:7", "daily=compliance:1"})
	if err != nil || len(locks) != 6 || locks["daily"] != (LockPolicy{"compliance", 1}) || locks["manual"] != (LockPolicy{"governance", 7}) {
		t.Errorf("%v, %v", locks, err)
	}
	if locks, err := ParseLocks(nil); err != nil || len(locks) != 0 {
		t.Errorf("%v, %v", locks, err)
	}
	for _, texts := range [][]string{{""}, {"governance"}, {"7"}, {"governance:x"}, {"=governance:7"}, {"daily=governance:1", "daily=governance:2"},
		{"governance:1", "governance:2"}, {"governance:7d"}} {
		if locks, err := ParseLocks(texts); Classify(err) != Usage || Hint(err) == "" {
			t.Errorf("%q is taken as %v: %v", texts, locks, err)
		}
	}
}

func TestParseRetention(t *testing.T) {
	p, err := ParseRetention("daily=14, weekly=8", "Europe/Berlin")
	if days, _ := p.CatalogDays(lifecycle.Weekly); err != nil || days != 64 || p.Daily.Count != 14 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := ParseRetention("", ""); err != nil || p != (lifecycle.Policy{}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, text := range []string{"daily", "daily=", "daily=0", "daily=-1", "daily=x", "daly=1", "manual=3", "daily=1,daily=2", "daily=1,", "daily=99999"} {
		if p, err := ParseRetention(text, ""); Classify(err) != Usage || Hint(err) == "" {
			t.Errorf("%q is taken as %+v: %v", text, p, err)
		}
	}
	if _, err := ParseRetention("daily=1", "Europe/Atlantis"); Classify(err) != Usage {
		t.Errorf("a zone that is none: %v", err)
	}
}

func FuzzParseLocks(f *testing.F) {
	for _, seed := range []string{"governance:7", "daily=compliance:7", "=:", ":", "x=y=z:3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		locks, err := ParseLocks([]string{text})
		if err == nil && len(locks) == 0 || err != nil && Classify(err) != Usage {
			t.Errorf("%q: %v, %v", text, locks, err)
		}
		// Whatever is taken can be checked.
		if err := (&Access{Locks: locks}).CheckLocks(); err != nil && Classify(err) != Usage {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func FuzzParseRetention(f *testing.F) {
	for _, seed := range []string{"daily=14,weekly=8", "yearly=3", "daily=1,", "=", "hourly=10000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ParseRetention(text, ""); err != nil && Classify(err) != Usage {
			t.Errorf("%q: %v", text, err)
		}
	})
}
