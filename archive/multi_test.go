package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
)

// runAll backs up into the vaults behind the buckets as one run, and returns
// a writer and an error for each.
func runAll(t *testing.T, s archive.Spec, opts archive.Options, buckets ...providers.Bucket) ([]*archive.Writer, []error) {
	t.Helper()
	vaults := make([]*archive.Vault, len(buckets))
	for i, b := range buckets {
		v, err := archive.NewVault(b, "some/prefix", opts)
		if err != nil {
			t.Fatal(err)
		}
		vaults[i] = v
	}
	writers, errs := archive.BeginAll(t.Context(), s, vaults...)
	var begun []*archive.Writer
	for i, w := range writers {
		if errs[i] == nil {
			begun = append(begun, w)
		}
	}
	if len(begun) == 0 {
		return writers, errs
	}
	shipped := archive.Ship(t.Context(), begun...)
	for i, w := range writers {
		if errs[i] == nil {
			errs[i] = shipped[slices.Index(begun, w)]
		}
		if errs[i] == nil {
			_, errs[i] = w.Commit(t.Context())
		}
	}
	return writers, errs
}

// counting counts the bytes that are read of a source.
type counting struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

// Several vaults get the same backup of one reading, and what is counted is
// counted once.
func TestSeveralVaults(t *testing.T) {
	data := mix(11, 9*testSegment+77)
	worlds := []*world{newWorld(t), newWorld(t), newWorld(t)}
	source := &counting{ReaderAt: bytes.NewReader(data)}
	im := image("file", data)
	s := spec("s", im)
	s.Images[0].Data = source
	opts := worlds[0].opts
	opts.Progress = &archive.Progress{}
	writers, errs := runAll(t, s, opts, worlds[0].bucket, worlds[1].bucket, worlds[2].bucket)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := source.n.Load(); n != int64(len(data)) {
		t.Errorf("%d bytes were read of %d", n, len(data))
	}
	p := opts.Progress
	if p.Total.Load() != int64(len(data)) || p.Done.Load() != p.Total.Load() || p.Objects.Load() != 3*10 {
		t.Errorf("total %d, done %d, objects %d", p.Total.Load(), p.Done.Load(), p.Objects.Load())
	}
	first := worlds[0].files()
	for i, w := range worlds {
		if got := w.restoreBoth(writers[i].Name(), 0); !bytes.Equal(got, data) {
			t.Errorf("vault %d: restored bytes differ", i)
		}
		if got := writers[i].Levels(); got[frame.Fastest] != 9*4+1 || len(got) != 1 {
			t.Errorf("vault %d: levels %v", i, got)
		}
		for key := range w.files() {
			if first[key] == "" {
				t.Errorf("vault %d has %s, the first has not", i, key)
			}
		}
		w.complete()
	}
}

// A run into two vaults that ends at any creation of an object leaves nothing
// that is wrong; the next one completes the same backup in both, and sends
// nothing twice.
func TestSeveralEndAtEveryStep(t *testing.T) {
	data := mix(3, 4*testSegment)
	sparse := image("disk", data)
	sparse.Extents = extents(format.Extent{Offset: 0, Length: int64(len(data))})
	s := spec("s", image("file", data), sparse)
	for limit := 0; ; limit++ {
		a, b := newWorld(t), newWorld(t)
		dying := newTap(nil, limit)
		first := []*tap{newTap(shared{a.bucket, dying}, -1), newTap(shared{b.bucket, dying}, -1)}
		_, errs := runAll(t, s, a.opts, first[0], first[1])
		if !dying.dropped.Load() {
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if limit < 2*(2*4+6) {
				t.Fatalf("both backups took %d creations only", limit)
			}
			return
		}
		before := len(a.complete()) + len(b.complete())
		again := s
		again.Time = s.Time.Add(24 * time.Hour)
		second := []*tap{newTap(a.bucket, -1), newTap(b.bucket, -1)}
		writers, errs := runAll(t, again, a.opts, second[0], second[1])
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("limit %d: second run: %v", limit, err)
		}
		if writers[0].Name() != writers[1].Name() || limit > 0 && writers[0].Name().ID.Time != s.Time {
			t.Fatalf("limit %d (%d complete): %s and %s", limit, before, writers[0].Name(), writers[1].Name())
		}
		for i, w := range []*world{a, b} {
			for key := range maps.Keys(second[i].puts) {
				if first[i].puts[key] > 0 {
					t.Errorf("limit %d: %s was sent twice", limit, key)
				}
			}
			if got := w.complete(); len(got) != 1 {
				t.Fatalf("limit %d: %d backups in vault %d", limit, len(got), i)
			}
			if got := w.restoreBoth(writers[i].Name(), 1); !bytes.Equal(got, data) {
				t.Fatalf("limit %d: restored bytes differ", limit)
			}
		}
	}
}

// shared is a bucket whose creations are counted, and ended, together with
// those of others.
type shared struct {
	providers.Bucket
	count *tap
}

func (s shared) Put(ctx context.Context, key string, body providers.Body) error {
	s.count.mu.Lock()
	if s.count.limit == 0 {
		s.count.mu.Unlock()
		s.count.dropped.Store(true)
		return errKilled
	}
	s.count.limit--
	s.count.mu.Unlock()
	return s.Bucket.Put(ctx, key, body)
}

// One vault that fails at any of its creations does not stop the other; the
// next run catches it up, and leaves the other as it is.
func TestOneVaultFails(t *testing.T) {
	data := mix(5, 5*testSegment)
	s := spec("s", image("file", data))
	for limit := 0; ; limit++ {
		a, b := newWorld(t), newWorld(t)
		failing := newTap(b.bucket, limit)
		writers, errs := runAll(t, s, a.opts, a.bucket, failing)
		if errs[0] != nil {
			t.Fatalf("limit %d: the good vault failed: %v", limit, errs[0])
		}
		if !failing.dropped.Load() {
			if errs[1] != nil || limit < 5+4 {
				t.Fatalf("limit %d: %v", limit, errs[1])
			}
			return
		}
		if !errors.Is(errs[1], errKilled) {
			t.Fatalf("limit %d: the failing vault: %v", limit, errs[1])
		}
		if got := a.restoreBoth(writers[0].Name(), 0); !bytes.Equal(got, data) {
			t.Fatalf("limit %d: restored bytes differ", limit)
		}
		again := s
		again.Time = s.Time.Add(24 * time.Hour)
		good := newTap(a.bucket, -1)
		second, errs := runAll(t, again, a.opts, good, b.bucket)
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("limit %d: second run: %v", limit, err)
		}
		if second[1].Name() != second[0].Name() || limit > 0 && (second[0].Name() != writers[0].Name() || len(good.puts) > 0) {
			t.Fatalf("limit %d: %s and %s after %s; the good vault got %v", limit, second[0].Name(), second[1].Name(), writers[0].Name(), good.puts)
		}
		if got := b.restoreBoth(second[1].Name(), 0); !bytes.Equal(got, data) || len(b.complete()) != 1 {
			t.Fatalf("limit %d: restored bytes differ", limit)
		}
	}
}

// A vault whose capture was never stored is caught up by naming the instant.
func TestSameInstantCatchesUp(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	s := spec("s", image("file", mix(5, testSegment)))
	n, _ := a.backup(s)
	good := newTap(a.bucket, -1)
	writers, errs := runAll(t, s, a.opts, good, b.bucket)
	if err := errors.Join(errs...); err != nil || writers[0].Name() != n || writers[1].Name() != n || len(good.puts) > 0 {
		t.Fatalf("%v: %s, %s, %v", err, writers[0].Name(), writers[1].Name(), good.puts)
	}
	b.complete()
}

// Faults at random in both vaults: however many runs it takes, both end up
// with one backup that restores.
func TestSeveralWithRandomFaults(t *testing.T) {
	data := mix(6, 6*testSegment)
	for seed := range uint64(6) {
		a, b := newWorld(t), newWorld(t)
		rates := faults.Rates{Before: 0.02, After: 0.05, Listing: 0.001, Reading: 0.02}
		fa, fb := faults.NewBucket(a.bucket, seed, rates), faults.NewBucket(b.bucket, seed+100, rates)
		s := spec("s", image("file", data))
		for run := 0; ; run++ {
			s.Time = s.Time.Add(time.Hour)
			if _, errs := runAll(t, s, a.opts, fa, fb); errors.Join(errs...) == nil {
				break
			}
			if run == 200 {
				t.Fatal("two hundred runs were not enough")
			}
		}
		for _, w := range []*world{a, b} {
			for _, e := range w.complete() {
				if got := w.restoreBoth(e.Name, 0); !bytes.Equal(got, data) {
					t.Fatal("restored bytes differ")
				}
			}
		}
	}
}

func TestStreamToSeveral(t *testing.T) {
	data := mix(8, 7*testSegment+1)
	for _, limit := range []int{-1, 3} {
		a, b := newWorld(t), newWorld(t)
		writers, errs := runAll(t, streamSpec("s", stream("dump", iotestOneByteAtATime(data))), a.opts, newTap(a.bucket, limit), b.bucket)
		if errs[1] != nil || (errs[0] != nil) != (limit >= 0) {
			t.Fatalf("limit %d: %v", limit, errs)
		}
		if got := b.restoreBoth(writers[1].Name(), 0); !bytes.Equal(got, data) {
			t.Fatal("restored bytes differ")
		}
		if limit < 0 {
			if got := a.restoreBoth(writers[0].Name(), 0); !bytes.Equal(got, data) {
				t.Fatal("restored bytes differ")
			}
		} else if got := a.complete(); len(got) > 0 {
			t.Fatalf("the vault that failed lists %v", got)
		}
	}
	boom := errors.New("boom")
	a, b := newWorld(t), newWorld(t)
	_, errs := runAll(t, streamSpec("s", stream("dump", io.MultiReader(bytes.NewReader(data), errReader{boom}))), a.opts, a.bucket, b.bucket)
	if !errors.Is(errs[0], boom) || !errors.Is(errs[1], boom) {
		t.Errorf("a stream that fails: %v", errs)
	}
}

// Vaults whose unfinished backups are cut otherwise are each finished as they
// were begun: by size of segments, and by where the data was found to be.
func TestVaultsCutOtherwise(t *testing.T) {
	a, b, c := newWorld(t), newWorld(t), newWorld(t)
	data := make([]byte, 6*testSegment)
	copy(data[testSegment:], mix(9, 3*testSegment))
	looks := 0
	find := func(list ...format.Extent) func(context.Context) iter.Seq2[format.Extent, error] {
		return func(ctx context.Context) iter.Seq2[format.Extent, error] {
			looks++
			return extents(list...)(ctx)
		}
	}
	im := image("disk", data)
	im.Extents = find(format.Extent{Offset: 0, Length: 5 * testSegment})
	s := spec("s", im)
	small := b.opts
	small.Segment = testChunk
	if _, errs := runAll(t, s, small, newTap(b.bucket, 5)); !errors.Is(errs[0], errKilled) {
		t.Fatal(errs)
	}
	if _, errs := runAll(t, s, c.opts, newTap(c.bucket, 4)); !errors.Is(errs[0], errKilled) {
		t.Fatal(errs)
	}
	looks = 0
	s.Images[0].Extents = find(format.Extent{Offset: testSegment, Length: 3 * testSegment})
	writers, errs := runAll(t, s, a.opts, a.bucket, b.bucket, c.bucket)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if looks != 1 {
		t.Errorf("the source was asked %d times where its data is", looks)
	}
	for i, w := range []*world{a, b, c} {
		if got := w.restoreBoth(writers[i].Name(), 0); !bytes.Equal(got, data) {
			t.Errorf("vault %d: restored bytes differ", i)
		}
		w.complete()
	}
	if writers[0].Resumed() || !writers[1].Resumed() || !writers[2].Resumed() {
		t.Error("what was begun was not taken up")
	}
}

// An error of the source is everybody's, also that of looking for its holes.
func TestSourceFailsForAll(t *testing.T) {
	boom := errors.New("boom")
	data := mix(1, 4*testSegment)
	holes := image("disk", data)
	holes.Extents = func(context.Context) iter.Seq2[format.Extent, error] {
		return func(yield func(format.Extent, error) bool) { yield(format.Extent{}, boom) }
	}
	broken := image("file", data)
	for _, im := range []archive.Image{holes, broken} {
		s := spec("s", im)
		s.Images[0].Data = brokenReader{boom}
		a, b := newWorld(t), newWorld(t)
		if _, errs := runAll(t, s, a.opts, a.bucket, b.bucket); !errors.Is(errs[0], boom) || !errors.Is(errs[1], boom) {
			t.Errorf("%s: %v", im.Title, errs)
		}
	}
}

type brokenReader struct{ err error }

func (b brokenReader) ReadAt([]byte, int64) (int, error) { return 0, b.err }

// waiting is a bucket that stores no segment before it is told to.
type waiting struct {
	providers.Bucket
	open <-chan struct{}
}

func (w waiting) Put(ctx context.Context, key string, body providers.Body) error {
	if strings.Contains(key, "/data/") {
		select {
		case <-w.open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return w.Bucket.Put(ctx, key, body)
}

// telling closes a channel once so many segments are stored.
type telling struct {
	providers.Bucket
	left atomic.Int32
	done chan struct{}
}

func (c *telling) Put(ctx context.Context, key string, body providers.Body) error {
	err := c.Bucket.Put(ctx, key, body)
	if err == nil && strings.Contains(key, "/data/") && c.left.Add(-1) == 0 {
		close(c.done)
	}
	return err
}

// A vault that does not move holds the others back by the memory alone: here
// the other gets everything meanwhile.
func TestSlowVaultDoesNotHoldBack(t *testing.T) {
	const segments = 40
	data := mix(12, segments*testSegment)
	a, b := newWorld(t), newWorld(t)
	fast := &telling{Bucket: a.bucket, done: make(chan struct{})}
	fast.left.Store(segments)
	_, errs := runAll(t, spec("s", image("file", data)), a.opts, waiting{b.bucket, fast.done}, fast)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	a.complete()
	b.complete()
}

// When the run is ended, all vaults are told so and nothing keeps running,
// though one does not move.
func TestSeveralCancelled(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	fast := &telling{Bucket: a.bucket, done: make(chan struct{})}
	fast.left.Store(3)
	var writers []*archive.Writer
	for _, bucket := range []providers.Bucket{fast, waiting{b.bucket, nil}} {
		v, err := archive.NewVault(bucket, "", a.opts)
		if err != nil {
			t.Fatal(err)
		}
		w, err := v.Begin(ctx, spec("s", image("file", mix(2, 9*testSegment))))
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	go func() {
		<-fast.done
		cancel()
	}()
	for i, err := range archive.Ship(ctx, writers...) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("vault %d: %v", i, err)
		}
	}
}

// What no vault has stored is not counted as done.
func TestDoneIsDurable(t *testing.T) {
	w := newWorld(t)
	w.opts.Progress = &archive.Progress{}
	for n, buckets := range [][]providers.Bucket{{newTap(w.bucket, 4)}, {newTap(newWorld(t).bucket, 4), newTap(newWorld(t).bucket, 3)}} {
		w.opts.Progress.Done.Store(0)
		if _, errs := runAll(t, spec("s", image("file", mix(2, 9*testSegment))), w.opts, buckets...); !errors.Is(errs[0], errKilled) {
			t.Fatal(errs)
		}
		stored := int64(3+2*n) * testSegment // at most, if both have others
		if done := w.opts.Progress.Done.Load(); done > stored {
			t.Errorf("%d vaults: %d bytes count as done, %d are stored", len(buckets), done, stored)
		}
	}
}

// encrypted stands for a vault that encrypts: every segment is stored as
// another buffer, of other bytes.
func encrypted(w *archive.Writer, key byte) {
	w.Wrapping(memory.PageSize, func(plain *memory.Buffer) (*memory.Buffer, error) {
		r := plain.Open()
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		for i := range b {
			b[i] ^= key
		}
		buf := w.Budget().NewBuffer()
		_, _ = fmt.Fprintf(buf, "sealed with %02x\n", key)
		_, _ = buf.Write(b)
		buf.Seal()
		return buf, nil
	})
}

// Plain and encrypting vaults side by side: each gets its own form, and all
// forms together stay within the one budget, though one vault does not move
// until the memory is full.
func TestEncryptingVaultsShareTheBudget(t *testing.T) {
	const segment, chunk = 4 << 20, 1 << 20
	data := make([]byte, 24*segment)
	noise := mix(77, 3*testChunk)
	for i := range data {
		data[i] = noise[i%len(noise)] ^ byte(i>>16)
	}
	worlds := []*world{newWorld(t), newWorld(t), newWorld(t)}
	opts := worlds[0].opts
	opts.Segment, opts.Chunk, opts.MaxMemory, opts.Level = segment, chunk, archive.MinMemory, frame.Auto
	open := make(chan struct{})
	full := &stalled{open: open}
	writers := make([]*archive.Writer, len(worlds))
	for i, w := range worlds {
		bucket := w.bucket
		if i == 1 {
			bucket = waiting{bucket, open}
		}
		v, err := archive.NewVault(bucket, "some/prefix", opts)
		if err != nil {
			t.Fatal(err)
		}
		s := spec("s", image("file", data))
		s.Images[0].Data = full.watch(bytes.NewReader(data))
		if writers[i], err = v.Begin(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			encrypted(writers[i], byte(i))
		}
	}
	full.budget = writers[0].Budget()
	go full.release()
	if err := errors.Join(archive.Ship(t.Context(), writers...)...); err != nil {
		t.Fatal(err)
	}
	budget := writers[0].Budget()
	t.Logf("%d MiB of pages in a budget of %d MiB", budget.Peak()>>20, budget.Size()>>20)
	if budget.Peak() > budget.Size() || budget.Peak() < budget.Size()/4 {
		t.Errorf("%d bytes of pages were in use, the budget has %d", budget.Peak(), budget.Size())
	}
	if !budget.TryAcquire(budget.Size()) {
		t.Error("memory was not given back")
	}
	for i, w := range worlds {
		for key, path := range w.files() {
			if !strings.Contains(key, "/data/") {
				continue
			}
			got := readFile(t, path)
			if want := fmt.Sprintf("sealed with %02x\n", i); i > 0 != bytes.HasPrefix(got, []byte(want)) {
				t.Errorf("vault %d: %s begins with %q", i, key, got[:20])
			}
		}
	}
}

// stalled opens a gate once much memory is in use and nothing has been read of
// the source for a while, which is when the memory is full.
type stalled struct {
	io.ReaderAt
	mu     sync.Mutex
	reads  int
	budget *memory.Budget
	open   chan struct{}
}

func (s *stalled) watch(r io.ReaderAt) io.ReaderAt {
	s.ReaderAt = r
	return s
}

func (s *stalled) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	s.reads++
	s.mu.Unlock()
	return s.ReaderAt.ReadAt(p, off)
}

func (s *stalled) release() {
	for last := -1; ; {
		<-time.After(300 * time.Millisecond)
		s.mu.Lock()
		reads := s.reads
		s.mu.Unlock()
		if s.budget.Peak() > s.budget.Size()/4 && reads == last {
			close(s.open)
			return
		}
		last = reads
	}
}

// A vault whose segments cannot be encrypted is left behind like any other
// that fails.
func TestWrapFails(t *testing.T) {
	boom := errors.New("boom")
	a, b := newWorld(t), newWorld(t)
	data := mix(4, 5*testSegment)
	var writers []*archive.Writer
	for _, w := range []*world{a, b} {
		wr, err := w.vault.Begin(t.Context(), spec("s", image("file", data)))
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, wr)
	}
	writers[1].Wrapping(0, func(*memory.Buffer) (*memory.Buffer, error) { return nil, boom })
	errs := archive.Ship(t.Context(), writers...)
	if errs[0] != nil || !errors.Is(errs[1], boom) {
		t.Fatal(errs)
	}
	if _, err := writers[0].Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.restoreBoth(writers[0].Name(), 0); !bytes.Equal(got, data) {
		t.Error("restored bytes differ")
	}
}

// What does not fit says so before anything is read.
func TestTooManyFormsForTheMemory(t *testing.T) {
	w := newWorld(t)
	w.opts.Segment, w.opts.Chunk, w.opts.MaxMemory = 32<<20, 1<<20, archive.MinMemory
	w.reopen()
	wr, err := w.vault.Begin(t.Context(), spec("s", image("file", make([]byte, 10))))
	if err != nil {
		t.Fatal(err)
	}
	encrypted(wr, 1)
	var told *archive.Error
	if err := wr.Ship(t.Context()); !errors.Is(err, archive.ErrInvalid) || !errors.As(err, &told) || told.Hint == "" {
		t.Errorf("%v", err)
	}
}
