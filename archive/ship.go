package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// Ship makes all data of the backup durable: extents, then the segments that
// are not there yet. It returns once nothing of it is running any more,
// except that a read of a stream that was under way when ctx ended may still
// have to return.
func (w *Writer) Ship(ctx context.Context) error {
	if w.done != nil {
		return nil
	}
	for i := range w.images {
		if err := w.placeImage(ctx, i); err != nil {
			return err
		}
	}
	for i := range w.images {
		if err := w.shipImage(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// placeImage settles where the data of an image lies in it, once and for all
// who work on the backup.
func (w *Writer) placeImage(ctx context.Context, i int) error {
	im := &w.images[i]
	if im.Stream != nil {
		return nil
	}
	if !w.capture.Images[i].Extents {
		im.layout = format.WholeLayout(im.Size)
	} else if err := w.settleExtents(ctx, im); err != nil {
		return err
	}
	w.v.opts.Progress.Total.Add(im.layout.Data)
	return nil
}

func (w *Writer) settleExtents(ctx context.Context, im *imageState) error {
	l, ref, err := w.v.readExtents(ctx, w.name, im.name, im.Size, nil)
	if errors.Is(err, providers.ErrNotFound) {
		if err = w.writeExtents(ctx, im); err == nil {
			l, ref, err = w.v.readExtents(ctx, w.name, im.name, im.Size, nil)
		}
	}
	if err != nil {
		return err
	}
	im.layout, im.extents = l, &ref
	w.held += l.Memory()
	return nil
}

func (w *Writer) writeExtents(ctx context.Context, im *imageState) error {
	l := format.WholeLayout(im.Size)
	if im.Extents != nil {
		var err error
		if l, err = format.CollectExtents(ctx, im.Size, im.Extents(ctx)); err != nil {
			if errors.Is(err, format.ErrInvalid) {
				err = fmt.Errorf("%w: %w", ErrChanged, err)
			}
			return fmt.Errorf("find the data of %s: %w", im.Title, err)
		}
	}
	buf := w.budget.NewBuffer()
	defer buf.Free()
	if err := format.EncodeExtents(l, buf); err != nil {
		return fmt.Errorf("encode extents of %s: %w", im.Title, err)
	}
	buf.Seal()
	err := w.v.bucket.Put(ctx, w.v.catalogKey(w.name, im.name+format.ExtentsSuffix), buf)
	if errors.Is(err, providers.ErrExists) {
		return nil // another worker was first; all read what it wrote
	}
	return err
}

// shipment is one image on its way.
type shipment struct {
	v       *Vault
	budget  *memory.Budget
	im      *imageState
	prefix  string // of the data keys
	shape   format.TableShape
	level   frame.Level
	workers int
	jobs    chan chunkJob
	uploads chan *segment
	name    func(index int64, sum [sha256.Size]byte) format.SegmentName
	mu      sync.Mutex // guards im.set
}

// segment is one segment being made. Workers fill its frames in any order;
// whoever takes pending to zero puts it together.
type segment struct {
	index   int64
	raw     int64
	taken   int64 // bytes of the budget
	frames  []*memory.Buffer
	entries []frame.Entry
	pending atomic.Int32
	buf     *memory.Buffer
}

// chunkJob is one chunk of a segment. raw is set where the bytes were read
// already; else the worker reads them.
type chunkJob struct {
	seg *segment
	i   int
	n   int
	raw []byte
}

func (w *Writer) shipImage(ctx context.Context, i int) error {
	im := &w.images[i]
	s := &shipment{v: w.v, budget: w.budget, im: im, prefix: w.v.dataKey(w.name, im.name), level: w.v.opts.Level, name: w.segmentName(im.name),
		shape:   w.shape(-1),
		jobs:    make(chan chunkJob),
		uploads: make(chan *segment, w.v.opts.Transfers),
	}
	if im.Compressed {
		s.level = frame.Stored
	}
	im.set = &format.SegmentSet{}
	if im.layout != nil {
		s.shape.Data = im.layout.Data
		// Nobody else writes a stream's segments, and none of an earlier run
		// can be trusted to be of the same bytes: only images are looked up.
		var err error
		if im.set, err = w.v.listSegments(ctx, w.name, im.name, s.shape); err != nil {
			return err
		}
	}
	if s.shape.Data > 0 {
		w.held += format.Segments(s.shape.Data, s.shape.Segment) * format.SegmentSetBytes
	}
	if err := s.reserve(ctx, w.held); err != nil {
		return err
	}
	defer func() { s.budget.Release(s.reserved() + w.held) }()
	return s.run(ctx)
}

// reserve takes the memory of the workers: as many as were asked for and fit
// beside two segments and what is held already, but at least one.
func (s *shipment) reserve(ctx context.Context, held int64) error {
	one := s.v.segmentMemory(s.shape.Segment, s.shape.Chunk)
	spare := s.budget.Size() - held - 2*one - s.shape.Chunk
	each := s.v.workerMemory(s.level, s.shape.Chunk)
	s.workers = max(1, min(s.v.opts.Workers, int(spare/each)))
	if least := held + s.reserved() + one; least > s.budget.Size() {
		return fmt.Errorf("%w: %s needs a memory limit of %d MiB", ErrInvalid, s.im.Title, (least+runtimeMemory)>>20+1)
	}
	return s.budget.Acquire(ctx, s.reserved()+held)
}

// reserved is the memory of the workers, and for a stream of the one chunk
// that is read ahead.
func (s *shipment) reserved() int64 {
	n := int64(s.workers) * s.v.workerMemory(s.level, s.shape.Chunk)
	if s.im.Stream != nil {
		n += s.shape.Chunk
	}
	return n
}

func (s *shipment) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	var making sync.WaitGroup // whoever may still queue an upload
	making.Add(1 + s.workers)
	g.Go(func() error {
		defer making.Done()
		defer close(s.jobs)
		if s.im.Stream != nil {
			return s.produceStream(ctx)
		}
		return s.produce(ctx)
	})
	for range s.workers {
		g.Go(func() error {
			defer making.Done()
			return s.work(ctx)
		})
	}
	g.Go(func() error {
		making.Wait()
		close(s.uploads)
		return nil
	})
	for range s.v.opts.Transfers {
		g.Go(func() error {
			for seg := range s.uploads {
				if err := s.upload(ctx, seg); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// produce hands out the chunks of every segment that is missing.
func (s *shipment) produce(ctx context.Context) error {
	progress := s.v.opts.Progress
	for i := range format.Segments(s.shape.Data, s.shape.Segment) {
		raw := format.SegmentRaw(i, s.shape.Data, s.shape.Segment)
		if s.has(i) {
			progress.Reused.Add(raw)
			progress.Done.Add(raw)
			continue
		}
		seg, err := s.newSegment(ctx, i)
		if err != nil {
			return err
		}
		for c := range (raw + s.shape.Chunk - 1) / s.shape.Chunk {
			n := min(s.shape.Chunk, raw-c*s.shape.Chunk)
			if err := s.hand(ctx, chunkJob{seg: seg, i: int(c), n: int(n)}); err != nil {
				return err
			}
		}
		if err := s.drop(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

func (s *shipment) has(i int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.im.set.Has(i)
}

// newSegment waits until there is memory for a whole segment, so that one
// that was begun can always be finished.
func (s *shipment) newSegment(ctx context.Context, index int64) (*segment, error) {
	taken := s.v.segmentMemory(s.shape.Segment, s.shape.Chunk)
	if err := s.budget.Acquire(ctx, taken); err != nil {
		return nil, err
	}
	n := s.shape.Segment / s.shape.Chunk
	seg := &segment{index: index, taken: taken, frames: make([]*memory.Buffer, n), entries: make([]frame.Entry, n)}
	seg.pending.Store(1) // the producer's own hold
	return seg, nil
}

func (s *shipment) hand(ctx context.Context, job chunkJob) error {
	job.seg.raw += int64(job.n)
	job.seg.pending.Add(1)
	select {
	case s.jobs <- job:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drop gives up one hold on the segment and, if it was the last, puts the
// segment together and queues it.
func (s *shipment) drop(ctx context.Context, seg *segment) error {
	if seg.pending.Add(-1) > 0 {
		return nil
	}
	seg.buf = s.budget.NewBuffer()
	n := 0
	for ; n < len(seg.frames) && seg.frames[n] != nil; n++ {
		seg.buf.Append(seg.frames[n])
	}
	if _, err := seg.buf.Write(frame.AppendSeekTable(nil, seg.entries[:n])); err != nil {
		return err
	}
	seg.buf.Seal()
	s.budget.Release(seg.taken - seg.buf.Memory())
	seg.taken = seg.buf.Memory()
	select {
	case s.uploads <- seg:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	for job := range s.jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		raw := job.raw
		if raw == nil {
			raw = own[:job.n]
			off := job.seg.index*s.shape.Segment + int64(job.i)*s.shape.Chunk
			if err := s.im.layout.ReadData(s.im.Data, raw, off); err != nil {
				return fmt.Errorf("read %s: %w", s.im.Title, err)
			}
		}
		buf := s.budget.NewBuffer()
		n, err := enc.Encode(buf, raw)
		if err != nil {
			return fmt.Errorf("compress %s: %w", s.im.Title, err)
		}
		job.seg.frames[job.i] = buf
		job.seg.entries[job.i] = frame.Entry{Stored: uint32(n), Raw: uint32(job.n)}
		if job.raw != nil {
			s.recycle(job.raw)
		}
		if err := s.drop(ctx, job.seg); err != nil {
			return err
		}
	}
	return nil
}

// upload stores one segment under the name of its content. That the name is
// taken means that the content is there.
func (s *shipment) upload(ctx context.Context, seg *segment) error {
	key := s.prefix + s.name(seg.index, seg.buf.SHA256()).String()
	size := seg.buf.Size()
	err := s.v.bucket.Put(ctx, key, seg.buf)
	if err != nil && !errors.Is(err, providers.ErrExists) {
		return err
	}
	s.mu.Lock()
	s.im.set.Put(seg.index, seg.buf.SHA256(), size)
	s.mu.Unlock()
	seg.buf.Free()
	s.budget.Release(seg.taken)
	p := s.v.opts.Progress
	p.Done.Add(seg.raw)
	p.Stored.Add(size)
	p.Objects.Add(1)
	return nil
}
