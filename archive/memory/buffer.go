package memory

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Buffer is a growing run of bytes kept in pages. The zero Buffer is not
// usable; see Budget.NewBuffer. It is safe for concurrent reading once
// nothing is written any more. The pages are not accounted for by the Buffer:
// whoever fills it has acquired the bytes before.
//
// A sealed Buffer is a providers.Body.
type Buffer struct {
	budget *Budget
	pages  [][]byte // every page but those that end a part is full
	size   int64
	sum    [sha256.Size]byte
}

// NewBuffer returns an empty buffer.
func (b *Budget) NewBuffer() *Buffer { return &Buffer{budget: b} }

// Write appends p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		tail := b.room()
		k := copy(tail[len(tail):cap(tail)], p)
		b.grow(k)
		p = p[k:]
	}
	return n, nil
}

// room returns the last page, with room for at least one byte.
func (b *Buffer) room() []byte {
	if n := len(b.pages); n > 0 && len(b.pages[n-1]) < PageSize {
		return b.pages[n-1]
	}
	b.pages = append(b.pages, b.budget.page()[:0])
	return b.pages[len(b.pages)-1]
}

func (b *Buffer) grow(k int) {
	last := &b.pages[len(b.pages)-1]
	*last = (*last)[:len(*last)+k]
	b.size += int64(k)
}

// ErrSize says that a reader held fewer or more bytes than were announced.
var ErrSize = errors.New("wrong size")

// Fill appends exactly n bytes of r, feeding them to h on the way. If r holds
// fewer or more it is ErrSize; other errors are those of r.
func (b *Buffer) Fill(r io.Reader, n int64, h hash.Hash) error {
	for left := n; left > 0; {
		tail := b.room()
		free := tail[len(tail):cap(tail)]
		k, err := r.Read(free[:min(int64(len(free)), left)])
		_, _ = h.Write(free[:k])
		b.grow(k)
		left -= int64(k)
		if errors.Is(err, io.EOF) && left > 0 {
			return fmt.Errorf("%w: it ends after %d of %d bytes", ErrSize, n-left, n)
		}
		if err != nil && left > 0 {
			return err
		}
	}
	var one [1]byte
	switch k, err := io.ReadFull(r, one[:]); {
	case k != 0:
		return fmt.Errorf("%w: it holds more than %d bytes", ErrSize, n)
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// Append moves the bytes of other to the end of b, without copying.
func (b *Buffer) Append(other *Buffer) {
	b.pages = append(b.pages, other.pages...)
	b.size += other.size
	other.pages, other.size = nil, 0
}

// Seal computes the SHA-256 of the content.
func (b *Buffer) Seal() {
	h := sha256.New()
	for _, p := range b.pages {
		_, _ = h.Write(p)
	}
	h.Sum(b.sum[:0])
}

// SealAs is Seal for content whose SHA-256 is known to be sum.
func (b *Buffer) SealAs(sum [sha256.Size]byte) { b.sum = sum }

// Size returns the number of bytes held.
func (b *Buffer) Size() int64 { return b.size }

// Memory returns the number of bytes of memory the pages take.
func (b *Buffer) Memory() int64 { return int64(len(b.pages)) * PageSize }

// SHA256 returns the hash that Seal computed.
func (b *Buffer) SHA256() [sha256.Size]byte { return b.sum }

// Free hands the pages back. The buffer is empty after it.
func (b *Buffer) Free() {
	b.budget.putPages(b.pages)
	b.pages, b.size = nil, 0
}

// Slice returns n bytes from off on: a view into a page where they lie in
// one, else a copy into scratch, which must have room for them.
func (b *Buffer) Slice(off int64, n int, scratch []byte) []byte {
	i, off := b.find(off)
	if i < len(b.pages) && int64(len(b.pages[i]))-off >= int64(n) {
		return b.pages[i][off:][:n]
	}
	out := scratch[:0]
	for ; len(out) < n; i, off = i+1, 0 {
		part := b.pages[i][off:]
		out = append(out, part[:min(len(part), n-len(out))]...)
	}
	return out
}

// find returns the page that holds the byte at off and the place in it.
func (b *Buffer) find(off int64) (int, int64) {
	i := 0
	for i < len(b.pages) && off >= int64(len(b.pages[i])) {
		off -= int64(len(b.pages[i]))
		i++
	}
	return i, off
}

// Open returns a reader over the content, which must not change any more.
func (b *Buffer) Open() io.ReadSeekCloser { return &reader{buf: b} }

type reader struct {
	buf  *Buffer
	pos  int64
	page int   // the page pos lies in
	off  int64 // the place in it
}

func (r *reader) Read(p []byte) (int, error) {
	if r.pos >= r.buf.size {
		return 0, io.EOF
	}
	total := 0
	for len(p) > 0 && r.pos < r.buf.size {
		page := r.buf.pages[r.page]
		n := copy(p, page[r.off:])
		p, total = p[n:], total+n
		r.pos += int64(n)
		if r.off += int64(n); r.off == int64(len(page)) {
			r.page, r.off = r.page+1, 0
		}
	}
	return total, nil
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.buf.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	r.pos = offset
	r.page, r.off = r.buf.find(offset)
	return offset, nil
}

func (r *reader) Close() error { return nil }

// Drain returns a reader over the content that hands back each page once it
// has been read, so that what is made of it needs little more memory. The
// buffer is of no other use then; Free hands back what was not read.
func (b *Buffer) Drain() io.Reader { return &drain{buf: b} }

type drain struct {
	buf *Buffer
	off int // in the first page
}

func (d *drain) Read(p []byte) (int, error) {
	b, total := d.buf, 0
	for len(p) > 0 && b.size > 0 {
		page := b.pages[0]
		n := copy(p, page[d.off:])
		p, total = p[n:], total+n
		b.size -= int64(n)
		if d.off += n; d.off == len(page) {
			b.budget.putPages(b.pages[:1])
			b.pages, d.off = b.pages[1:], 0
		}
	}
	if total == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return total, nil
}
