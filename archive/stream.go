package archive

import (
	"context"
	"fmt"
	"io"

	"github.com/snapferry/snapferry/archive/format"
)

// produceStream reads the stream and hands its chunks out. The reading itself
// runs in a goroutine of its own, because a read of a pipe cannot be
// interrupted: when ctx ends, that goroutine ends with the read under way.
func (s *shipment) produceStream(ctx context.Context) error {
	chunks := make(chan streamChunk)
	s.recycled = make(chan []byte, s.workers+1)
	go pump(ctx, s.im.Stream, s.recycled, int(s.shape.Chunk), chunks)
	for range s.workers + 1 {
		s.recycled <- nil // memory for one chunk each, made when it is used
	}
	var seg *segment
	for index, i := int64(0), 0; ; i++ {
		c, err := receive(ctx, chunks)
		if err != nil {
			return fmt.Errorf("read %s: %w", s.im.Title, err)
		}
		if seg != nil && (c.end || int64(i) == s.shape.Segment/s.shape.Chunk) {
			if err := s.drop(seg); err != nil {
				return err
			}
			seg, i, index = nil, 0, index+1
		}
		if c.end {
			return nil
		}
		if index >= format.MaxSegments {
			return fmt.Errorf("read %s: %w: more than %d segments", s.im.Title, ErrInvalid, format.MaxSegments)
		}
		if seg == nil {
			lacking, living := s.lacking(index, 0)
			if !living {
				return s.fleet.ended()
			}
			if seg, err = s.newSegment(ctx, index, lacking); err != nil {
				return err
			}
		}
		s.im.Size += int64(len(c.raw))
		if err := s.hand(ctx, chunkJob{seg: seg, i: i, n: len(c.raw), raw: c.raw}); err != nil {
			return err
		}
	}
}

// streamChunk is what pump delivers: bytes, or the true end, or an error.
type streamChunk struct {
	raw []byte
	end bool
	err error
}

func receive(ctx context.Context, chunks <-chan streamChunk) (streamChunk, error) {
	select {
	case c := <-chunks:
		return c, c.err
	case <-ctx.Done():
		return streamChunk{}, ctx.Err()
	}
}

// recycle gives the memory of a chunk back to the pump.
func (s *shipment) recycle(raw []byte) {
	s.recycled <- raw // has room for every chunk there is
}

// pump reads r in chunks, all full but the last, until its end, an error, or
// the end of ctx.
func pump(ctx context.Context, r io.Reader, free <-chan []byte, size int, out chan<- streamChunk) {
	send := func(c streamChunk) bool {
		select {
		case out <- c:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		var buf []byte
		select {
		case buf = <-free:
		case <-ctx.Done():
			return
		}
		if buf == nil {
			buf = make([]byte, size)
		}
		n, ended, err := readChunk(r, buf[:size])
		if err != nil {
			send(streamChunk{err: err})
			return
		}
		if n > 0 && !send(streamChunk{raw: buf[:n]}) {
			return
		}
		if ended {
			send(streamChunk{end: true})
			return
		}
	}
}

// readChunk fills p as far as r goes. Unlike io.ReadFull it tells the true
// end, io.EOF itself, from a stream that failed with io.ErrUnexpectedEOF.
func readChunk(r io.Reader, p []byte) (n int, ended bool, err error) {
	for n < len(p) {
		k, err := r.Read(p[n:])
		n += k
		if err == io.EOF { // itself: a wrapped io.EOF is a failure, not the end
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}
