package files

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

// entryList is the list of the entries of a tar in a temporary file, in their
// order, and in memory the place of every markEvery-th of them: about a
// quarter of a megabyte for a million entries.
//
// It is written by one goroutine, then sealed, then read by many.
type entryList struct {
	file  *os.File
	out   *bufio.Writer
	end   int64 // bytes of the list
	saved int64 // bytes of it that surely are in the file
	size  int64 // bytes of the tar so far
	count int64
	marks []mark
	buf   []byte
}

const markEvery = 64

// mark says where an entry lies, in the tar and in the list.
type mark struct{ tar, list int64 }

// newEntryList makes an empty list in a file without a name.
func newEntryList(dir string) (*entryList, error) {
	f, err := os.CreateTemp(dir, ".snapferry-entries-*")
	if err != nil {
		return nil, err
	}
	// Windows keeps the name of an open file; close removes it there.
	_ = os.Remove(f.Name())
	return &entryList{file: f, out: bufio.NewWriterSize(f, 64<<10)}, nil
}

// append adds e, whose header length is known, and returns its place.
func (l *entryList) append(e *entry) (place int64, err error) {
	place = l.end
	if l.count%markEvery == 0 {
		l.marks = append(l.marks, mark{l.size, place})
	}
	body := e.append(l.buf[:0])
	l.buf = body
	head := binary.AppendUvarint(nil, uint64(len(body)))
	if _, err := l.out.Write(head); err != nil {
		return 0, fmt.Errorf("write entry list: %w", err)
	}
	if _, err := l.out.Write(body); err != nil {
		return 0, fmt.Errorf("write entry list: %w", err)
	}
	l.end += int64(len(head) + len(body))
	l.size += e.length()
	l.count++
	return place, nil
}

// at reads the entry at a place that append returned, while the list grows.
func (l *entryList) at(place int64) (e entry, err error) {
	if place >= l.saved {
		if err := l.seal(); err != nil {
			return e, err
		}
	}
	c := newCursor()
	c.reset(l, mark{0, place})
	_, err = c.next(&e)
	return e, err
}

// seal writes what is still buffered.
func (l *entryList) seal() error {
	if err := l.out.Flush(); err != nil {
		return fmt.Errorf("write entry list: %w", err)
	}
	l.saved = l.end
	return nil
}

func (l *entryList) close() error {
	err := l.file.Close()
	_ = os.Remove(l.file.Name())
	return err
}

// markBefore returns the last mark that is not after an offset in the tar.
func (l *entryList) markBefore(off int64) mark {
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].tar > off })
	if i == 0 {
		return mark{}
	}
	return l.marks[i-1]
}

// cursor walks over a sealed list. It belongs to one goroutine at a time.
type cursor struct {
	r   *bufio.Reader
	pos int64 // in the tar, of the entry that next will give
	buf []byte
}

func newCursor() *cursor { return &cursor{r: bufio.NewReaderSize(nil, 16<<10)} }

func (c *cursor) reset(l *entryList, m mark) {
	c.r.Reset(io.NewSectionReader(l.file, m.list, l.end-m.list))
	c.pos = m.tar
}

// next reads one entry and returns its place in the tar; io.EOF after the last.
func (c *cursor) next(e *entry) (start int64, err error) {
	n, err := binary.ReadUvarint(c.r)
	if errors.Is(err, io.EOF) {
		return 0, io.EOF
	}
	if err != nil || n > 1<<30 {
		return 0, fmt.Errorf("read entry list: %w", errors.Join(errEntry, err))
	}
	if uint64(cap(c.buf)) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	if _, err := io.ReadFull(c.r, c.buf); err != nil {
		return 0, fmt.Errorf("read entry list: %w", err)
	}
	if err := e.decode(c.buf); err != nil {
		return 0, err
	}
	start = c.pos
	c.pos += e.length()
	return start, nil
}
