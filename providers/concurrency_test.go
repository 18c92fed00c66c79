package providers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snapferry/snapferry/providers"
)

// crowded is a store with room for some transfers, which throttles the rest.
type crowded struct {
	providers.Bucket
	room int
	took time.Duration // of one transfer

	mu                sync.Mutex
	inside, most      int
	puts, throttlings int
}

func (c *crowded) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room > 0 && c.inside >= c.room {
		c.throttlings++
		return &providers.Error{Op: "put", Err: fmt.Errorf("%w: 503 SlowDown", providers.ErrThrottled)}
	}
	c.inside++
	c.puts++
	c.most = max(c.most, c.inside)
	return nil
}

func (c *crowded) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside--
}

func (c *crowded) Put(ctx context.Context, _ string, body providers.Body) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	if _, err := io.Copy(io.Discard, body.Open()); err != nil {
		return err
	}
	select {
	case <-time.After(c.took):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *crowded) Get(context.Context, string, int64, int64) (io.ReadCloser, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	return &crowdedObject{c: c, Reader: io.LimitReader(zeros{}, 1000)}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type crowdedObject struct {
	io.Reader
	c *crowded
}

func (o *crowdedObject) Close() error {
	<-time.After(o.c.took)
	o.c.leave()
	return nil
}

func many(n int, do func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- do(i) }()
	}
	var all error
	for range n {
		all = errors.Join(all, <-errs)
	}
	return all
}

func TestConcurrencyIsALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []int{1, 4} {
			c := &crowded{took: 100 * time.Millisecond}
			b := providers.Decorate(c, providers.Policy{Uploads: providers.Concurrency{Max: limit}, Downloads: providers.Concurrency{Max: limit + 1}})
			body := providers.Bytes(make([]byte, 1000))
			if err := many(40, func(int) error { return b.Put(t.Context(), "a", body) }); err != nil || c.most != limit || c.puts != 40 {
				t.Errorf("%d of %d uploads at once, %d in all: %v", c.most, limit, c.puts, err)
			}
			err := many(40, func(int) error {
				got, err := readAll(t.Context(), b, "a", 0, -1)
				if err == nil && len(got) != 1000 {
					err = fmt.Errorf("%d bytes", len(got))
				}
				return err
			})
			if err != nil || c.most != limit+1 {
				t.Errorf("%d of %d downloads at once: %v", c.most, limit+1, err)
			}
		}
	})
}

// A store that throttles gets fewer at once, and everything is stored in the
// end: who waits to try again keeps nobody out.
func TestConcurrencyYieldsToThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free, limited := &crowded{room: 3, took: 50 * time.Millisecond}, &crowded{room: 3, took: 50 * time.Millisecond}
		took := map[*crowded]time.Duration{}
		for c, limit := range map[*crowded]providers.Concurrency{free: {}, limited: {Max: 16}} {
			b := providers.Decorate(c, providers.Policy{Uploads: limit, Tries: 1000})
			began := time.Now()
			body := providers.Bytes(make([]byte, 1000))
			work := make(chan int)
			go func() {
				defer close(work)
				for i := range 6000 {
					work <- i
				}
			}()
			err := many(16, func(int) error {
				for range work {
					if err := b.Put(t.Context(), "a", body); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil || c.puts != 6000 {
				t.Errorf("%d stored: %v", c.puts, err)
			}
			took[c] = time.Since(began)
		}
		t.Logf("throttled %d times in %v, without a limit that adapts %d in %v", limited.throttlings, took[limited], free.throttlings, took[free])
		if limited.throttlings*2 > free.throttlings || took[limited] > took[free] {
			t.Error("a limit that adapts was no better")
		}
	})
}

// With more to do than the limit lets through, and a line that has room, more
// are let in.
func TestConcurrencyGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowded{took: 100 * time.Millisecond}
		b := providers.Decorate(c, providers.Policy{Uploads: providers.Concurrency{Start: 8, Max: 32}})
		body := providers.Bytes(make([]byte, 1000))
		if err := many(32, func(int) error {
			for range 200 {
				if err := b.Put(t.Context(), "a", body); err != nil {
					return err
				}
			}
			return nil
		}); err != nil || c.most != 32 {
			t.Errorf("%d at once: %v", c.most, err)
		}
	})
}

// Who waits for a turn can be called back, and takes nobody's turn with it.
func TestConcurrencyIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowded{took: time.Hour}
		b := providers.Decorate(c, providers.Policy{Uploads: providers.Concurrency{Max: 1}, StallTimeout: -1})
		body := providers.Bytes(make([]byte, 1000))
		first := make(chan error, 1)
		go func() { first <- b.Put(t.Context(), "a", body) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := b.Put(ctx, "b", body); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := b.Put(t.Context(), "c", body); err != nil || time.Since(began) != 2*time.Hour {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}
