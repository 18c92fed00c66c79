package restore

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/snapferry/snapferry/snapshot"
)

// fileSink is what both sinks of a file share.
type fileSink struct {
	part *filePart
	mu   sync.Mutex
}

func (s *fileSink) fail(err error) error {
	err = targetError(s.part.final, err, s.part.size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.part.err == nil {
		s.part.err = err
	}
	return err
}

// Close makes the bytes durable, unless that is not asked for.
func (s *fileSink) Close() error {
	var syncErr error
	if !s.part.scratch {
		syncErr = s.part.file.Sync()
	}
	closeErr := s.part.file.Close()
	s.part.closed = true
	if err := firstError(syncErr, closeErr); err != nil {
		return s.fail(err)
	}
	return s.part.err
}

// fileStreamSink appends; it is for images whose size is not known.
type fileStreamSink struct{ fileSink }

func (s *fileStreamSink) Write(p []byte) (int, error) {
	n, err := s.part.file.Write(p)
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

// fileRandomSink writes anywhere in a file that begins as one hole.
type fileRandomSink struct {
	fileSink
	touched touched
}

func (s *fileRandomSink) WriteAt(p []byte, off int64) (int, error) {
	if err := inside(off, int64(len(p)), s.part.size); err != nil {
		return 0, s.fail(err)
	}
	s.touched.add(off, int64(len(p)))
	n, err := s.part.file.WriteAt(p, off)
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

// Zero does nothing where nothing was written yet.
func (s *fileRandomSink) Zero(off, n int64) error {
	if err := inside(off, n, s.part.size); err != nil {
		return s.fail(err)
	}
	if !s.touched.any(off, n) {
		return nil
	}
	err := punchHole(s.part.file, off, n)
	if errors.Is(err, errors.ErrUnsupported) {
		err = writeZeros(s.part.file, off, n)
	}
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// inside fails for a range that is not within size bytes.
func inside(off, n, size int64) error {
	if off < 0 || n < 0 || off > size || n > size-off {
		return fmt.Errorf("%w: %d bytes at %d are outside of the image of %d", snapshot.ErrUnsafe, n, off, size)
	}
	return nil
}

func writeZeros(f *os.File, off, n int64) error {
	zeros := make([]byte, min(n, 1<<20))
	for n > 0 {
		m, err := f.WriteAt(zeros[:min(n, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, n = off+int64(m), n-int64(m)
	}
	return nil
}

// touched remembers, by the mebibyte, where a file was written: 2 MiB of memory
// for a file of 16 TiB.
type touched struct {
	mu   sync.Mutex
	bits []uint64
}

const touchShift = 20

func (t *touched) add(off, n int64) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	last := (off + n - 1) >> touchShift
	for int64(len(t.bits)) <= last/64 {
		t.bits = append(t.bits, 0)
	}
	for i := off >> touchShift; i <= last; i++ {
		t.bits[i/64] |= 1 << (i % 64)
	}
}

func (t *touched) any(off, n int64) bool {
	if n == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	last := min((off+n-1)>>touchShift, int64(len(t.bits))*64-1)
	for i := off >> touchShift; i <= last; i++ {
		if t.bits[i/64]&(1<<(i%64)) != 0 {
			return true
		}
	}
	return false
}
