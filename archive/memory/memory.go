// Package memory keeps snapferry inside its memory budget: one number of
// bytes that encoders, chunks and segments share, and the pages segments are
// made of, which are used again and again and never left to the collector.
package memory

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// PageSize is the size of a page in bytes: small against a segment, large
// against a system call.
const PageSize = 256 << 10

// Budget is a number of bytes shared by everything that needs much memory.
// It is safe for concurrent use. Waiters are served in order, so a large
// request is not starved by small ones.
type Budget struct {
	size int64
	sem  *semaphore.Weighted

	mu   sync.Mutex
	free [][]byte
	made int64 // pages
}

// NewBudget returns a budget of the given number of bytes.
func NewBudget(size int64) *Budget {
	return &Budget{size: size, sem: semaphore.NewWeighted(size)}
}

// Size returns the whole budget in bytes.
func (b *Budget) Size() int64 { return b.size }

// Acquire waits until n bytes are free and takes them. It fails if ctx ends
// first, or at once if n is more than the whole budget.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	if n > b.size {
		return fmt.Errorf("acquire %d bytes of memory: the whole budget is %d", n, b.size)
	}
	return b.sem.Acquire(ctx, n)
}

// TryAcquire takes n bytes if they are free and nobody waits for any.
func (b *Budget) TryAcquire(n int64) bool { return b.sem.TryAcquire(n) }

// Release gives n bytes back.
func (b *Budget) Release(n int64) { b.sem.Release(n) }

// page returns a page; its bytes are arbitrary. The caller accounts for it.
func (b *Budget) page() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		p := b.free[n-1]
		b.free = b.free[:n-1]
		return p
	}
	b.made++
	return make([]byte, PageSize)
}

// Peak returns the most bytes of pages that were ever in use at once.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.made * PageSize
}

func (b *Budget) putPages(pages [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range pages {
		b.free = append(b.free, p[:PageSize])
	}
}

// RoundUp returns the bytes of whole pages that n bytes take.
func RoundUp(n int64) int64 { return (n + PageSize - 1) / PageSize * PageSize }
