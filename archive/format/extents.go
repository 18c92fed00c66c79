package format

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"strconv"
)

// MaxExtents is the most extents an image may have: what a reader must hold
// in memory is 24 bytes each.
const MaxExtents = 1 << 20

// Extent is a range of an image, in bytes.
type Extent struct {
	Offset, Length int64
}

// Layout maps the data of an image, which is its extents one after the other,
// to places in the image.
type Layout struct {
	Size   int64 // of the image, in bytes
	Data   int64 // of all extents
	ranges []mapped
}

type mapped struct {
	Extent
	data int64 // where the extent begins in the data
}

// Memory returns the bytes that the layout takes.
func (l *Layout) Memory() int64 { return int64(len(l.ranges)) * mappedBytes }

const mappedBytes = 24

// Equal reports whether both map the same data to the same places.
func (l *Layout) Equal(o *Layout) bool {
	return l == o || l.Size == o.Size && l.Data == o.Data && slices.Equal(l.ranges, o.ranges)
}

// WholeLayout is the layout of an image without holes.
func WholeLayout(size int64) *Layout {
	l := &Layout{Size: size}
	if size > 0 {
		l.Data = size
		l.ranges = []mapped{{Extent: Extent{Length: size}}}
	}
	return l
}

// Add appends an extent, which must lie behind the ones before.
func (l *Layout) Add(e Extent) error {
	end := int64(0)
	if n := len(l.ranges); n > 0 {
		end = l.ranges[n-1].Offset + l.ranges[n-1].Length
	}
	switch {
	case e.Length <= 0 || e.Offset < end:
		return fmt.Errorf("extent of %d bytes at %d overlaps, is empty or out of order", e.Length, e.Offset)
	case e.Offset > l.Size || e.Length > l.Size-e.Offset:
		return fmt.Errorf("extent of %d bytes at %d ends past the image of %d", e.Length, e.Offset, l.Size)
	case len(l.ranges) == MaxExtents:
		return fmt.Errorf("more than %d extents", MaxExtents)
	}
	l.ranges = append(l.ranges, mapped{Extent: e, data: l.Data})
	l.Data += e.Length
	return nil
}

// Pieces yields the places in the image of n bytes of data from off on, each
// with the offset of its bytes from off.
func (l *Layout) Pieces(off, n int64) iter.Seq2[int64, Extent] {
	return func(yield func(int64, Extent) bool) {
		first := sort.Search(len(l.ranges), func(i int) bool { return l.ranges[i].data > off }) - 1
		for i, done := max(first, 0), int64(0); done < n && i < len(l.ranges); i++ {
			r := l.ranges[i]
			skip := off + done - r.data
			length := min(r.Length-skip, n-done)
			if !yield(done, Extent{Offset: r.Offset + skip, Length: length}) {
				return
			}
			done += length
		}
	}
}

// Holes yields the ranges of the image that are in no extent.
func (l *Layout) Holes() iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		end := int64(0)
		for _, r := range l.ranges {
			if r.Offset > end && !yield(Extent{Offset: end, Length: r.Offset - end}) {
				return
			}
			end = r.Offset + r.Length
		}
		if end < l.Size {
			yield(Extent{Offset: end, Length: l.Size - end})
		}
	}
}

// ReadData fills p with the data from off on.
func (l *Layout) ReadData(r io.ReaderAt, p []byte, off int64) error {
	for at, piece := range l.Pieces(off, int64(len(p))) {
		n, err := r.ReadAt(p[at:at+piece.Length], piece.Offset)
		if int64(n) == piece.Length {
			continue // a full read may come with io.EOF
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read %d bytes at %d: %w", piece.Length, piece.Offset, err)
	}
	return nil
}

// The text of an extents object, before compression: a header, a line
// "offset TAB length" for each extent, and an end line with their number and
// the sum of their lengths.
const extentsHeader = "snapferry-extents 1"

// EncodeExtents writes the extents object of a layout.
func EncodeExtents(l *Layout, out io.Writer) error {
	return writeLines(out, func(w *bufio.Writer) error {
		fmt.Fprintln(w, extentsHeader)
		for _, r := range l.ranges {
			fmt.Fprintf(w, "%d\t%d\n", r.Offset, r.Length)
		}
		_, err := fmt.Fprintf(w, "end\t%d\t%d\n", len(l.ranges), l.Data)
		return err
	})
}

// DecodeExtents reads an extents object for an image of size bytes.
func DecodeExtents(r io.Reader, size int64) (*Layout, error) {
	lines, err := readLines(r, extentsHeader)
	if err != nil {
		return nil, err
	}
	defer lines.close()
	l := &Layout{Size: size}
	for {
		fields, err := lines.next(3)
		if err != nil {
			return nil, err
		}
		if fields[0] == "end" {
			if len(fields) != 3 || fields[1] != strconv.Itoa(len(l.ranges)) || fields[2] != strconv.FormatInt(l.Data, 10) {
				return nil, fmt.Errorf("line %d: the end record does not agree with the lines before", lines.number)
			}
			return l, lines.end()
		}
		var e Extent
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: %d fields, 2 are expected", lines.number, len(fields))
		}
		if e.Offset, err = parseCount(fields[0]); err == nil {
			e.Length, err = parseCount(fields[1])
		}
		if err == nil {
			err = l.Add(e)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", lines.number, err)
		}
	}
}

// CollectExtents makes a layout of what a source announces.
func CollectExtents(ctx context.Context, size int64, seq iter.Seq2[Extent, error]) (*Layout, error) {
	l := &Layout{Size: size}
	for e, err := range seq {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := l.Add(e); err != nil {
			return nil, fmt.Errorf("%w extents: %w", ErrInvalid, err)
		}
	}
	return l, nil
}
