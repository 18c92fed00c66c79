package archive

import (
	"context"
	"sync"

	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
)

// allowance is the memory of encoders harder than the fastest, on top of what
// the workers have reserved. Only the producer, who begins segments, asks for
// it and waits: a worker that waited for memory could be the one that frees
// it.
type allowance struct {
	budget  *memory.Budget
	workers int64
	chunk   int

	mu      sync.Mutex
	granted frame.Level // the hardest that workers may use
	// holding is how many workers keep a harder encoder. After a grant was
	// taken back, each of them still owes its share.
	holding int64
	owed    int64
}

func newAllowance(budget *memory.Budget, workers int, chunk int64) *allowance {
	return &allowance{budget: budget, workers: int64(workers), chunk: int(chunk), granted: frame.Fastest}
}

// reach returns the hardest level, as an index of the ladder, that all workers
// could use within spare bytes.
func (a *allowance) reach(spare int64) int {
	top := 0
	for i, level := range frame.Ladder() {
		if a.workers*level.Extra(a.chunk) <= spare {
			top = i
		}
	}
	return top
}

// bytes is what the grant takes of the budget.
func (a *allowance) bytes() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.workers*a.granted.Extra(a.chunk) + a.holding*a.owed
}

// grant waits for the memory that the level takes beyond what was granted.
func (a *allowance) grant(ctx context.Context, level frame.Level) error {
	a.mu.Lock()
	more := a.workers * (level.Extra(a.chunk) - a.granted.Extra(a.chunk))
	if a.owed > 0 && a.holding > 0 {
		more = 0 // not before all have let go
	}
	a.mu.Unlock()
	if more <= 0 {
		return nil
	}
	if err := a.budget.Acquire(ctx, more); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.granted, a.owed = level, 0
	return nil
}

// revoke takes the grant back: at once from workers that hold nothing, from
// the others when they come for their next chunk.
func (a *allowance) revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	share := a.granted.Extra(a.chunk)
	if share == 0 {
		return
	}
	a.budget.Release((a.workers - a.holding) * share)
	a.granted, a.owed = frame.Fastest, share
}

// use returns the level that a worker may use for its next chunk if it wants
// that one. holds tells whether it keeps a harder encoder, and is changed when
// it must let go of it or may make one.
func (a *allowance) use(want frame.Level, holds *bool) frame.Level {
	a.mu.Lock()
	defer a.mu.Unlock()
	limit := a.granted.Extra(a.chunk)
	if limit == 0 && *holds {
		a.budget.Release(a.owed)
		a.holding--
		*holds = false
	}
	if want.Extra(a.chunk) > limit {
		want = a.granted
	}
	if want != frame.Fastest && !*holds {
		a.holding++
		*holds = true
	}
	return want
}

// close gives everything back, once no worker runs.
func (a *allowance) close() { a.budget.Release(a.bytes()) }
