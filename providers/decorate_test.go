package providers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
	"github.com/snapferry/snapferry/providers/local"
	"github.com/snapferry/snapferry/providers/providertest"
)

func localBucket(t testing.TB, dir string) providers.Bucket {
	t.Helper()
	b, err := local.New(dir, providers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recorded collects log records as text and waits without waiting.
type recorded struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	waits []time.Duration
}

func (r *recorded) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *recorded) wait(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits = append(r.waits, d)
	return ctx.Err()
}

func (r *recorded) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSuffix(r.buf.String(), "\n"), "\n")
}

func (r *recorded) policy() providers.Policy {
	return providers.Policy{Log: slog.New(slog.NewTextHandler(r, nil)), Wait: r.wait, Metrics: new(providers.Metrics)}
}

// TestContract runs the contract through all decorators, alone and over a
// store that fails all the time.
func TestContract(t *testing.T) {
	for name, rates := range map[string]faults.Rates{
		"plain": {}, "faulty": {Before: 0.25, Reading: 0.5, Listing: 0.02},
	} {
		t.Run(name, func(t *testing.T) {
			seed := uint64(0)
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				dir := t.TempDir()
				seed++
				reopen := func(t *testing.T) providers.Bucket {
					var rec recorded
					p := rec.policy()
					p.Tries = 30
					p.Bandwidth = providers.Steady(4<<30, 4<<30)
					p.Uploads, p.Downloads = providers.Concurrency{Max: 3}, providers.Concurrency{Start: 1, Max: 2}
					return providers.Decorate(faults.NewBucket(localBucket(t, dir), seed, rates), p)
				}
				return providertest.Harness{Bucket: reopen(t), Reopen: reopen, NoNesting: true}
			})
		})
	}
}

// TestEveryAttemptIsVisible counts faults against log lines and metrics.
func TestEveryAttemptIsVisible(t *testing.T) {
	var rec recorded
	p := rec.policy()
	faulty := faults.NewBucket(localBucket(t, t.TempDir()), 7, faults.Rates{Before: 0.3, After: 0.2, Reading: 0.4, Listing: 0.05})
	b := providers.Decorate(faulty, p)
	content := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	for i := range 50 {
		key := fmt.Sprintf("k/%02d", i)
		// A lost answer shows as ErrExists, and the object is whole.
		if err := b.Put(t.Context(), key, providers.Bytes(content)); err != nil && !errors.Is(err, providers.ErrExists) {
			t.Fatal(err)
		}
		if got, err := readAll(t.Context(), b, key, 0, -1); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("get %s: %d bytes, %v", key, len(got), err)
		}
	}
	n := 0
	for o, err := range b.List(t.Context(), "k/") {
		if err != nil || o.Key != fmt.Sprintf("k/%02d", n) {
			t.Fatalf("object %d: %v, %v", n, o, err)
		}
		n++
	}
	m := p.Metrics.Snapshot()
	lines := rec.lines()
	if n != 50 || faulty.Hits() < 50 || len(lines) != faulty.Hits() || m.Failures != int64(faulty.Hits()) || m.Retries != m.Failures {
		t.Errorf("%d objects, %d faults, %d log lines, metrics %+v", n, faulty.Hits(), len(lines), m)
	}
	for _, want := range []string{"level=INFO", "op=get", "key=k/", "attempt=", "wait=", "injected fault"} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("the log never says %q", want)
		}
	}
	if m.InFlight != 0 {
		t.Errorf("%d operations are in flight at the end", m.InFlight)
	}
}

func readAll(ctx context.Context, b providers.Bucket, key string, off, n int64) ([]byte, error) {
	r, err := b.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func TestBackoff(t *testing.T) {
	var rec recorded
	p := rec.policy()
	p.Rand = func() float64 { return 0.999999999 } // the longest waits
	b := providers.Decorate(faults.NewBucket(localBucket(t, t.TempDir()), 1, faults.Rates{Before: 1}), p)
	err := b.Put(t.Context(), "a", providers.Bytes(nil))
	if !errors.Is(err, faults.ErrInjected) || !strings.Contains(err.Error(), "put a: gave up after 10 attempts: injected fault") {
		t.Errorf("error %v", err)
	}
	var got []time.Duration
	for _, d := range rec.waits {
		got = append(got, d.Round(time.Millisecond))
	}
	want := []time.Duration{200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
	if lines := rec.lines(); len(lines) != 10 || !strings.Contains(lines[9], "giving up") {
		t.Errorf("log %q", lines)
	}
	rec.waits = nil
	p.Rand = nil
	b = providers.Decorate(faults.NewBucket(localBucket(t, t.TempDir()), 1, faults.Rates{Before: 1}), p)
	if err := b.Delete(t.Context(), "a"); err == nil {
		t.Error("no error")
	}
	for i, d := range rec.waits {
		if d < 0 || d > want[i] {
			t.Errorf("wait %d is %v, more than %v", i+1, d, want[i])
		}
	}
}

func TestOneTry(t *testing.T) {
	var rec recorded
	p := rec.policy()
	p.Tries = 1
	b := providers.Decorate(faults.NewBucket(localBucket(t, t.TempDir()), 1, faults.Rates{Before: 1}), p)
	if err := b.Put(t.Context(), "a", providers.Bytes(nil)); err == nil || err.Error() != "put a: injected fault" {
		t.Errorf("error %v", err)
	}
	if len(rec.waits) != 0 || len(rec.lines()) != 1 {
		t.Errorf("waits %v, log %q", rec.waits, rec.lines())
	}
}

func TestPermanentErrorsAreNotRetried(t *testing.T) {
	var rec recorded
	b := providers.Decorate(localBucket(t, t.TempDir()), rec.policy())
	if err := b.Put(t.Context(), "a", providers.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	_, missing := b.Get(t.Context(), "none", 0, -1)
	_, ranged := b.Get(t.Context(), "a", 5, -1)
	for err, want := range map[error]error{
		b.Put(t.Context(), "a", providers.Bytes(nil)):    providers.ErrExists,
		b.Put(t.Context(), "../a", providers.Bytes(nil)): providers.ErrInvalidKey,
		missing: providers.ErrNotFound, ranged: providers.ErrRange,
	} {
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if rec.buf.Len() != 0 || len(rec.waits) != 0 {
		t.Errorf("tried again: %q", rec.lines())
	}
}

func TestCancelWhileWaiting(t *testing.T) {
	var rec recorded
	p := rec.policy()
	ctx, cancel := context.WithCancel(t.Context())
	p.Wait = func(ctx context.Context, _ time.Duration) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	b := providers.Decorate(faults.NewBucket(localBucket(t, t.TempDir()), 1, faults.Rates{Before: 1}), p)
	err := b.Put(ctx, "a", providers.Bytes(nil))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "injected fault") || len(rec.lines()) != 1 {
		t.Errorf("error %v, log %q", err, rec.lines())
	}
}

// flaky is a Bucket whose readers break after some bytes each; it notes where
// they are opened.
type flaky struct {
	providers.Bucket
	after int64
	opens []int64
}

func (f *flaky) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	f.opens = append(f.opens, off)
	r, err := f.Bucket.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, f.after), broken{}), r}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReaderGoesOnWhereItWas(t *testing.T) {
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	base := localBucket(t, t.TempDir())
	if err := base.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	const step = 300_000 // more than what makes failures forgotten
	for _, r := range []struct{ off, n, end int64 }{{0, -1, 3 << 20}, {1000, -1, 3 << 20}, {5, 2 << 20, 5 + 2<<20}, {2 << 20, 9 << 20, 3 << 20}, {0, step, step}} {
		var rec recorded
		p := rec.policy()
		p.Tries = 3 // the last piece is small
		f := &flaky{Bucket: base, after: step}
		got, err := readAll(t.Context(), providers.Decorate(f, p), "a", r.off, r.n)
		if err != nil || !bytes.Equal(got, content[r.off:r.end]) {
			t.Errorf("range %d, %d: %d bytes, %v", r.off, r.n, len(got), err)
		}
		for i, off := range f.opens {
			if off != min(r.off+int64(i)*step, r.end) {
				t.Errorf("range %d, %d: open %d at byte %d", r.off, r.n, i, off)
			}
		}
	}
	// Without progress worth the name the tries are used up.
	for _, after := range []int64{0, 1000} {
		var rec recorded
		f := &flaky{Bucket: base, after: after}
		got, err := readAll(t.Context(), providers.Decorate(f, rec.policy()), "a", 0, -1)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "gave up after 10 attempts") || len(got) != int(10*after) || len(f.opens) != 10 {
			t.Errorf("after %d: %d bytes, %d opens, %v", after, len(got), len(f.opens), err)
		}
	}
}

func TestReaderAfterClose(t *testing.T) {
	b := providers.Decorate(localBucket(t, t.TempDir()), providers.Policy{})
	if err := b.Put(t.Context(), "a", providers.Bytes([]byte("abc"))); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read after close: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	m := new(providers.Metrics)
	b := providers.Decorate(localBucket(t, t.TempDir()), providers.Policy{Metrics: m})
	if err := b.Put(t.Context(), "a", providers.Bytes(make([]byte, 1000))); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), "a", 100, -1)
	if err != nil {
		t.Fatal(err)
	}
	if m.Snapshot().InFlight != 1 {
		t.Error("an open reader is not in flight")
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range b.List(t.Context(), "") {
		if err != nil || m.Snapshot().InFlight != 1 {
			t.Errorf("within a listing: %v, %+v", err, m.Snapshot())
		}
	}
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	want := providers.MetricsSnapshot{Puts: 1, Gets: 1, Lists: 1, Deletes: 1, BytesUp: 1000, BytesDown: 900}
	if got := m.Snapshot(); got != want {
		t.Errorf("metrics %+v, want %+v", got, want)
	}
}
