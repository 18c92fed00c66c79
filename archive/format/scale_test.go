package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"testing"
)

// A table of 16 TiB in segments of 32 MiB streams: reading it holds a row at a
// time, and writing it holds its compressed bytes.
func TestTableOf16TiB(t *testing.T) {
	const n = 524_288
	shape := TableShape{Data: n*DefaultSegment - 5, Segment: DefaultSegment, Chunk: DefaultChunk}
	set := &SegmentSet{}
	var seed [8]byte
	for i := range int64(n) {
		binary.LittleEndian.PutUint64(seed[:], uint64(i))
		set.Put(i, sha256.Sum256(seed[:]), 20<<20+i)
	}
	if int64(cap(set.sums))*sha256.Size+int64(cap(set.stored))*4 > 2*n*SegmentSetBytes {
		t.Errorf("a set of %d segments holds %d and %d entries", n, cap(set.sums), cap(set.stored))
	}
	var buf bytes.Buffer
	name := func(i int64, sum [32]byte) SegmentName { return SegmentName{Index: i, Sum: sum} }
	if err := EncodeTable(set, shape, name, &buf); err != nil {
		t.Fatal(err)
	}
	size := int64(buf.Len())
	t.Logf("%d rows take %d bytes", n, size)
	if size > MaxTable/4 {
		t.Errorf("the table takes %d bytes", size)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rows := int64(0)
	for r, err := range DecodeTable(&buf, shape) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Index != rows || r.Sum != set.sums[rows] || r.Stored != int64(set.stored[rows]) {
			t.Fatalf("row %d is %+v", rows, r)
		}
		rows++
		if rows == n/2 {
			runtime.GC()
			runtime.ReadMemStats(&now)
		}
	}
	if rows != n {
		t.Fatalf("%d rows", rows)
	}
	if held := int64(now.HeapAlloc) - int64(before.HeapAlloc); held > 16<<20 {
		t.Errorf("reading holds %d bytes", held)
	}
}
