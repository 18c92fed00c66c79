package archive

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/snapferry/snapferry/archive/memory"
)

// The text of a segment table, before compression: a header, a row a segment
//
//	index TAB raw bytes TAB stored bytes TAB sha256 TAB name
//
// in order of the index and without a gap, and an end line with their number
// and the sums of both sizes. Fields after the fifth are passed over: there
// is room for the digests of the raw chunks.
const tableHeader = "snapferry-table 1"

const tableFields = 5

// row is one segment of a table.
type row struct {
	index  int64
	raw    int64
	stored int64
	sum    [sha256.Size]byte
}

// segmentSet is what is known of the segments of an image: which exist, how
// large they are and what they hash to. 36 bytes each.
type segmentSet struct {
	sums    [][sha256.Size]byte
	stored  []uint32 // 0: missing
	present int64
	bytes   int64 // stored bytes of all that are present
}

const segmentSetBytes = sha256.Size + 4

// put records a segment. Of two with one index the one with the smaller hash
// is kept, so that all who look choose the same.
func (s *segmentSet) put(index int64, sum [sha256.Size]byte, stored int64) {
	for int64(len(s.stored)) <= index {
		s.stored = append(s.stored, 0)
		s.sums = append(s.sums, [sha256.Size]byte{})
	}
	if old := s.stored[index]; old != 0 {
		if string(s.sums[index][:]) <= string(sum[:]) {
			return
		}
		s.bytes -= int64(old)
		s.present--
	}
	s.stored[index], s.sums[index] = uint32(stored), sum
	s.bytes += stored
	s.present++
}

func (s *segmentSet) has(index int64) bool {
	return index < int64(len(s.stored)) && s.stored[index] != 0
}

// tableShape is what a table must add up to.
type tableShape struct {
	data, segment, chunk int64 // raw bytes: of the image, a segment, a chunk
}

// encodeTable writes the table of a complete set.
func encodeTable(set *segmentSet, shape tableShape, out *memory.Buffer) error {
	n := segments(shape.data, shape.segment)
	return writeLines(out, func(w *bufio.Writer) error {
		fmt.Fprintln(w, tableHeader)
		for i := range n {
			if !set.has(i) {
				return fmt.Errorf("segment %d is missing", i)
			}
			fmt.Fprintf(w, "%0*d\t%d\t%d\t%x\t%s\n", indexDigits, i, segmentRaw(i, shape.data, shape.segment),
				set.stored[i], set.sums[i], formatSegment(i, set.sums[i]))
		}
		_, err := fmt.Fprintf(w, "end\t%d\t%d\t%d\n", n, shape.data, set.bytes)
		return err
	})
}

// decodeTable yields the rows of a table and stops after the first error.
// Every row is checked against the shape; with shape.data < 0, as for the
// table of a stream that is its only end record, the sizes must be those of
// some image.
func decodeTable(r io.Reader, shape tableShape) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		lines, err := readLines(r, tableHeader)
		if err != nil {
			yield(row{}, err)
			return
		}
		defer lines.close()
		t := tableReader{shape: shape}
		for {
			fields, err := lines.next(tableFields)
			if err == nil && fields[0] == "end" {
				if err = t.end(fields); err == nil {
					err = lines.end()
				}
				if err != nil {
					yield(row{}, fmt.Errorf("line %d: %w", lines.number, err))
				}
				return
			}
			var next row
			if err == nil {
				next, err = t.row(fields)
			}
			if err != nil {
				yield(row{}, fmt.Errorf("line %d: %w", lines.number, err))
				return
			}
			if !yield(next, nil) {
				return
			}
		}
	}
}

// tableReader checks rows one after the other.
type tableReader struct {
	shape  tableShape
	next   int64 // index expected next
	raw    int64 // sums so far
	stored int64
	short  bool // the last row was shorter than a segment
}

func (t *tableReader) row(fields []string) (row, error) {
	if len(fields) < tableFields {
		return row{}, fmt.Errorf("%d fields, %d are expected", len(fields), tableFields)
	}
	name, ok := parseSegment(fields[4])
	r := row{index: name.Index, sum: name.Sum}
	if !ok || fields[0] != fields[4][:min(indexDigits, len(fields[4]))] || fields[3] != fmt.Sprintf("%x", name.Sum) {
		return row{}, fmt.Errorf("name %q does not agree with its index and hash", fields[4])
	}
	if name.Age || name.Tag != "" {
		return row{}, fmt.Errorf("name %q is of an encrypted or signed vault", fields[4])
	}
	if r.index != t.next || t.short || r.index >= MaxSegments {
		return row{}, fmt.Errorf("segment %d is out of order", r.index)
	}
	var err error
	if r.raw, err = parseCount(fields[1]); err != nil {
		return row{}, err
	}
	if r.stored, err = parseCount(fields[2]); err != nil {
		return row{}, err
	}
	if err := t.checkSizes(r); err != nil {
		return row{}, err
	}
	t.next++
	t.raw += r.raw
	t.stored += r.stored
	return r, nil
}

func (t *tableReader) checkSizes(r row) error {
	want := t.shape.segment
	if t.shape.data >= 0 {
		want = segmentRaw(r.index, t.shape.data, t.shape.segment)
	} else if r.raw < t.shape.segment {
		want, t.short = r.raw, true
	}
	if r.raw != want || r.raw < 1 {
		return fmt.Errorf("segment %d holds %d raw bytes, %d are expected", r.index, r.raw, want)
	}
	if r.stored < 1 || r.stored > maxStored(r.raw, t.shape.chunk) {
		return fmt.Errorf("segment %d takes %d bytes for %d", r.index, r.stored, r.raw)
	}
	return nil
}

func (t *tableReader) end(fields []string) error {
	sums := []int64{t.next, t.raw, t.stored}
	for i, sum := range sums {
		if len(fields) < 1+len(sums) || fields[1+i] != strconv.FormatInt(sum, 10) {
			return fmt.Errorf("the end record does not agree with the rows before")
		}
	}
	if t.shape.data >= 0 && t.raw != t.shape.data {
		return fmt.Errorf("the rows hold %d raw bytes, the image has %d", t.raw, t.shape.data)
	}
	return nil
}
