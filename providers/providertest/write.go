package providertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

func testCreateOnly(t *testing.T, h Harness) {
	first := []byte("first")
	put(t, h.Bucket, "one", first)
	other := h.Reopen(t)
	defer closeBucket(t, other)
	for _, b := range []providers.Bucket{h.Bucket, other} {
		for _, content := range [][]byte{first, []byte("second, longer"), nil} {
			err := b.Put(t.Context(), "one", providers.Bytes(content))
			wantError(t, err, providers.ErrExists, "put", "one")
			wantContent(t, b, "one", first)
		}
	}
	// A store may refuse long before it has taken a long body.
	long := Noise(8 << 20)
	for range 5 {
		err := h.Bucket.Put(t.Context(), "one", providers.Bytes(long))
		wantError(t, err, providers.ErrExists, "put", "one")
	}
	if !providers.Permanent(&providers.Error{Op: "put", Err: providers.ErrExists}) {
		t.Error("ErrExists must be permanent")
	}
}

// testConcurrentCreators lets 20 writers create one key, half of them through
// another bucket: one wins, all others learn that it exists, and what can be
// read is the winner's.
func testConcurrentCreators(t *testing.T, h Harness) {
	const writers = 20
	other := h.Reopen(t)
	defer closeBucket(t, other)
	buckets := []providers.Bucket{h.Bucket, other}
	for round := range 3 {
		key := fmt.Sprintf("race/%d", round)
		start := make(chan struct{})
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				<-start
				errs[i] = buckets[i%2].Put(t.Context(), key, providers.Bytes(raceContent(i)))
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && (winner < 0 || h.Races):
				winner = i
			case err == nil:
				t.Fatalf("writers %d and %d both won", winner, i)
			default:
				wantError(t, err, providers.ErrExists, "put", key)
			}
		}
		if winner < 0 {
			t.Fatalf("nobody won: %v", errs)
		}
		if !h.Races { // else the last of several winners is any of them
			wantContent(t, h.Bucket, key, raceContent(winner))
		}
	}
}

func raceContent(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 100_000+i) }

// body is a Body that misbehaves.
type body struct {
	content []byte
	size    int64
	sum     [sha256.Size]byte
	failAt  int64                // bytes after which reads fail; < 0 never
	onRead  func(at int64) error // called before each read
}

func honest(content []byte) body {
	return body{content: content, size: int64(len(content)), sum: sha256.Sum256(content), failAt: -1}
}

func (b body) Size() int64               { return b.size }
func (b body) SHA256() [sha256.Size]byte { return b.sum }
func (b body) Open() io.ReadSeekCloser {
	return &bodyReader{Reader: bytes.NewReader(b.content), b: b}
}

type bodyReader struct {
	*bytes.Reader
	b body
}

var errBody = errors.New("the source broke")

func (r *bodyReader) Read(p []byte) (int, error) {
	at := r.Size() - int64(r.Len())
	if r.b.onRead != nil {
		if err := r.b.onRead(at); err != nil {
			return 0, err
		}
	}
	if r.b.failAt >= 0 {
		if at >= r.b.failAt {
			return 0, errBody
		}
		p = p[:min(int64(len(p)), r.b.failAt-at)]
	}
	return r.Reader.Read(p)
}

// WriteTo of bytes.Reader must not go past Read.
func (r *bodyReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

func (r *bodyReader) Close() error { return nil }

func testFailingBody(t *testing.T, h Harness) {
	for _, size := range []int{1000, 3 << 20} {
		b := honest(Noise(size))
		b.failAt = int64(size / 2)
		if err := h.Bucket.Put(t.Context(), "broken", b); err == nil {
			t.Fatalf("put of a body of %d bytes that fails half way was no error", size)
		}
		wantNothing(t, h, "broken")
	}
	put(t, h.Bucket, "broken", []byte("whole"))
	wantContent(t, h.Bucket, "broken", []byte("whole"))
}

func testWrongLength(t *testing.T, h Harness) {
	b := honest(Noise(100_000))
	b.size += 10
	if err := h.Bucket.Put(t.Context(), "short", b); err == nil {
		t.Fatal("put of a body that is too short was no error")
	}
	wantNothing(t, h, "short")
}

func testWrongHash(t *testing.T, h Harness) {
	b := honest(Noise(100_000))
	b.sum[0] ^= 1
	err := h.Bucket.Put(t.Context(), "lie", b)
	if !h.VerifiesSHA256 {
		if err != nil {
			t.Fatalf("a store that does not verify hashes says %v", err)
		}
		wantContent(t, h.Bucket, "lie", b.content)
		return
	}
	wantError(t, err, providers.ErrChecksum, "put", "lie")
	wantNothing(t, h, "lie")
}

// testBodyAfterPut asserts that nothing reads a body once Put has returned:
// its memory is used for the next one.
func testBodyAfterPut(t *testing.T, h Harness) {
	put(t, h.Bucket, "taken", []byte("x"))
	for i := range 10 {
		content := Noise(6 << 20)
		var returned atomic.Bool
		var late atomic.Int64
		b := honest(content)
		b.onRead = func(int64) error {
			if returned.Load() {
				late.Add(1)
			}
			return nil
		}
		// Both ends of Put: an early refusal, and an end in the middle.
		ctx, cancel := context.WithCancel(t.Context())
		key := "taken"
		if i%2 == 1 {
			key = "cancelled"
			read := b.onRead
			b.onRead = func(at int64) error {
				if at > 1<<20 {
					cancel()
				}
				return read(at)
			}
		}
		err := h.Bucket.Put(ctx, key, b)
		returned.Store(true)
		clear(content) // the race detector sees a reader that is still at work
		cancel()
		if err == nil {
			t.Fatalf("put of %s was no error", key)
		}
		if late.Load() > 0 {
			t.Fatalf("%d reads after put had returned", late.Load())
		}
	}
}

func testCancelled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := h.Bucket.Put(ctx, "never", providers.Bytes([]byte("x")))
	wantError(t, err, context.Canceled, "put", "never")
	wantNothing(t, h, "never")
	put(t, h.Bucket, "there", []byte("x"))
	_, err = get(ctx, h.Bucket, "there", 0, -1)
	wantError(t, err, context.Canceled, "get", "there")
	wantError(t, h.Bucket.Delete(ctx, "there"), context.Canceled, "delete", "there")
	err = nil
	for _, err = range h.Bucket.List(ctx, "") {
		break
	}
	wantError(t, err, context.Canceled, "list", "")
	wantContent(t, h.Bucket, "there", []byte("x"))
}

func testCancelledHalfWay(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := honest(Noise(8 << 20))
	b.onRead = func(at int64) error {
		if at > 2<<20 {
			cancel()
		}
		return nil
	}
	err := h.Bucket.Put(ctx, "half", b)
	wantError(t, err, context.Canceled, "put", "half")
	wantNothing(t, h, "half")

	put(t, h.Bucket, "long", Noise(8<<20))
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	r, err := h.Bucket.Get(ctx, "long", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("read after cancel: %v", err)
	}
	if err := r.Close(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("close after cancel: %v", err)
	}
}
