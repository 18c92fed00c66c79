package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// on is the spec of a differential of what a writer has made.
func (r *rotated) on(base *archive.Writer) archive.Spec {
	s := r.new()
	s.Parent = base.Name().ID.Fingerprint
	return s
}

// find is the newest entry of a writer's backup.
func (r *rotated) find(w *archive.Writer) archive.Entry {
	r.t.Helper()
	e, err := r.vault.Find(r.t.Context(), w.Name().String(), true)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// gone removes a backup.
func (r *rotated) gone(n format.Name) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.dir, "some/prefix", string(n.Tier), "catalog/graph", n.ID.String())); err != nil {
		r.t.Fatal(err)
	}
}

func chained() lifecycle.Policy {
	p := usual()
	p.MaxChain = 3
	return p
}

// A differential lives as long as the shortest of its chain; without a member it
// is not restorable, and the member is named.
func TestChain(t *testing.T) {
	r := newRotated(t, chained())
	full := r.run(r.new())
	r.now = r.now.Add(24 * time.Hour)
	first := r.run(r.on(full))
	r.now = r.now.Add(24 * time.Hour)
	second := r.run(r.on(first))
	if id := second.Name().ID; id.Kind != format.KindDiff || id.Parent != first.Name().ID.Fingerprint || second.Capture().Kind != format.KindDiff {
		t.Errorf("%s", second.Name())
	}
	e := r.find(second)
	if got := e.Chain(); len(got) != 3 || got[0].Name != full.Name() || got[1].Name != first.Name() || e.CheckBase() != nil {
		t.Errorf("%+v", got)
	}
	floor := r.vault.Floor(e)
	for _, m := range e.Base {
		if own := r.vault.Floor(m); !own.Never() && own.At.Before(floor.At) {
			t.Errorf("%s goes before %s", m.Name, e.Name)
		}
	}
	if !floor.Covers(second.Promise().Until) || !r.vault.Restorable(e, r.now) || !second.Floor().At.Equal(floor.At) {
		t.Errorf("%+v, promised until %s", floor, second.Promise().Until)
	}
	chain, why, err := r.vault.Extendable(t.Context(), "graph", "", r.now)
	if err != nil || why != nil || len(chain) != 3 {
		t.Errorf("%+v, %v, %v", chain, why, err)
	}
	r.gone(first.Name())
	if e = r.find(second); e.Missing != first.Name().ID.Fingerprint || r.vault.Restorable(e, r.now) {
		t.Errorf("%+v", e)
	}
	if err := e.CheckBase(); !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), e.Missing) {
		t.Errorf("%v", err)
	}
	if chain, why, err := r.vault.Extendable(t.Context(), "graph", "", r.now); err != nil || len(chain) > 0 || !errors.Is(why, archive.ErrNoBase) {
		t.Errorf("%+v, %v, %v", chain, why, err)
	}
}

// A full backup is due where a differential would outlive its base, or has none.
func TestFullIsDue(t *testing.T) {
	r := newRotated(t, chained())
	due := func(s archive.Spec, what string) {
		t.Helper()
		if _, why, err := r.vault.Extendable(t.Context(), "graph", "", r.now); err != nil || !errors.Is(why, archive.ErrNoBase) {
			t.Errorf("%s: %v, %v", what, why, err)
		}
		if _, err := r.vault.Begin(t.Context(), s); !errors.Is(err, archive.ErrNoBase) {
			t.Errorf("%s: %v", what, err)
		}
	}
	orphan := r.new()
	orphan.Parent = "0123456789abcdef"
	due(orphan, "none is there")
	wrong := r.new()
	wrong.Parent = "../../x"
	if _, err := r.vault.Begin(t.Context(), wrong); !errors.Is(err, archive.ErrInvalid) {
		t.Errorf("%v", err)
	}
	full := r.run(r.new())
	r.now = r.now.Add(4 * 24 * time.Hour)
	due(r.on(full), "the chain is old")
	full = r.run(r.new())
	r.now = r.now.Add(time.Hour)
	r.under(usual())
	due(r.on(full), "no chains are kept")
	r.under(lifecycle.Policy{})
	r.vault = r.vault.Under(archive.Rotation{})
	if chain, why, err := r.vault.Extendable(t.Context(), "graph", "", r.now); err != nil || why != nil || len(chain) != 1 {
		t.Errorf("where nothing goes: %+v, %v, %v", chain, why, err)
	}
}

// What a differential builds on has to be there when its manifest is written.
func TestBaseGoesBeforeTheManifest(t *testing.T) {
	r := newRotated(t, chained())
	full := r.run(r.new())
	r.now = r.now.Add(time.Hour)
	w := r.begin(r.on(full))
	if err := errors.Join(archive.Ship(t.Context(), w)...); err != nil {
		t.Fatal(err)
	}
	r.gone(full.Name())
	if _, err := w.Commit(t.Context()); !errors.Is(err, archive.ErrRefused) || !errors.Is(err, archive.ErrNoBase) {
		t.Errorf("%v", err)
	}
	if e := r.find(w); e.Complete {
		t.Error("it is complete")
	}
}

// A run that is repeated goes on with its differential, and with no other.
func TestDifferentialResumes(t *testing.T) {
	r := newRotated(t, chained())
	full := r.run(r.new())
	r.now = r.now.Add(time.Hour)
	s := r.on(full)
	begun := r.begin(s)
	r.now = r.now.Add(time.Hour)
	s.Time = r.now
	if w := r.begin(s); !w.Resumed() || w.Name() != begun.Name() {
		t.Errorf("%s, not %s", w.Name(), begun.Name())
	}
	s.Parent = ""
	if w := r.begin(s); w.Resumed() {
		t.Errorf("a full backup goes on with %s", w.Name())
	}
}

// A copy of a differential needs what it builds on there.
func TestCopyOfDifferential(t *testing.T) {
	r := newRotated(t, chained())
	full := r.run(r.new())
	r.now = r.now.Add(time.Hour)
	diff := r.run(r.on(full))
	other := newWorld(t)
	for n, want := range map[format.Name]error{diff.Name(): archive.ErrRefused} {
		copied, err := r.copyTo(n, "", other.bucket)
		if err != nil || !errors.Is(copied[0].Err, want) || !strings.Contains(copied[0].Err.Error(), full.Name().ID.Fingerprint) {
			t.Errorf("%+v, %v", copied, err)
		}
	}
	for _, n := range []format.Name{full.Name(), diff.Name()} {
		if copied, err := r.copyTo(n, "", other.bucket); err != nil || copied[0].Err != nil {
			t.Errorf("%+v, %v", copied, err)
		}
	}
	v, err := archive.NewVault(other.bucket, "some/prefix", r.opts)
	if err != nil {
		t.Fatal(err)
	}
	e, err := v.Find(t.Context(), diff.Name().String(), false)
	if err != nil || len(e.Base) != 1 || e.Missing != "" {
		t.Errorf("%+v, %v", e, err)
	}
}

// A ring of differentials, which nobody makes, is no chain.
func TestRing(t *testing.T) {
	w := newWorld(t)
	a, b := "20261122T030000Z-diff-aaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb", "20261122T040000Z-diff-bbbbbbbbbbbbbbbb-aaaaaaaaaaaaaaaa"
	self := "20261122T050000Z-diff-cccccccccccccccc-cccccccccccccccc"
	for _, id := range []string{a, b, self} {
		for _, file := range []string{format.CaptureFile, format.ManifestFile} {
			if err := w.bucket.Put(t.Context(), "some/prefix/daily/catalog/graph/"+id+"/"+file, providers.Bytes([]byte("{}"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries, _, err := w.vault.List(t.Context(), "graph")
	if err != nil || len(entries) != 3 {
		t.Fatalf("%+v, %v", entries, err)
	}
	for _, e := range entries {
		if e.CheckBase() == nil {
			t.Errorf("%s counts as whole", e.Name)
		}
	}
}
