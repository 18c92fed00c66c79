package archive_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// aged is a bucket whose objects have the ages of a clock that tests move.
type aged struct {
	providers.Bucket
	now     *time.Time
	mu      sync.Mutex
	created map[string]time.Time
	hook    func(key string) // is told of each Put, one at a time; nil: nobody is
}

func (b *aged) Put(ctx context.Context, key string, body providers.Body) error {
	err := b.Bucket.Put(ctx, key, body)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.created[key] = *b.now
		if b.hook != nil {
			b.hook(key)
		}
	}
	return err
}

func (b *aged) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for o, err := range b.Bucket.List(ctx, prefix) {
			b.mu.Lock()
			o.Created = b.created[o.Key]
			b.mu.Unlock()
			if !yield(o, err) {
				return
			}
		}
	}
}

// rotated is a world whose vault keeps something, and whose time tests move.
type rotated struct {
	*world
	now    time.Time
	policy lifecycle.Policy
	seed   uint64
}

func newRotated(t *testing.T, p lifecycle.Policy) *rotated {
	r := &rotated{world: newWorld(t), policy: p, now: time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)}
	r.bucket = &aged{Bucket: r.bucket, now: &r.now, created: map[string]time.Time{}}
	r.opts.Now = func() time.Time { return r.now }
	r.under(p)
	return r
}

func (r *rotated) under(p lifecycle.Policy) {
	r.reopen()
	rules := lifecycle.GCS.Ruleset("some/prefix", p.Rules(lifecycle.GCS))
	r.vault = r.vault.Under(archive.Rotation{Policy: p, Rules: []lifecycle.Ruleset{rules}})
}

func usual() lifecycle.Policy {
	return lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}, Weekly: lifecycle.Keep{Count: 4}, Monthly: lifecycle.Keep{Count: 3}}
}

// new is the spec of a new state of the source.
func (r *rotated) new() archive.Spec {
	r.seed++
	s := spec("graph", image("a.dump", mix(r.seed, 100_000)))
	s.Tier, s.Time = "", r.now
	s.Fingerprint[0], s.Fingerprint[1] = byte(r.seed), 99
	return s
}

func (r *rotated) begin(s archive.Spec) *archive.Writer {
	r.t.Helper()
	w, err := r.vault.Begin(r.t.Context(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (r *rotated) run(s archive.Spec) *archive.Writer {
	r.t.Helper()
	w := r.begin(s)
	if err := errors.Join(archive.Ship(r.t.Context(), w)...); err != nil {
		r.t.Fatal(err)
	}
	if _, err := w.Commit(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return w
}

func stands(p *lifecycle.Promise) string {
	if p == nil {
		return ""
	}
	var names []string
	for _, t := range p.Stands {
		names = append(names, string(t))
	}
	return strings.Join(names, ",")
}

// The first success of a month is its monthly, that of a week its weekly; a run
// that failed takes nothing.
func TestPromotions(t *testing.T) {
	r := newRotated(t, usual())
	for _, step := range []struct {
		days   int
		failed bool
		stands string
	}{
		{0, true, "daily,weekly,monthly"}, // Wednesday, 25 November
		{1, false, "daily,weekly,monthly"},
		{1, false, "daily"},
		{3, false, "daily,weekly"}, // Monday
		{1, true, "daily,monthly"}, // 1 December
		{1, false, "daily,monthly"},
		{1, false, "daily"},
	} {
		r.now = r.now.AddDate(0, 0, step.days)
		s := r.new()
		var w *archive.Writer
		if step.failed {
			w = r.begin(s)
		} else {
			w = r.run(s)
		}
		kinds := strings.Split(step.stands, ",")
		if got := stands(w.Promise()); got != step.stands || string(w.Name().Tier) != kinds[len(kinds)-1] {
			t.Errorf("%s: in %s for %s, want %s", r.now.Format(time.DateOnly), w.Name().Tier, got, step.stands)
		}
		if p := w.Promise(); !step.failed && !w.Floor().Covers(p.Until) {
			t.Errorf("%s: promised until %v, and goes %v", w.Name(), p.Until, w.Floor().At)
		}
		stored, err := r.vault.Promise(t.Context(), w.Name())
		if err != nil || stands(stored) != step.stands || !stored.Until.Equal(w.Promise().Until) {
			t.Errorf("%s: stored %+v, %v", w.Name(), stored, err)
		}
	}
}

// A run that is repeated finds its backup in the tier where it was begun, or
// is complete, whatever stands for the month by then.
func TestRepeatedRunStaysInItsTier(t *testing.T) {
	r := newRotated(t, usual())
	first, second := r.new(), r.new()
	w := r.begin(first)
	if w.Name().Tier != lifecycle.Monthly {
		t.Fatalf("begun as %s", w.Name())
	}
	r.now = r.now.Add(time.Hour)
	second.Time = r.now
	r.run(second)
	again := r.run(first)
	if !again.Resumed() || again.Name() != w.Name() || stands(again.Promise()) != "daily,weekly,monthly" {
		t.Errorf("resumed %v as %s for %s", again.Resumed(), again.Name(), stands(again.Promise()))
	}
	if done := r.run(first); done.Name() != w.Name() || stands(done.Promise()) != "daily,weekly,monthly" {
		t.Errorf("the complete one is %s for %s", done.Name(), stands(done.Promise()))
	}
	entries, _, err := r.vault.List(t.Context(), "graph")
	if err != nil || len(entries) != 2 {
		t.Errorf("%d backups, %v", len(entries), err)
	}
}

// A chosen tier stands for its own period; manual for none.
func TestChosenTier(t *testing.T) {
	r := newRotated(t, usual())
	r.run(r.new())
	for tier, want := range map[lifecycle.Tier]string{lifecycle.Weekly: "daily,weekly", lifecycle.Daily: "daily", lifecycle.Manual: "", lifecycle.Yearly: "daily"} {
		s := r.new()
		s.Tier = tier
		if w := r.run(s); w.Name().Tier != tier || stands(w.Promise()) != want {
			t.Errorf("%s: in %s for %q, want %q", tier, w.Name().Tier, stands(w.Promise()), want)
		}
	}
	r.under(lifecycle.Policy{})
	if w := r.run(r.new()); w.Name().Tier != lifecycle.Manual || w.Promise() != nil {
		t.Errorf("without a policy: %s for %s", w.Name(), stands(w.Promise()))
	}
}

// A clock that is ahead takes no period to come.
func TestScheduledTimeAhead(t *testing.T) {
	r := newRotated(t, usual())
	r.run(r.new())
	s := r.new()
	s.Time = r.now.AddDate(0, 2, 0)
	if w := r.run(s); stands(w.Promise()) != "daily" || !w.Promise().Time.Equal(r.now) {
		t.Errorf("it stands for %s of %v", stands(w.Promise()), w.Promise().Time)
	}
}

// A manifest that comes too late is refused, and the run begins anew.
func TestLateManifest(t *testing.T) {
	p := usual()
	p.MaxUpload = 24 * time.Hour
	r := newRotated(t, p)
	s := r.new()
	w := r.begin(s)
	if err := errors.Join(archive.Ship(t.Context(), w)...); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(25 * time.Hour)
	_, err := w.Commit(t.Context())
	var e *archive.Error
	if !errors.Is(err, archive.ErrRefused) || !errors.Is(err, lifecycle.ErrLate) || !errors.As(err, &e) || e.Hint == "" {
		t.Fatalf("commit: %v", err)
	}
	if _, err := r.vault.Finish(t.Context(), w.Name(), true); !errors.Is(err, lifecycle.ErrLate) {
		t.Errorf("finish: %v", err)
	}
	again := r.run(s)
	if again.Name() == w.Name() || again.Resumed() {
		t.Errorf("the run went on with %s", again.Name())
	}
}

// Finish writes down what nobody did before.
func TestFinishStands(t *testing.T) {
	r := newRotated(t, usual())
	w := r.begin(r.new())
	if err := errors.Join(archive.Ship(t.Context(), w)...); err != nil {
		t.Fatal(err)
	}
	r.remove(format.PromiseFile)
	r.now = r.now.Add(time.Hour)
	r.run(r.new())
	if _, err := r.vault.Finish(t.Context(), w.Name(), true); err != nil {
		t.Fatal(err)
	}
	got, err := r.vault.Promise(t.Context(), w.Name())
	// The week is taken by then. In the monthly tier it stands for the month.
	if err != nil || stands(got) != "daily,monthly" {
		t.Errorf("it stands for %s, %v", stands(got), err)
	}
}

// A copy gets a promise of its own where it lands.
func TestCopyStands(t *testing.T) {
	r, src := newRotated(t, usual()), newWorld(t)
	n, _ := src.backup(spec("graph", image("a", mix(1, 1000))))
	copied, err := archive.Copy(t.Context(), src.vault, n, []*archive.Vault{r.vault}, lifecycle.Weekly)
	if err != nil || copied[0].Err != nil {
		t.Fatal(err, copied[0].Err)
	}
	if p, err := r.vault.Promise(t.Context(), copied[0].Name); err != nil || stands(p) != "daily,weekly" || !p.Time.Equal(n.ID.Time) {
		t.Errorf("it stands for %+v, %v", p, err)
	}
}

// A copy that takes too long is no backup, either.
func TestLateCopy(t *testing.T) {
	r, src := newRotated(t, usual()), newWorld(t)
	n, _ := src.backup(spec("graph", image("a", mix(1, 100_000))))
	a := r.bucket.(*aged)
	a.hook = func(key string) {
		if strings.Contains(key, "/data/") {
			r.now = r.now.Add(lifecycle.DefaultMaxUpload)
		}
	}
	copied, err := archive.Copy(t.Context(), src.vault, n, []*archive.Vault{r.vault}, lifecycle.Daily)
	if err != nil || !errors.Is(copied[0].Err, lifecycle.ErrLate) || !errors.Is(copied[0].Err, archive.ErrRefused) {
		t.Fatalf("%v, %v", err, copied[0].Err)
	}
	if entries, _, err := r.vault.List(t.Context(), "graph"); err != nil || len(entries) != 1 || entries[0].Complete {
		t.Errorf("%+v, %v", entries, err)
	}
}

// A broken promise costs a promotion too many, never one too few; in a signed
// vault, one that somebody planted counts for nothing.
func TestBrokenPromise(t *testing.T) {
	r := newRotated(t, usual())
	key, _ := signingKey(t, 1)
	r.signWith(key)
	r.under(usual())
	w := r.run(r.new())
	path := filepath.Join(r.dir, "some/prefix", string(w.Name().Tier), "catalog/graph", w.Name().ID.String(), format.PromiseFile)
	good := readFile(t, path)
	forged, err := format.Seal(format.NewPromise(w.Name(), *w.Promise()))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"damaged": flip(good, 50), "planted": forged} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if again := r.run(r.new()); !slices.Contains(again.Promise().Stands, lifecycle.Monthly) {
			t.Errorf("%s: the next stands for %s", name, stands(again.Promise()))
		}
		r.removeLast(t)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if next := r.run(r.new()); stands(next.Promise()) != "daily" {
		t.Errorf("the next stands for %s", stands(next.Promise()))
	}
}

// removeLast removes the newest backup.
func (r *rotated) removeLast(t *testing.T) {
	t.Helper()
	entries, _, err := r.vault.List(t.Context(), "graph")
	if err != nil {
		t.Fatal(err)
	}
	n := entries[len(entries)-1].Name
	if err := os.RemoveAll(filepath.Join(r.dir, "some/prefix", string(n.Tier), "catalog/graph", n.ID.String())); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Minute)
}

func TestPolicyOfTheVault(t *testing.T) {
	w := newWorld(t)
	if p, n, err := w.vault.Policy(t.Context()); err != nil || n != 0 || !p.IsZero() {
		t.Fatalf("at first: %+v, %d, %v", p, n, err)
	}
	p := usual()
	if err := w.vault.SetPolicy(t.Context(), p, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.vault.SetPolicy(t.Context(), p, 0); !errors.Is(err, providers.ErrExists) {
		t.Errorf("two first ones: %v", err)
	}
	p.Daily.Count = 30
	if err := w.vault.SetPolicy(t.Context(), p, 1); err != nil {
		t.Fatal(err)
	}
	if got, n, err := w.vault.Policy(t.Context()); err != nil || n != 2 || !got.Equal(p) {
		t.Errorf("then: %+v, %d, %v", got, n, err)
	}
	// In a vault that is signed from then on, what has no tag is not believed.
	key, _ := signingKey(t, 1)
	w.signWith(key)
	if p, n, err := w.vault.Policy(t.Context()); err != nil || n != 0 || !p.IsZero() {
		t.Errorf("signed: %+v, %d, %v", p, n, err)
	}
	if err := w.vault.SetPolicy(t.Context(), p, 2); err != nil {
		t.Fatal(err)
	}
	if got, n, err := w.vault.Policy(t.Context()); err != nil || n != 3 || !got.Equal(p) {
		t.Errorf("tagged: %+v, %d, %v", got, n, err)
	}
	path := filepath.Join(w.dir, "some/prefix/policy", format.PolicyFile(3))
	if err := os.WriteFile(path, flip(readFile(t, path), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	w.opts.Keys = archive.Keys{}
	w.reopen()
	if _, _, err := w.vault.Policy(t.Context()); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
}
