package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/snapferry/snapferry/archive/memory"
)

// MaxExtents is the most extents an image may have: what a reader must hold
// in memory is 24 bytes each.
const MaxExtents = 1 << 20

// Extent is a range of an image, in bytes.
type Extent struct {
	Offset, Length int64
}

// layout maps the data of an image, which is its extents one after the other,
// to places in the image.
type layout struct {
	size   int64 // of the image, in bytes
	data   int64 // of all extents
	ranges []mapped
}

type mapped struct {
	Extent
	data int64 // where the extent begins in the data
}

const mappedBytes = 24

// wholeLayout is the layout of an image without holes.
func wholeLayout(size int64) *layout {
	l := &layout{size: size}
	if size > 0 {
		l.data = size
		l.ranges = []mapped{{Extent: Extent{Length: size}}}
	}
	return l
}

// add appends an extent, which must lie behind the ones before.
func (l *layout) add(e Extent) error {
	end := int64(0)
	if n := len(l.ranges); n > 0 {
		end = l.ranges[n-1].Offset + l.ranges[n-1].Length
	}
	switch {
	case e.Length <= 0 || e.Offset < end:
		return fmt.Errorf("extent of %d bytes at %d overlaps, is empty or out of order", e.Length, e.Offset)
	case e.Offset > l.size || e.Length > l.size-e.Offset:
		return fmt.Errorf("extent of %d bytes at %d ends past the image of %d", e.Length, e.Offset, l.size)
	case len(l.ranges) == MaxExtents:
		return fmt.Errorf("more than %d extents", MaxExtents)
	}
	l.ranges = append(l.ranges, mapped{Extent: e, data: l.data})
	l.data += e.Length
	return nil
}

// pieces yields the places in the image of n bytes of data from off on, each
// with the offset of its bytes from off.
func (l *layout) pieces(off, n int64) iter.Seq2[int64, Extent] {
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

// holes yields the ranges of the image that are in no extent.
func (l *layout) holes() iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		end := int64(0)
		for _, r := range l.ranges {
			if r.Offset > end && !yield(Extent{Offset: end, Length: r.Offset - end}) {
				return
			}
			end = r.Offset + r.Length
		}
		if end < l.size {
			yield(Extent{Offset: end, Length: l.size - end})
		}
	}
}

// readData fills p with the data from off on.
func (l *layout) readData(r io.ReaderAt, p []byte, off int64) error {
	for at, piece := range l.pieces(off, int64(len(p))) {
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

// encodeExtents writes the extents object of a layout.
func encodeExtents(l *layout, out *memory.Buffer) error {
	return writeLines(out, func(w *bufio.Writer) error {
		fmt.Fprintln(w, extentsHeader)
		for _, r := range l.ranges {
			fmt.Fprintf(w, "%d\t%d\n", r.Offset, r.Length)
		}
		_, err := fmt.Fprintf(w, "end\t%d\t%d\n", len(l.ranges), l.data)
		return err
	})
}

// decodeExtents reads an extents object for an image of size bytes.
func decodeExtents(r io.Reader, size int64) (*layout, error) {
	lines, err := readLines(r, extentsHeader)
	if err != nil {
		return nil, err
	}
	defer lines.close()
	l := &layout{size: size}
	for {
		fields, err := lines.next(3)
		if err != nil {
			return nil, err
		}
		if fields[0] == "end" {
			if len(fields) != 3 || fields[1] != strconv.Itoa(len(l.ranges)) || fields[2] != strconv.FormatInt(l.data, 10) {
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
			err = l.add(e)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", lines.number, err)
		}
	}
}

// collectExtents makes a layout of what a source announces.
func collectExtents(ctx context.Context, size int64, seq iter.Seq2[Extent, error]) (*layout, error) {
	l := &layout{size: size}
	for e, err := range seq {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := l.add(e); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrChanged, err)
		}
	}
	return l, nil
}

// parseCount reads a decimal number of at most 18 digits, without sign and
// without leading zeros.
func parseCount(s string) (int64, error) {
	if len(s) == 0 || len(s) > 18 || len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("%q is not a count", s)
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%q is not a count", s)
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, nil
}

// writeLines compresses the lines that write produces into out.
func writeLines(out io.Writer, write func(*bufio.Writer) error) error {
	enc, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return fmt.Errorf("make zstd encoder: %w", err)
	}
	w := bufio.NewWriterSize(enc, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return enc.Close()
}

// maxLine is the longest line of a table or an extents object, in bytes. It
// leaves room for the digests of 64 raw chunks in a table's row.
const maxLine = 8 << 10

// lineReader reads compressed lines of tab-separated fields.
type lineReader struct {
	dec    *zstd.Decoder
	scan   *bufio.Scanner
	number int
}

// readLines begins to read compressed lines, the first of which must be the
// header. The caller closes the lineReader.
func readLines(r io.Reader, header string) (*lineReader, error) {
	dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	l := &lineReader{dec: dec, scan: bufio.NewScanner(dec)}
	l.scan.Buffer(make([]byte, 0, maxLine), maxLine)
	l.scan.Split(scanWholeLines)
	if !l.scan.Scan() || l.scan.Text() != header {
		l.close()
		if err := l.scan.Err(); err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return nil, fmt.Errorf("the first line is not %q", header)
	}
	l.number = 1
	return l, nil
}

// next returns the fields of the next line, at most limit and a rest. There
// must be one: an object without its end record is cut short.
func (l *lineReader) next(limit int) ([]string, error) {
	if !l.scan.Scan() {
		if err := l.scan.Err(); err != nil {
			return nil, fmt.Errorf("after line %d: %w", l.number, err)
		}
		return nil, fmt.Errorf("after line %d: the end record is missing", l.number)
	}
	l.number++
	return strings.SplitN(l.scan.Text(), "\t", limit+1), nil
}

// end checks that nothing follows the end record.
func (l *lineReader) end() error {
	if l.scan.Scan() {
		return fmt.Errorf("line %d: something follows the end record", l.number+1)
	}
	if err := l.scan.Err(); err != nil {
		return fmt.Errorf("after line %d: %w", l.number, err)
	}
	return nil
}

func (l *lineReader) close() { l.dec.Close() }

// scanWholeLines is a bufio.SplitFunc for lines that each end in a newline:
// a last line without one is an error, not a line.
func scanWholeLines(data []byte, atEOF bool) (int, []byte, error) {
	for i, c := range data {
		if c == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errors.New("the last line is cut short")
	}
	return 0, nil, nil
}
