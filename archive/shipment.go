package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
)

// shipment is one image on its way into the vaults that cut it alike.
type shipment struct {
	lead     *Vault
	budget   *memory.Budget
	progress *Progress
	im       *imageState // of the first vault; its data is that of all
	held     int64       // bytes of memory beside the shipment
	shape    format.TableShape
	level    frame.Level
	workers  int
	fleet    *fleet
	berths   []*berth
	jobs     chan chunkJob
	recycled chan []byte // memory of a stream's chunks that is free

	// How hard to compress: pace decides, which only the producer asks, want
	// is what it said last, and extra is the memory for it. Without pace the
	// level is fixed.
	pace   *pace
	want   atomic.Value // frame.Level
	extra  *allowance
	easy   int          // segments begun since a harder level was wanted
	unsent atomic.Int64 // bytes of memory of what waits or is on its way
	idle   atomic.Int32 // workers that have nothing to do
}

func newShipment(c *convoy, group []*Writer, i int) *shipment {
	lead := c.lead()
	im := &group[0].images[i]
	s := &shipment{lead: lead, budget: c.budget(), progress: lead.opts.Progress, im: im, level: lead.opts.Level, jobs: make(chan chunkJob)}
	s.shape = format.TableShape{Data: -1, Segment: group[0].capture.Segment, Chunk: group[0].capture.Chunk}
	if im.Compressed {
		s.level = frame.Stored
	}
	if im.layout != nil {
		s.shape.Data = im.layout.Data
	}
	for _, w := range group {
		b := &berth{w: w, wrapper: w, im: &w.images[i], set: &format.SegmentSet{}, prefix: w.v.dataKey(w.name, w.images[i].name),
			name: w.segmentName(w.images[i].name)}
		if w.wrapping != nil {
			b.wrapper = w.wrapping
		}
		if w.levels == nil {
			w.levels = map[frame.Level]int64{}
		}
		if s.shape.Data > 0 {
			w.held += format.Segments(s.shape.Data, s.shape.Segment) * format.SegmentSetBytes
		}
		s.berths = append(s.berths, b)
	}
	s.held = c.held()
	return s
}

// ship stores the image in all vaults. What becomes of one vault is noted with
// its writer; an error ends the run for all.
func (s *shipment) ship(ctx context.Context) error {
	s.list(ctx)
	if len(s.berths) == 0 {
		return nil
	}
	if err := s.reserve(ctx); err != nil {
		for _, b := range s.berths {
			b.w.err = err
		}
		return nil
	}
	err := s.run(ctx)
	s.budget.Release(s.reserved() + s.held)
	for _, b := range s.berths {
		b.im.Size, b.im.set = s.im.Size, b.set
		b.w.err = b.outcome(err)
	}
	if errors.Is(err, errAllFailed) {
		return nil
	}
	return err
}

// list looks up which segments are there. Nobody else writes a stream's, and
// none of an earlier run can be trusted to be of the same bytes: only those
// of images are looked up.
func (s *shipment) list(ctx context.Context) {
	if s.im.Stream != nil {
		return
	}
	each(s.berths, func(b *berth) {
		if set, err := b.w.v.listSegments(ctx, b.w.name, b.im.name, b.w.shape(s.shape.Data)); err != nil {
			b.w.err = err
		} else {
			b.set = set
		}
	})
	s.berths = slices.DeleteFunc(s.berths, func(b *berth) bool { return b.w.err != nil })
}

// reserve takes the memory of the workers: as many as were asked for and fit
// beside a segment in all its forms, another in its plain one, and what is
// held already, but at least one.
func (s *shipment) reserve(ctx context.Context) error {
	one := s.segmentMemory()
	spare := s.budget.Size() - s.held - one - s.lead.segmentMemory(s.shape.Segment, s.shape.Chunk) - s.shape.Chunk
	each := s.lead.workerMemory(s.level, s.shape.Chunk)
	s.workers = max(1, min(s.lead.opts.Workers, int(spare/each)))
	if least := s.held + s.reserved() + one; least > s.budget.Size() {
		return &Error{Op: "ship", Name: s.im.Title, Err: fmt.Errorf("%w: it needs a memory limit of %d MiB", ErrInvalid, (least+runtimeMemory)>>20+1),
			Hint: "Raise --max-memory; every vault that encrypts takes a segment more."}
	}
	if s.level == frame.Auto {
		s.extra = newAllowance(s.budget, s.workers, s.shape.Chunk)
		s.pace = newPace(s.extra.reach(spare - int64(s.workers)*each))
		s.want.Store(frame.Fastest)
	}
	return s.budget.Acquire(ctx, s.reserved()+s.held)
}

// reserved is the memory of the workers, and for a stream of the one chunk
// that is read ahead.
func (s *shipment) reserved() int64 {
	n := int64(s.workers) * s.lead.workerMemory(s.level, s.shape.Chunk)
	if s.im.Stream != nil {
		n += s.shape.Chunk
	}
	return n
}

func (s *shipment) run(ctx context.Context) error {
	vaults := make([]*Vault, len(s.berths))
	for i, b := range s.berths {
		vaults[i] = b.w.v
	}
	s.fleet = newFleet(ctx, s.budget, vaults)
	ctx = s.fleet.ctx
	for i, b := range s.berths {
		b.lane = s.fleet.lanes[i]
	}
	var making sync.WaitGroup // whoever may still queue an upload
	making.Add(1 + s.workers)
	s.fleet.group.Go(func() error {
		defer making.Done()
		defer close(s.jobs)
		if s.im.Stream != nil {
			return s.produceStream(ctx)
		}
		return s.produce(ctx)
	})
	for range s.workers {
		s.fleet.group.Go(func() error {
			defer making.Done()
			return s.work(ctx)
		})
	}
	s.fleet.group.Go(func() error {
		making.Wait()
		s.fleet.finish()
		return nil
	})
	s.fleet.start()
	err := s.fleet.wait()
	if s.extra != nil {
		s.extra.close()
	}
	return err
}

// produce hands out the chunks of every segment that a vault lacks.
func (s *shipment) produce(ctx context.Context) error {
	for i := range format.Segments(s.shape.Data, s.shape.Segment) {
		raw := format.SegmentRaw(i, s.shape.Data, s.shape.Segment)
		lacking, living := s.lacking(i, raw)
		if !living {
			return s.fleet.ended()
		}
		if len(lacking) == 0 {
			s.progress.Reused.Add(raw)
			s.progress.Done.Add(raw)
			continue
		}
		seg, err := s.newSegment(ctx, i, lacking)
		if err != nil {
			return err
		}
		for c := range (raw + s.shape.Chunk - 1) / s.shape.Chunk {
			n := min(s.shape.Chunk, raw-c*s.shape.Chunk)
			if err := s.hand(ctx, chunkJob{seg: seg, i: int(c), n: int(n)}); err != nil {
				return err
			}
		}
		if err := s.drop(seg); err != nil {
			return err
		}
	}
	return nil
}

// lacking returns the vaults without the segment, which has that many raw
// bytes, and whether any vault lives.
func (s *shipment) lacking(index, raw int64) (lacking []*berth, living bool) {
	for _, b := range s.berths {
		if !b.living() {
			continue
		}
		living = true
		if b.has(index) {
			b.w.reused += raw
		} else {
			lacking = append(lacking, b)
		}
	}
	return lacking, living
}

// work compresses chunks until there are no more.
func (s *shipment) work(ctx context.Context) error {
	enc, err := frame.NewEncoder(s.level, int(s.shape.Chunk))
	if err != nil {
		return err
	}
	var own []byte
	if s.im.Stream == nil {
		own = make([]byte, s.shape.Chunk)
	}
	w := worker{enc: enc, own: own}
	for {
		s.idle.Add(1)
		job, ok := <-s.jobs
		s.idle.Add(-1)
		if !ok {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.compress(&w, job); err != nil {
			return err
		}
	}
}

// worker is what one goroutine that compresses keeps.
type worker struct {
	enc   *frame.Encoder
	own   []byte // memory for a chunk, where it reads itself
	holds bool   // enc keeps an encoder harder than the fastest
}

func (s *shipment) compress(w *worker, job chunkJob) error {
	raw := job.raw
	if raw == nil {
		raw = w.own[:job.n]
		off := job.seg.index*s.shape.Segment + int64(job.i)*s.shape.Chunk
		if err := s.im.layout.ReadData(s.im.Data, raw, off); err != nil {
			return fmt.Errorf("read %s: %w", s.im.Title, err)
		}
	}
	level, err := s.setLevel(w)
	if err != nil {
		return err
	}
	buf := s.budget.NewBuffer()
	n, err := w.enc.Encode(buf, raw)
	if err != nil {
		return fmt.Errorf("compress %s: %w", s.im.Title, err)
	}
	job.seg.frames[job.i], job.seg.levels[job.i] = buf, level
	job.seg.entries[job.i] = frame.Entry{Stored: uint32(n), Raw: uint32(job.n)}
	if job.raw != nil {
		s.recycle(job.raw)
	}
	return s.drop(job.seg)
}
