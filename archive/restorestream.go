package archive

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive/format"
)

// queued bounds how many segments may be on their way at once in a restore in
// order; the memory budget bounds their bytes.
const queued = 256

// RestoreStream writes image i to out from its first byte to its last, holes
// as zeros. Only bytes that were found right are written.
func (b *Backup) RestoreStream(ctx context.Context, i int, out io.Writer) error {
	p, err := b.openPuller(ctx, i)
	if err != nil {
		return err
	}
	b.v.opts.Progress.Total.Add(p.layout.Data)
	g, ctx := errgroup.WithContext(ctx)
	// Every wanted segment goes into both queues: from fetch the pullers take
	// it in any order, in order the sequencer waits for each.
	fetch, order := make(chan *wanted, queued), make(chan *wanted, queued)
	g.Go(func() error {
		defer close(fetch)
		defer close(order)
		return p.feed(ctx, func(format.Row) bool { return true }, order, fetch)
	})
	for range b.v.opts.Transfers {
		g.Go(func() error {
			for w := range fetch {
				s, err := p.pull(ctx, w.row)
				if err != nil {
					return err
				}
				w.ready <- s
			}
			return nil
		})
	}
	jobs, chunks := make(chan frameJob), make(chan frameJob, p.workers)
	buffers := p.chunkBuffers()
	g.Go(func() error {
		defer close(jobs)
		defer close(chunks)
		return p.sequence(ctx, order, buffers, jobs, chunks)
	})
	for range p.workers {
		g.Go(func() error {
			return p.decode(ctx, jobs, func(job frameJob, _ []byte, zero bool) error {
				job.done <- zero
				return nil
			})
		})
	}
	g.Go(func() error { return p.join(ctx, chunks, buffers, out) })
	return g.Wait()
}

// chunkBuffers returns the memory of the chunks between decoding and output,
// one for each worker; it is part of what reserve took.
func (p *puller) chunkBuffers() chan []byte {
	buffers := make(chan []byte, p.workers)
	for range p.workers {
		buffers <- make([]byte, p.shape.Chunk)
	}
	return buffers
}

// sequence hands the frames out in order. A frame gets its buffer before the
// next one does, so the one that is due always has one.
func (p *puller) sequence(ctx context.Context, order <-chan *wanted, buffers <-chan []byte, jobs, chunks chan<- frameJob) error {
	for w := range order {
		var s *pulled
		select {
		case s = <-w.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		for job := range p.frameJobs(s) {
			select {
			case buf := <-buffers:
				job.buf = buf[:job.raw]
			case <-ctx.Done():
				return ctx.Err()
			}
			job.done = make(chan bool, 1)
			for _, q := range []chan<- frameJob{chunks, jobs} {
				select {
				case q <- job:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

// join writes the decoded chunks in order, and zeros for the holes.
func (p *puller) join(ctx context.Context, chunks <-chan frameJob, buffers chan<- []byte, out io.Writer) error {
	z := &zeroWriter{out: out}
	end, data := int64(0), int64(0)
	for job := range chunks {
		var zero bool
		select {
		case zero = <-job.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if zero {
			clear(job.buf)
		}
		for at, piece := range p.layout.Pieces(job.data, int64(job.raw)) {
			if err := z.write(piece.Offset - end); err != nil {
				return err
			}
			if _, err := out.Write(job.buf[at : at+piece.Length]); err != nil {
				return err
			}
			end = piece.Offset + piece.Length
		}
		data += int64(job.raw)
		buffers <- job.buf[:cap(job.buf)] // has room for every buffer there is
	}
	if data < p.layout.Data {
		return nil // whoever closed chunks too early returns the error
	}
	return z.write(p.layout.Size - end)
}

// zeroWriter writes zeros.
type zeroWriter struct {
	out  io.Writer
	page []byte
}

func (z *zeroWriter) write(n int64) error {
	for n > 0 {
		if z.page == nil {
			z.page = make([]byte, 256<<10)
		}
		k, err := z.out.Write(z.page[:min(n, int64(len(z.page)))])
		if err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}
