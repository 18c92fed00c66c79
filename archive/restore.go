package archive

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
)

// RandomTarget takes the bytes of an image in any order.
type RandomTarget interface {
	io.WriterAt
	// Zero makes the range read as zeros.
	Zero(off, n int64) error
}

// puller brings the segments of an image back.
type puller struct {
	b       *Backup
	im      *format.ManifestImage
	budget  *memory.Budget
	layout  *format.Layout
	shape   format.TableShape
	prefix  string
	table   *memory.Buffer
	workers int
	key     *envelope.Key // nil: the backup is not encrypted, or nothing is decoded
	// excuse is asked about what is wrong with a segment; what it returns
	// ends the run.
	excuse func(error) error
}

// newPuller reads what must be known of image i before its first segment:
// layout and table.
func (b *Backup) newPuller(ctx context.Context, i int) (*puller, error) {
	im := &b.Manifest.Images[i]
	p := &puller{b: b, im: im, budget: b.v.newBudget(), prefix: b.v.dataKey(b.Name, im.Name),
		shape:  b.Capture.Shape(im.Data),
		excuse: func(err error) error { return err }}
	var err error
	if p.layout, err = b.layout(ctx, i); err != nil {
		return nil, err
	}
	key := b.v.catalogKey(b.Name, format.TableFile(im.Name, im.Table.SHA256))
	if p.table, err = b.v.fetchTable(ctx, p.budget, key, im.Table.SHA256, im.Table.Bytes); err != nil {
		return nil, err
	}
	return p, p.reserve(ctx)
}

// openPuller is newPuller with the key that decrypts.
func (b *Backup) openPuller(ctx context.Context, i int) (*puller, error) {
	key, err := b.unlock(ctx)
	if err != nil {
		return nil, err
	}
	p, err := b.newPuller(ctx, i)
	if err == nil {
		p.key = key
	}
	return p, err
}

// workerBytes is what one worker holds: a chunk, and a frame that lies
// across pages.
func (p *puller) workerBytes() int64 {
	return p.shape.Chunk + int64(frame.MaxEncoded(int(p.shape.Chunk))) + decoderMemory
}

const decoderMemory = 1 << 20

// rowMemory is what a segment of that many stored bytes takes. One that is
// decrypted on the way has a page begun in each form.
func (p *puller) rowMemory(stored int64) int64 {
	n := memory.RoundUp(stored)
	if p.shape.Age {
		n += 2 * memory.PageSize
	}
	return n
}

// reserve takes the memory of layout, table and workers, so that at least
// one of the largest segments still fits beside them.
func (p *puller) reserve(ctx context.Context) error {
	held := p.layout.Memory() + p.table.Memory()
	largest := p.rowMemory(p.shape.MaxStored(p.shape.Segment))
	spare := p.budget.Size() - held - 2*largest
	p.workers = max(1, min(p.b.v.opts.Workers, int(spare/p.workerBytes())))
	return p.budget.Acquire(ctx, min(held+int64(p.workers)*p.workerBytes(), p.budget.Size()-largest))
}

// rows yields the rows of the table; an error names the table.
func (p *puller) rows() iter.Seq2[format.Row, error] {
	return func(yield func(format.Row, error) bool) {
		for r, err := range format.DecodeTable(p.table.Open(), p.shape) {
			if err != nil {
				err = damaged("read", p.b.v.catalogKey(p.b.Name, format.TableFile(p.im.Name, p.im.Table.SHA256)), err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// wanted is a segment to be read, or on its way.
type wanted struct {
	row   format.Row
	ready chan *pulled // gets one, or is closed with the run
}

// feed queues the rows that pick wants, each once there is memory for it.
func (p *puller) feed(ctx context.Context, pick func(format.Row) bool, queues ...chan<- *wanted) error {
	for r, err := range p.rows() {
		if err != nil {
			return err
		}
		if !pick(r) {
			continue
		}
		if err := p.budget.Acquire(ctx, p.rowMemory(r.Stored)); err != nil {
			return err
		}
		w := &wanted{row: r, ready: make(chan *pulled, 1)}
		for _, q := range queues {
			select {
			case q <- w:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// free gives back the memory of a segment.
func (p *puller) free(s *pulled) {
	s.buf.Free()
	p.budget.Release(p.rowMemory(s.row.Stored))
}

// frameJob is one frame to be decoded by a worker.
type frameJob struct {
	seg     *pulled
	off     int64 // of the frame in the segment
	stored  int
	data    int64 // where its bytes begin in the data
	raw     int
	pending *atomic.Int32 // frames of the segment that are not decoded yet

	// For ordered output: where the bytes go, and who waits for them.
	buf  []byte
	done chan bool // gets whether the bytes are all zero
}

// frameJobs yields the jobs of a segment.
func (p *puller) frameJobs(s *pulled) iter.Seq[frameJob] {
	return func(yield func(frameJob) bool) {
		pending := &atomic.Int32{}
		pending.Store(int32(len(s.frames)))
		off, data := int64(0), s.row.Index*p.shape.Segment
		for _, f := range s.frames {
			if !yield(frameJob{seg: s, off: off, stored: int(f.Stored), data: data, raw: int(f.Raw), pending: pending}) {
				return
			}
			off += int64(f.Stored)
			data += int64(f.Raw)
		}
	}
}

// decode runs one worker: use is called with each frame's bytes.
func (p *puller) decode(ctx context.Context, jobs <-chan frameJob, use func(frameJob, []byte, bool) error) error {
	dec, err := frame.NewDecoder()
	if err != nil {
		return err
	}
	defer dec.Close()
	scratch := make([]byte, 0, frame.MaxEncoded(int(p.shape.Chunk)))
	var own []byte
	for job := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		raw := job.buf
		if raw == nil {
			if own == nil {
				own = make([]byte, p.shape.Chunk)
			}
			raw = own[:job.raw]
		}
		zero, err := dec.Decode(raw, job.seg.buf.Slice(job.off, job.stored, scratch))
		r := job.seg.row
		if job.pending.Add(-1) == 0 {
			p.free(job.seg)
		}
		if err != nil {
			if err := p.excuse(damaged("read", p.prefix+r.String(), err)); err != nil {
				return err
			}
			continue
		}
		if err := use(job, raw, zero); err != nil {
			return err
		}
		p.b.v.opts.Progress.Done.Add(int64(job.raw))
	}
	return nil
}

// RestoreAt writes image i to t, in any order and from several goroutines. No
// byte is written before the segment that holds it was found right.
func (b *Backup) RestoreAt(ctx context.Context, i int, t RandomTarget) error {
	p, err := b.openPuller(ctx, i)
	if err != nil {
		return err
	}
	b.v.opts.Progress.Total.Add(p.layout.Data)
	for hole := range p.layout.Holes() {
		if err := t.Zero(hole.Offset, hole.Length); err != nil {
			return err
		}
	}
	all := func(format.Row) bool { return true }
	return p.scatter(ctx, all, func(job frameJob, raw []byte, zero bool) error {
		for at, piece := range p.layout.Pieces(job.data, int64(job.raw)) {
			var err error
			if zero {
				err = t.Zero(piece.Offset, piece.Length)
			} else {
				_, err = t.WriteAt(raw[at:at+piece.Length], piece.Offset)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// scatter pulls the picked segments and calls use with each frame, in no
// order.
func (p *puller) scatter(ctx context.Context, pick func(format.Row) bool, use func(frameJob, []byte, bool) error) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan *wanted)
	jobs := make(chan frameJob)
	g.Go(func() error {
		defer close(queue)
		return p.feed(ctx, pick, queue)
	})
	var pulling sync.WaitGroup
	for range p.b.v.opts.Transfers {
		pulling.Add(1)
		g.Go(func() error {
			defer pulling.Done()
			for w := range queue {
				err := p.pullFrames(ctx, w.row, jobs)
				if err == nil {
					continue
				}
				if err := p.excuse(err); err != nil {
					return err
				}
				p.budget.Release(p.rowMemory(w.row.Stored))
			}
			return nil
		})
	}
	g.Go(func() error {
		pulling.Wait()
		close(jobs)
		return nil
	})
	for range p.workers {
		g.Go(func() error { return p.decode(ctx, jobs, use) })
	}
	return g.Wait()
}

// pullFrames reads one segment and hands out its frames. After an error that
// is not ctx's, the memory of the segment is still the caller's.
func (p *puller) pullFrames(ctx context.Context, r format.Row, jobs chan<- frameJob) error {
	s, err := p.pull(ctx, r)
	if err != nil {
		return err
	}
	for job := range p.frameJobs(s) {
		select {
		case jobs <- job:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
