package providers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snapferry/snapferry/providers"
)

// slow is a store whose every step takes a time of its own, on the fake clock
// of a synctest bubble: what no real server does to the second.
type slow struct {
	providers.Bucket
	before, perByte, after time.Duration
	bytes                  int
	activity               bool // tell the watchdog of bytes on the wire
}

func (s *slow) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slow) Put(ctx context.Context, _ string, body providers.Body) error {
	r := body.Open()
	defer func() { _ = r.Close() }() // releases nothing
	if err := s.sleep(ctx, s.before); err != nil {
		return err
	}
	for {
		_, err := r.Read(make([]byte, 1))
		if errors.Is(err, io.EOF) {
			break
		}
		if err := errors.Join(err, s.sleep(ctx, s.perByte)); err != nil {
			return err
		}
	}
	if s.activity {
		var wire atomic.Int64
		providers.Observe(ctx, wire.Load)
		for range 100 {
			wire.Add(1)
			if err := s.sleep(ctx, s.perByte); err != nil {
				return err
			}
		}
	}
	return s.sleep(ctx, s.after)
}

func (s *slow) Get(ctx context.Context, _ string, _, _ int64) (io.ReadCloser, error) {
	if err := s.sleep(ctx, s.before); err != nil {
		return nil, err
	}
	return &slowReader{ctx, s, s.bytes}, nil
}

type slowReader struct {
	ctx  context.Context
	s    *slow
	left int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		if err := r.s.sleep(r.ctx, r.s.after); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	r.left--
	p[0] = 'x'
	return 1, r.s.sleep(r.ctx, r.s.perByte)
}

func (r *slowReader) Close() error { return nil }

func (s *slow) Delete(ctx context.Context, _ string) error { return s.sleep(ctx, s.before) }

func (s *slow) List(ctx context.Context, _ string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for i := range s.bytes {
			err := s.sleep(ctx, s.perByte)
			if !yield(providers.Object{Key: string(rune('a' + i))}, err) || err != nil {
				return
			}
		}
	}
}

func TestStall(t *testing.T) {
	const s, forever = time.Second, 1000 * time.Hour
	put := func(ctx context.Context, b providers.Bucket) error {
		return b.Put(ctx, "a", providers.Bytes(make([]byte, 200)))
	}
	get := func(ctx context.Context, b providers.Bucket) error {
		_, err := readAll(ctx, b, "a", 0, -1)
		return err
	}
	list := func(ctx context.Context, b providers.Bucket) error {
		for _, err := range b.List(ctx, "") {
			if err != nil {
				return err
			}
		}
		return nil
	}
	remove := func(ctx context.Context, b providers.Bucket) error { return b.Delete(ctx, "a") }
	for _, test := range []struct {
		name string
		slow slow
		do   func(context.Context, providers.Bucket) error
		want error
		took time.Duration // the least
	}{
		{"put never begins", slow{before: forever}, put, providers.ErrStalled, 60 * s},
		{"put stops in the body", slow{perByte: forever}, put, providers.ErrStalled, 60 * s},
		{"put gets no answer", slow{perByte: s, after: forever}, put, providers.ErrStalled, 260 * s},
		{"slow put", slow{before: 50 * s, perByte: 50 * s, after: 50 * s}, put, nil, 10_100 * s},
		{"slow wire", slow{perByte: 50 * s, activity: true}, put, nil, 15_000 * s},
		{"wire stops", slow{perByte: s, activity: true, after: forever}, put, providers.ErrStalled, 360 * s},
		{"get never begins", slow{before: forever}, get, providers.ErrStalled, 60 * s},
		{"get stops", slow{bytes: 5, after: forever}, get, providers.ErrStalled, 60 * s},
		{"slow get", slow{bytes: 100, before: 50 * s, perByte: 50 * s, after: 50 * s}, get, nil, 5100 * s},
		{"list stops", slow{bytes: 5, perByte: forever}, list, providers.ErrStalled, 60 * s},
		{"slow list", slow{bytes: 20, perByte: 50 * s}, list, nil, 1000 * s},
		{"delete stops", slow{before: forever}, remove, providers.ErrStalled, 60 * s},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := test.do(t.Context(), providers.Decorate(&test.slow, providers.Policy{Tries: 1}))
				took := time.Since(start)
				if !errors.Is(err, test.want) {
					t.Fatalf("error %v, want %v", err, test.want)
				}
				if took < test.took || took > test.took+9*s && test.want != nil {
					t.Errorf("took %v, want %v or a little more", took, test.took)
				}
				if err != nil && (providers.Permanent(err) || !strings.Contains(err.Error(), "no progress for 1m0s")) {
					t.Errorf("error %v, permanent: %v", err, providers.Permanent(err))
				}
			})
		})
	}
}

// TestStallIsRetried: a stalled attempt is visible and followed by another.
func TestStallIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorded
		err := providers.Decorate(&slow{before: time.Hour}, rec.policy()).Put(t.Context(), "a", providers.Bytes(nil))
		if !errors.Is(err, providers.ErrStalled) || len(rec.lines()) != 10 || !strings.Contains(rec.lines()[0], "no progress for 1m0s") {
			t.Errorf("error %v, log %q", err, rec.lines())
		}
	})
}

// TestCallerIsNoStall: neither a slow reader of a Get, nor a slow source of a
// Put, nor a bandwidth limit, nor a slow consumer of a listing.
func TestCallerIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := providers.Decorate(&slow{bytes: 3, perByte: time.Second}, providers.Policy{Tries: 1, Bandwidth: providers.Steady(10, 0)})
		r, err := b.Get(t.Context(), "a", 0, -1)
		for range 3 {
			time.Sleep(time.Hour)
			if err == nil {
				_, err = r.Read(make([]byte, 1))
			}
		}
		if err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for _, err := range b.List(t.Context(), "") {
			time.Sleep(time.Hour)
			if err != nil {
				t.Error(err)
			}
		}
		start := time.Now()
		if err := b.Put(t.Context(), "a", lateBody{providers.Bytes(make([]byte, 20_000))}); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 300*time.Second {
			t.Errorf("took %v, less than the limit allows", took)
		}
	})
}

// lateBody is a source that pauses for an hour.
type lateBody struct{ providers.Body }

func (b lateBody) Open() io.ReadSeekCloser {
	time.Sleep(time.Second)
	return lateReader{b.Body.Open()}
}

type lateReader struct{ io.ReadSeekCloser }

func (r lateReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	if errors.Is(err, io.EOF) {
		time.Sleep(time.Hour)
	}
	return n, err
}

// discard is a store that takes and gives bytes at no cost.
type discard struct{ providers.Bucket }

func (discard) Put(_ context.Context, _ string, body providers.Body) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, body.Open(), make([]byte, 256<<10))
	return err
}

func (discard) Get(_ context.Context, _ string, _, n int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(make([]byte, n))), nil
}

func TestBandwidth(t *testing.T) {
	const each, transfers = 8 << 20, 4
	for _, rate := range []int64{1 << 10, 100 << 10, 1 << 20, 100 << 20} {
		synctest.Test(t, func(t *testing.T) {
			b := providers.Decorate(discard{}, providers.Policy{Bandwidth: providers.Steady(rate, 2*rate), Tries: 1})
			body := providers.Bytes(make([]byte, each))
			up := elapsed(t, transfers, func() error { return b.Put(t.Context(), "a", body) })
			down := elapsed(t, transfers, func() error {
				_, err := readAll(t.Context(), b, "a", 0, each)
				return err
			})
			want := time.Duration(float64(each*transfers) / float64(rate) * float64(time.Second))
			for what, pair := range map[string][2]time.Duration{"up": {up, want}, "down": {down, want / 2}} {
				if ratio := float64(pair[0]) / float64(pair[1]); ratio < 0.95 || ratio > 1.01 {
					t.Errorf("%s at %d bytes/s took %v, want %v", what, rate, pair[0], pair[1])
				}
			}
		})
	}
}

func elapsed(t *testing.T, n int, do func() error) time.Duration {
	t.Helper()
	start := time.Now()
	errs := make(chan error, n)
	for range n {
		go func() { errs <- do() }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	return time.Since(start)
}

func TestBandwidthIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := providers.Decorate(discard{}, providers.Policy{Bandwidth: providers.Steady(100, 0)})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		start := time.Now()
		err := b.Put(ctx, "a", providers.Bytes(make([]byte, 1<<20)))
		if !errors.Is(err, context.Canceled) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := b.Put(ctx, "a", providers.Bytes(make([]byte, 1<<20))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
	})
}

// BenchmarkDecorated shows that the decorators neither copy nor allocate with
// the bytes.
func BenchmarkDecorated(b *testing.B) {
	bucket := providers.Decorate(discard{}, providers.Policy{Metrics: new(providers.Metrics), Bandwidth: providers.Steady(1<<50, 0)})
	body := providers.Bytes(make([]byte, 33<<20))
	b.SetBytes(body.Size())
	b.ReportAllocs()
	for b.Loop() {
		if err := bucket.Put(b.Context(), "a", body); err != nil {
			b.Fatal(err)
		}
	}
}
