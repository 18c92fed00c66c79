package archive_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// tap counts the creations of a bucket and may end the run at one of them.
type tap struct {
	providers.Bucket
	mu      sync.Mutex
	puts    map[string]int // by key
	limit   int            // creations that are let through; < 0: all
	dropped atomic.Bool
}

var errKilled = errors.New("killed")

func newTap(b providers.Bucket, limit int) *tap {
	return &tap{Bucket: b, puts: map[string]int{}, limit: limit}
}

func (k *tap) Put(ctx context.Context, key string, body providers.Body) error {
	k.mu.Lock()
	if k.limit == 0 {
		k.mu.Unlock()
		k.dropped.Store(true)
		return errKilled
	}
	k.limit--
	k.mu.Unlock()
	err := k.Bucket.Put(ctx, key, body)
	if err == nil {
		k.mu.Lock()
		k.puts[key]++
		k.mu.Unlock()
	}
	return err
}

// run backs up through b and returns the writer and the first error.
func (w *world) run(ctx context.Context, b providers.Bucket, s archive.Spec) (*archive.Writer, error) {
	w.t.Helper()
	v, err := archive.NewVault(b, "some/prefix", w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	wr, err := v.Begin(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := wr.Ship(ctx); err != nil {
		return wr, err
	}
	_, err = wr.Commit(ctx)
	return wr, err
}

// complete returns the complete backups and checks that each of them can be
// read in full.
func (w *world) complete() []archive.Entry {
	w.t.Helper()
	entries, _, err := w.vault.List(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e archive.Entry) bool { return !e.Complete })
	for _, e := range entries {
		if _, err := w.vault.Verify(w.t.Context(), e.Name, archive.VerifyOptions{Sample: 1}); err != nil {
			w.t.Fatalf("%s is listed, but: %v", e.Name, err)
		}
	}
	return entries
}

// A run that ends at any creation leaves nothing that is listed; the next run
// of the same source takes it up, sends no durable segment again, and keeps
// the tier that was fixed first.
func TestEndAtEveryStep(t *testing.T) {
	data := mix(3, 6*testSegment)
	sparse := image("disk", data)
	sparse.Extents = extents(format.Extent{Offset: 0, Length: int64(len(data))})
	s := spec("s", image("file", data), sparse)
	for limit := 0; ; limit++ {
		w := newWorld(t)
		first := newTap(w.bucket, limit)
		_, err := w.run(t.Context(), first, s)
		if !first.dropped.Load() {
			if err != nil {
				t.Fatal(err)
			}
			if limit < 2*6+5 {
				t.Fatalf("the whole backup took %d creations only", limit)
			}
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if got := w.complete(); len(got) != 0 {
			t.Fatalf("limit %d: listed: %v", limit, got)
		}
		again := s
		again.Tier, again.Time = lifecycle.Monthly, s.Time.Add(24*time.Hour)
		second := newTap(w.bucket, -1)
		wr, err := w.run(t.Context(), second, again)
		if err != nil {
			t.Fatalf("limit %d: second run: %v", limit, err)
		}
		if limit > 0 && (!wr.Resumed() || wr.Name().Tier != lifecycle.Daily) {
			t.Fatalf("limit %d: second run made %s, resumed %v", limit, wr.Name(), wr.Resumed())
		}
		for key := range maps.Keys(second.puts) {
			if first.puts[key] > 0 && strings.Contains(key, "/data/") {
				t.Errorf("limit %d: %s was sent twice", limit, key)
			}
		}
		if got := w.complete(); len(got) != 1 {
			t.Fatalf("limit %d: %d backups listed", limit, len(got))
		}
		if got := w.restoreBoth(wr.Name(), 1); !bytes.Equal(got, data) {
			t.Fatalf("limit %d: restored bytes differ", limit)
		}
	}
}

// Several processes at the same backup at once: one manifest, no error.
func TestRace(t *testing.T) {
	for round := range 10 {
		w := newWorld(t)
		data := mix(uint64(round), 12*testSegment)
		var wg sync.WaitGroup
		names := make([]string, 4)
		errs := make([]error, len(names))
		for i := range names {
			wg.Go(func() {
				s := spec("s", image("file", data))
				s.Time = s.Time.Add(time.Duration(i%2) * time.Second)
				wr, err := w.run(t.Context(), w.bucket, s)
				if errs[i] = err; err == nil {
					names[i] = wr.Name().String()
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		entries := w.complete()
		if len(entries) != len(slices.Compact(names)) {
			t.Fatalf("backups %v for writers %v", entries, names)
		}
		for _, e := range entries {
			if got := w.restoreBoth(e.Name, 0); !bytes.Equal(got, data) {
				t.Fatal("restored bytes differ")
			}
		}
	}
}

// The same scheduled instant and the same state, after the backup is done:
// there is nothing to do.
func TestSameAgain(t *testing.T) {
	w := newWorld(t)
	s := spec("s", image("file", mix(1, testSegment)))
	n, m := w.backup(s)
	k := newTap(w.bucket, -1)
	wr, err := w.run(t.Context(), k, s)
	if err != nil || wr.Name() != n {
		t.Fatalf("second run: %v", err)
	}
	for key := range k.puts {
		t.Errorf("%s was written", key)
	}
	if again, err := wr.Commit(t.Context()); err != nil || again.Completed != m.Completed {
		t.Fatalf("commit of a complete backup: %v", err)
	}
	s.Time = s.Time.Add(time.Hour)
	if later, _ := w.backup(s); later == n {
		t.Fatal("a later run of a complete backup made no backup of its own")
	}
}

func TestChangedSourceIsNotResumed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.run(t.Context(), newTap(w.bucket, 3), spec("s", image("file", mix(1, 4*testSegment)))); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	data := mix(2, 4*testSegment)
	n, _ := w.backup(spec("s", image("file", data)))
	if got := w.restoreBoth(n, 0); !bytes.Equal(got, data) {
		t.Fatal("restored bytes differ")
	}
	entries, _, err := w.vault.List(t.Context(), "s")
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
}

func TestOtherSourceIsRefused(t *testing.T) {
	w := newWorld(t)
	w.backup(spec("s", image("file", mix(1, 10))))
	for _, other := range []format.Identity{
		{Type: "file", Host: "h2", Path: "/p"}, {Type: "file", Host: "h", Path: "/copy"}, {Type: "neo4j", Host: "h", Path: "/p"},
	} {
		s := spec("s", image("file", mix(1, 10)))
		s.Source = other
		if _, err := w.vault.Begin(t.Context(), s); !errors.Is(err, archive.ErrRefused) {
			t.Errorf("%v: %v", other, err)
		}
		s.Series = "another"
		if other.Host == "h2" {
			w.backup(s)
		}
		s.Series, s.Adopt, s.Time = "s", true, s.Time.Add(time.Hour)
		if other.Type == "neo4j" {
			w.backup(s)
		}
	}
}

// What lies in the data of a backup but is not of the grammar, or out of its
// limits, is passed over; of two objects with one index one is named.
func TestPlantedObjects(t *testing.T) {
	w := newWorld(t)
	data := mix(4, 5*testSegment)
	s := spec("s", image("file", data))
	wr, err := w.run(t.Context(), newTap(w.bucket, 4), s)
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	prefix := "some/prefix/daily/data/s/" + wr.Name().ID.String() + "/file/"
	sum := strings.Repeat("ab", 32)
	for _, name := range []string{
		"00000099." + sum + ".zst", "0000000." + sum + ".zst", "00000001." + sum, "00000002." + sum[1:] + ".zst",
		"00000002." + sum + ".zst.age", "00000002." + sum + "." + sum[:32] + ".zst", "x/00000002." + sum + ".zst", "00000001." + strings.ToUpper(sum) + ".zst",
	} {
		if err := w.bucket.Put(t.Context(), prefix+name, providers.Bytes([]byte("planted"))); err != nil {
			t.Fatal(err)
		}
	}
	again, err := w.run(t.Context(), w.bucket, s)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.restoreBoth(again.Name(), 0); !again.Resumed() || !bytes.Equal(got, data) {
		t.Fatal("restored bytes differ")
	}
}

// A segment compressed at another level by an earlier run stands beside ours:
// both are valid, the table names one.
func TestTwoObjectsWithOneIndex(t *testing.T) {
	w := newWorld(t)
	data := bytes.Repeat([]byte("snapshot manifest segment "), 4*testSegment/26)
	s := spec("s", image("file", data))
	stored := s
	stored.Images = slices.Clone(s.Images)
	stored.Images[0].Compressed = true
	wr, err := w.run(t.Context(), newTap(w.bucket, 3), stored)
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	scratch := newWorld(t)
	n, _ := scratch.backup(s)
	for key, path := range scratch.files() {
		if strings.Contains(key, "/data/") {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.bucket.Put(t.Context(), strings.Replace(key, n.ID.String(), wr.Name().ID.String(), 1), providers.Bytes(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	again, err := w.run(t.Context(), w.bucket, s)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.restoreBoth(again.Name(), 0); !bytes.Equal(got, data) {
		t.Fatal("restored bytes differ")
	}
	w.complete()
}

// Data below an id whose catalog entry is gone must not come back to life.
func TestDeadDataIsNotRevived(t *testing.T) {
	w := newWorld(t)
	s := spec("s", image("file", mix(5, 2*testSegment)))
	n, _ := w.backup(s)
	for key, path := range w.files() {
		if strings.Contains(key, "/catalog/") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if again, _ := w.backup(s); again == n {
		t.Fatal("the dead backup's id was taken again")
	}
	if _, err := w.vault.Finish(t.Context(), n, true); !errors.Is(err, archive.ErrRefused) {
		t.Fatalf("finish without capture.json: %v", err)
	}
}

// A capture.json that goes away while the data is shipped ends the backup.
func TestCaptureGoneBeforeCommit(t *testing.T) {
	w := newWorld(t)
	wr, err := w.vault.Begin(t.Context(), spec("s", image("file", mix(5, 2*testSegment))))
	if err != nil {
		t.Fatal(err)
	}
	if err := wr.Ship(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, path := range w.files() {
		if strings.HasSuffix(key, "/capture.json") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := wr.Commit(t.Context()); !errors.Is(err, archive.ErrRefused) {
		t.Fatalf("commit: %v", err)
	}
	w.complete()
}

func TestFinish(t *testing.T) {
	data := mix(6, 5*testSegment)
	for _, s := range []archive.Spec{spec("s", image("file", data)), streamSpec("s", stream("dump", bytes.NewReader(data)))} {
		isStream := s.Images[0].Stream != nil
		w := newWorld(t)
		n, m := w.backup(s)
		files := w.files()
		remove := func(suffix string) {
			for key, path := range files {
				if strings.HasSuffix(key, suffix) {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		remove("/manifest.json")
		got, err := w.vault.Finish(t.Context(), n, false)
		if err != nil || !got.Checked || got.StoredBytes != m.StoredBytes || got.RawBytes != m.RawBytes || got.Facts["who"] != "test" {
			t.Fatalf("finish from the table: %+v, %v", got, err)
		}
		w.complete()
		remove("/manifest.json")
		remove(".table.zst")
		if _, err := w.vault.Finish(t.Context(), n, false); !errors.Is(err, archive.ErrRefused) {
			t.Fatalf("finish without a table: %v", err)
		}
		got, err = w.vault.Finish(t.Context(), n, true)
		if isStream {
			if !errors.Is(err, archive.ErrRefused) {
				t.Fatalf("finish of a stream without its table: %v", err)
			}
			continue
		}
		if err != nil || got.Checked {
			t.Fatalf("finish unchecked: %+v, %v", got, err)
		}
		if restored := w.restoreBoth(n, 0); !bytes.Equal(restored, data) {
			t.Fatal("restored bytes differ")
		}
		remove("/manifest.json")
		for key, path := range files {
			if strings.Contains(key, "/00000003.") {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := w.vault.Finish(t.Context(), n, true); !errors.Is(err, archive.ErrRefused) {
			t.Fatalf("finish with a segment missing: %v", err)
		}
	}
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	var names []format.Name
	for i, series := range []string{"a", "b", "a"} {
		s := spec(series, image("file", mix(uint64(i), 100)))
		s.Source.Path = series
		s.Time = s.Time.Add(time.Duration(i) * time.Hour)
		n, _ := w.backup(s)
		names = append(names, n)
	}
	for ref, want := range map[string]format.Name{
		"latest": names[2], "a/latest": names[2], "b/latest": names[1], "daily/b/latest": names[1], names[0].ID.String(): names[0],
		names[1].String(): names[1], "20261122T03": names[0], "a/20261122T05": names[2],
	} {
		if e, err := w.vault.Find(t.Context(), ref, false); err != nil || e.Name != want {
			t.Errorf("%s: %v, %v", ref, e.Name, err)
		}
	}
	for ref, want := range map[string]error{
		"2026": archive.ErrAmbiguous, "c/latest": archive.ErrNotFound, "monthly/a/latest": archive.ErrNotFound, "": archive.ErrInvalid,
		"x/y/z/latest": archive.ErrInvalid, "A/latest": archive.ErrInvalid, "1999": archive.ErrNotFound,
	} {
		if _, err := w.vault.Find(t.Context(), ref, true); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", ref, err, want)
		}
	}
}

// lossy loses the answer to every creation that matches: it is done, tried
// again, and so found done.
type lossy struct {
	providers.Bucket
	suffix string
}

func (l lossy) Put(ctx context.Context, key string, body providers.Body) error {
	err := l.Bucket.Put(ctx, key, body)
	if err == nil && strings.HasSuffix(key, l.suffix) {
		return l.Bucket.Put(ctx, key, body)
	}
	return err
}

func TestLostAnswers(t *testing.T) {
	data := mix(9, 3*testSegment)
	for _, suffix := range []string{"capture.json", ".zst", "RESTORE.md", "manifest.json", ""} {
		w := newWorld(t)
		wr, err := w.run(t.Context(), lossy{w.bucket, suffix}, streamSpec("s", stream("dump", bytes.NewReader(data))))
		if err != nil {
			t.Fatalf("%s: %v", suffix, err)
		}
		if wr.Name().ID.Time != time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC) {
			t.Errorf("%s: the capture was written as %s", suffix, wr.Name())
		}
		if got := w.restoreBoth(wr.Name(), 0); !bytes.Equal(got, data) {
			t.Errorf("%s: restored bytes differ", suffix)
		}
	}
}
