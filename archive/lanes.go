package archive

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive/memory"
)

// errAllFailed ends a run for which no vault is left; what failed is with each
// of them.
var errAllFailed = errors.New("every vault failed")

// fleet stores the same things in several vaults at once. A vault that fails
// is left behind, the rest goes on; the run ends when none is left.
type fleet struct {
	ctx   context.Context // of the run
	group *errgroup.Group
	alive atomic.Int32
	lanes []*lane
}

// lane is the way into one vault: a queue, and as many uploads at the same
// time as its options say.
type lane struct {
	fleet  *fleet
	v      *Vault
	ctx    context.Context // ends with the run, or once the vault failed
	cancel context.CancelFunc
	queue  chan parcel
	mu     sync.Mutex
	err    error // why the vault was left behind
}

// cargo is content that one or several vaults are to store. Whoever lets go of
// it last frees it.
type cargo struct {
	buf   *memory.Buffer
	holds atomic.Int32
	free  func()
}

func (c *cargo) drop() {
	if c.holds.Add(-1) == 0 {
		c.free()
	}
}

// parcel is one upload.
type parcel struct {
	*cargo
	// send stores the cargo in the vault.
	send func(context.Context) error
	// landed is told that the cargo is durable there, or never will be.
	landed func(stored bool)
}

// newFleet returns the lanes of a run whose memory is the budget. Every cargo
// takes a page of it at least, so with room for as many parcels a queue is
// never full: a slow vault holds the others back by the memory alone.
func newFleet(ctx context.Context, budget *memory.Budget, vaults []*Vault) *fleet {
	f := &fleet{}
	f.group, f.ctx = errgroup.WithContext(ctx)
	f.alive.Store(int32(len(vaults)))
	for _, v := range vaults {
		l := &lane{fleet: f, v: v, queue: make(chan parcel, budget.Size()/memory.PageSize+1)}
		l.ctx, l.cancel = context.WithCancel(f.ctx)
		f.lanes = append(f.lanes, l)
	}
	return f
}

// start begins to store what is queued, until the queues are closed.
func (f *fleet) start() {
	for _, l := range f.lanes {
		for range l.v.opts.Transfers {
			f.group.Go(l.work)
		}
	}
}

// finish says that nothing will be queued any more.
func (f *fleet) finish() {
	for _, l := range f.lanes {
		close(l.queue)
	}
}

// wait waits until everything that was queued is stored, or dropped. An error
// ends the run for all vaults: that of whoever fills the queues, or
// errAllFailed.
func (f *fleet) wait() error {
	err := f.group.Wait()
	for _, l := range f.lanes {
		l.cancel()
	}
	return err
}

// outcome returns what became of the lane, once wait returned err.
func (l *lane) outcome(err error) error {
	if l.err != nil {
		return l.err
	}
	return err
}

// ended is why a run in which no vault lives has no work left.
func (f *fleet) ended() error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	return errAllFailed
}

// living reports whether the vault still takes part.
func (l *lane) living() bool { return l.ctx.Err() == nil }

// fail leaves the vault behind. It returns an error only if no other is left,
// or the whole run has ended, of which err then is a consequence.
func (l *lane) fail(err error) error {
	if ended := l.fleet.ctx.Err(); ended != nil {
		return ended
	}
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
	}
	l.mu.Unlock()
	l.cancel()
	if first && l.fleet.alive.Add(-1) == 0 {
		return errAllFailed
	}
	return nil
}

func (l *lane) work() error {
	for p := range l.queue {
		err := l.ctx.Err()
		if err == nil {
			err = p.send(l.ctx)
		}
		p.landed(err == nil)
		p.drop()
		if err == nil {
			continue
		}
		if err := l.fail(err); err != nil {
			return err
		}
	}
	return nil
}

// waiting is how full the queue is: the parcels in it as a part of the
// uploads that may be under way.
func (l *lane) waiting() float64 {
	if !l.living() {
		return 0
	}
	return float64(len(l.queue)) / float64(l.v.opts.Transfers)
}

// each runs do for every item at the same time and waits.
func each[T any](items []T, do func(T)) {
	var wg sync.WaitGroup
	for _, item := range items {
		wg.Go(func() { do(item) })
	}
	wg.Wait()
}
