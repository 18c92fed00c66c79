package format

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"strconv"
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

// Row is one segment of a table.
type Row struct {
	SegmentName
	Raw    int64 // bytes
	Stored int64 // bytes
}

// SegmentSet is what is known of the segments of an image: which exist, how
// large they are and what they hash to. 36 bytes each.
type SegmentSet struct {
	// Present is how many segments are known, Bytes what they take stored.
	Present, Bytes int64

	sums   [][sha256.Size]byte
	stored []uint32 // 0: missing
}

// SegmentSetBytes is the memory that one segment of a SegmentSet takes, in bytes.
const SegmentSetBytes = sha256.Size + 4

// Put records a segment. Of two with one index the one with the smaller hash
// is kept, so that all who look choose the same.
func (s *SegmentSet) Put(index int64, sum [sha256.Size]byte, stored int64) {
	for int64(len(s.stored)) <= index {
		s.stored = append(s.stored, 0)
		s.sums = append(s.sums, [sha256.Size]byte{})
	}
	if old := s.stored[index]; old != 0 {
		if string(s.sums[index][:]) <= string(sum[:]) {
			return
		}
		s.Bytes -= int64(old)
		s.Present--
	}
	s.stored[index], s.sums[index] = uint32(stored), sum
	s.Bytes += stored
	s.Present++
}

// Has reports whether the segment is known.
func (s *SegmentSet) Has(index int64) bool {
	return index < int64(len(s.stored)) && s.stored[index] != 0
}

// Holds reports whether the segment that the set knows of that index is the
// one of the row.
func (s *SegmentSet) Holds(r Row) bool {
	return s.Has(r.Index) && s.sums[r.Index] == r.Sum && int64(s.stored[r.Index]) == r.Stored
}

// TableShape is what a table must add up to.
type TableShape struct {
	Data    int64 // raw bytes of the image's data; < 0 if unknown
	Segment int64 // raw bytes of a segment
	Chunk   int64 // raw bytes of a chunk
	// Signed and Age: the names of all segments have a tag, and end in .age.
	Signed, Age bool
}

// Fits reports whether a segment's name has what the shape demands.
func (s TableShape) Fits(n SegmentName) bool { return n.Age == s.Age && (n.Tag != "") == s.Signed }

// EncodeTable writes the table of a complete set, whose segments are named by
// name.
func EncodeTable(set *SegmentSet, shape TableShape, name func(index int64, sum [sha256.Size]byte) SegmentName, out io.Writer) error {
	n := Segments(shape.Data, shape.Segment)
	return writeLines(out, func(w *bufio.Writer) error {
		fmt.Fprintln(w, tableHeader)
		for i := range n {
			if !set.Has(i) {
				return fmt.Errorf("segment %d is missing", i)
			}
			fmt.Fprintf(w, "%0*d\t%d\t%d\t%x\t%s\n", indexDigits, i, SegmentRaw(i, shape.Data, shape.Segment),
				set.stored[i], set.sums[i], name(i, set.sums[i]))
		}
		_, err := fmt.Fprintf(w, "end\t%d\t%d\t%d\n", n, shape.Data, set.Bytes)
		return err
	})
}

// DecodeTable yields the rows of a table and stops after the first error.
// Every row is checked against the shape; with shape.Data < 0, as for the
// table of a stream that is its only end record, the sizes must be those of
// some image.
func DecodeTable(r io.Reader, shape TableShape) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		lines, err := readLines(r, tableHeader)
		if err != nil {
			yield(Row{}, err)
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
					yield(Row{}, fmt.Errorf("line %d: %w", lines.number, err))
				}
				return
			}
			var next Row
			if err == nil {
				next, err = t.row(fields)
			}
			if err != nil {
				yield(Row{}, fmt.Errorf("line %d: %w", lines.number, err))
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
	shape  TableShape
	next   int64 // index expected next
	raw    int64 // sums so far
	stored int64
	short  bool // the last row was shorter than a segment
}

func (t *tableReader) row(fields []string) (Row, error) {
	if len(fields) < tableFields {
		return Row{}, fmt.Errorf("%d fields, %d are expected", len(fields), tableFields)
	}
	name, ok := ParseSegment(fields[4])
	r := Row{SegmentName: name}
	if !ok || fields[0] != fields[4][:min(indexDigits, len(fields[4]))] || fields[3] != fmt.Sprintf("%x", name.Sum) {
		return Row{}, fmt.Errorf("name %q does not agree with its index and hash", fields[4])
	}
	if !t.shape.Fits(name) {
		return Row{}, fmt.Errorf("name %q is not one of its vault: encrypted or signed where the others are not, or the other way round", fields[4])
	}
	if r.Index != t.next || t.short || r.Index >= MaxSegments {
		return Row{}, fmt.Errorf("segment %d is out of order", r.Index)
	}
	var err error
	if r.Raw, err = parseCount(fields[1]); err != nil {
		return Row{}, err
	}
	if r.Stored, err = parseCount(fields[2]); err != nil {
		return Row{}, err
	}
	if err := t.checkSizes(r); err != nil {
		return Row{}, err
	}
	t.next++
	t.raw += r.Raw
	t.stored += r.Stored
	return r, nil
}

func (t *tableReader) checkSizes(r Row) error {
	want := t.shape.Segment
	if t.shape.Data >= 0 {
		want = SegmentRaw(r.Index, t.shape.Data, t.shape.Segment)
	} else if r.Raw < t.shape.Segment {
		want, t.short = r.Raw, true
	}
	if r.Raw != want || r.Raw < 1 {
		return fmt.Errorf("segment %d holds %d raw bytes, %d are expected", r.Index, r.Raw, want)
	}
	if r.Stored < 1 || r.Stored > t.shape.MaxStored(r.Raw) {
		return fmt.Errorf("segment %d takes %d bytes for %d", r.Index, r.Stored, r.Raw)
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
	if t.shape.Data >= 0 && t.raw != t.shape.Data {
		return fmt.Errorf("the rows hold %d raw bytes, the image has %d", t.raw, t.shape.Data)
	}
	return nil
}

// Admits reports whether a segment of that index may have that stored size.
// With Data < 0 any index within the limits may exist.
func (s TableShape) Admits(index, stored int64) bool {
	if index >= MaxSegments || stored < 1 {
		return false
	}
	raw := s.Segment
	if s.Data >= 0 {
		if index >= Segments(s.Data, s.Segment) {
			return false
		}
		raw = SegmentRaw(index, s.Data, s.Segment)
	}
	return stored <= s.MaxStored(raw)
}

// MaxStored returns the most bytes a segment of raw bytes may take in the
// vault.
func (s TableShape) MaxStored(raw int64) int64 {
	n := MaxStored(raw, s.Chunk)
	if s.Age {
		n = AgeSize(n)
	}
	return n
}
