package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// berth is the place of one image in one vault.
type berth struct {
	*lane
	wrapper
	w      *Writer
	prefix string // of the data keys
	name   func(index int64, sum [sha256.Size]byte) format.SegmentName

	mu  sync.Mutex // guards all below, and what Writer says of levels
	im  *imageState
	set *format.SegmentSet
}

func (b *berth) has(index int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.set.Has(index)
}

// segment is one segment being made. Workers fill its frames in any order;
// whoever takes pending to zero puts it together.
type segment struct {
	index   int64
	raw     int64
	taken   int64    // bytes of the budget
	berths  []*berth // that lack it
	frames  []*memory.Buffer
	entries []frame.Entry
	levels  []frame.Level // of each frame
	pending atomic.Int32
	missing atomic.Int32 // vaults that may still get it
	durable atomic.Bool  // in one of them at least
}

// newSegment waits until there is memory for a whole segment, in every form
// it takes, so that one that was begun can always be finished.
func (s *shipment) newSegment(ctx context.Context, index int64, berths []*berth) (*segment, error) {
	taken := s.segmentMemory()
	if err := s.makeRoom(ctx, taken); err != nil {
		return nil, err
	}
	n := s.shape.Segment / s.shape.Chunk
	seg := &segment{index: index, taken: taken, berths: berths,
		frames: make([]*memory.Buffer, n), entries: make([]frame.Entry, n), levels: make([]frame.Level, n)}
	seg.pending.Store(1) // the producer's own hold
	return seg, nil
}

// segmentMemory is the most that a segment takes: once as it is, and once more
// for every vault that encrypts.
func (s *shipment) segmentMemory() int64 {
	plain := s.lead.segmentMemory(s.shape.Segment, s.shape.Chunk)
	return plain + wrapsMemory(s.berths, plain)
}

// wrapsMemory is the most that the forms of a segment of that many bytes take
// in the vaults that encrypt.
func wrapsMemory(berths []*berth, plain int64) int64 {
	var total int64
	for _, b := range berths {
		if b.encrypts() {
			total += b.wrapMemory(plain)
		}
	}
	return total
}

// shrink gives back what a segment turns out not to need, now that its size is
// known: the next can be begun while this one is wrapped and hashed.
func (s *shipment) shrink(seg *segment, plain *memory.Buffer) {
	need := plain.Memory() + wrapsMemory(seg.berths, plain.Size())
	if need < seg.taken {
		s.budget.Release(seg.taken - need)
		seg.taken = need
	}
}

// chunkJob is one chunk of a segment. raw is set where the bytes were read
// already; else the worker reads them.
type chunkJob struct {
	seg *segment
	i   int
	n   int
	raw []byte
}

func (s *shipment) hand(ctx context.Context, job chunkJob) error {
	job.seg.raw += int64(job.n)
	job.seg.pending.Add(1)
	s.paceChunk()
	select {
	case s.jobs <- job:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drop gives up one hold on the segment and, if it was the last, puts the
// segment together and queues it for every vault that lacks it.
func (s *shipment) drop(seg *segment) error {
	if seg.pending.Add(-1) > 0 {
		return nil
	}
	plain := s.budget.NewBuffer()
	n := 0
	for ; n < len(seg.frames) && seg.frames[n] != nil; n++ {
		plain.Append(seg.frames[n])
	}
	if _, err := plain.Write(frame.AppendSeekTable(nil, seg.entries[:n])); err != nil {
		return err
	}
	seg.levels = seg.levels[:n]
	s.shrink(seg, plain)
	parcels, err := s.wrapAll(seg, plain)
	if err != nil {
		return err
	}
	kept := int64(0)
	for _, c := range parcels {
		kept += c.buf.Memory()
	}
	s.budget.Release(seg.taken - kept)
	s.unsent.Add(kept)
	for _, c := range parcels {
		for _, b := range c.berths {
			b.queue <- s.parcel(b, seg, c.cargo)
		}
	}
	return nil
}

// load is a cargo and where it goes.
type load struct {
	*cargo
	berths []*berth
}

// wrapAll gives a segment the forms that its vaults store: one that plain
// vaults share, and one for each that encrypts. Nothing is done for a vault
// that has failed meanwhile.
func (s *shipment) wrapAll(seg *segment, plain *memory.Buffer) ([]load, error) {
	var loads []load
	var sharing []*berth
	for _, b := range seg.berths {
		switch {
		case !b.living():
		case !b.encrypts():
			sharing = append(sharing, b)
		default:
			buf, err := b.wrap(plain)
			if err == nil {
				loads = append(loads, s.load(buf, b))
				continue
			}
			if err := b.fail(fmt.Errorf("encrypt %s: %w", s.im.Title, err)); err != nil {
				return nil, err
			}
		}
	}
	if len(sharing) > 0 {
		plain.Seal()
		loads = append(loads, s.load(plain, sharing...))
	} else {
		plain.Free()
	}
	for _, l := range loads {
		seg.missing.Add(int32(len(l.berths)))
	}
	return loads, nil
}

func (s *shipment) load(buf *memory.Buffer, berths ...*berth) load {
	c := &cargo{buf: buf}
	c.holds.Store(int32(len(berths)))
	c.free = func() {
		taken := buf.Memory()
		buf.Free()
		s.unsent.Add(-taken)
		s.budget.Release(taken)
	}
	return load{c, berths}
}

// parcel is the way of a segment into one vault, under the name of its
// content. That the name is taken means that the content is there.
func (s *shipment) parcel(b *berth, seg *segment, c *cargo) parcel {
	size := c.buf.Size()
	return parcel{cargo: c,
		send: func(ctx context.Context) error {
			err := b.v.bucket.Put(ctx, b.prefix+b.name(seg.index, c.buf.SHA256()).String(), c.buf)
			if errors.Is(err, providers.ErrExists) {
				return nil
			}
			return err
		},
		landed: func(stored bool) {
			if stored {
				b.landed(seg, c.buf.SHA256(), size)
				seg.durable.Store(true)
				s.progress.Stored.Add(size)
				s.progress.Objects.Add(1)
			}
			if seg.missing.Add(-1) == 0 && seg.durable.Load() {
				s.progress.Done.Add(seg.raw)
			}
		},
	}
}

// landed notes that the vault has the segment.
func (b *berth) landed(seg *segment, sum [sha256.Size]byte, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set.Put(seg.index, sum, size)
	for _, level := range seg.levels {
		b.w.levels[level]++
	}
}
