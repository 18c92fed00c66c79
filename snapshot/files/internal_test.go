package files

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/snapferry/snapferry/snapshot"
)

// collect runs dataExtents over gaps that are given.
func collect(t *testing.T, size int64, gaps gapFunc) []snapshot.Extent {
	t.Helper()
	var list []snapshot.Extent
	for e, err := range dataExtents(size, gaps, func(err error) error { return err }) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// every makes a hole of length bytes in each period, and one of 1 GiB at last.
func every(period, length int64, n int) (int64, gapFunc) {
	return int64(n)*period + 1<<30, func(yield func(snapshot.Extent) bool) error {
		for i := range int64(n) {
			if !yield(snapshot.Extent{Offset: i * period, Length: length}) {
				return nil
			}
		}
		yield(snapshot.Extent{Offset: int64(n) * period, Length: 1 << 30})
		return nil
	}
}

func TestExtentsAreCoarsened(t *testing.T) {
	for _, n := range []int{0, 1, 1000, maxExtents - 2, maxExtents - 1, maxExtents, 3 * maxExtents} {
		size, gaps := every(8<<20, 2<<20, n)
		list := collect(t, size, gaps)
		want := n
		if n >= maxExtents-1 {
			want = 1 // only the last, large hole is left out
		}
		if len(list) != want {
			t.Errorf("%d holes: %d extents, want %d", n, len(list), want)
		}
		end := int64(0)
		for _, e := range list {
			if e.Offset < end || e.Length <= 0 {
				t.Fatalf("extent %+v after %d", e, end)
			}
			end = e.Offset + e.Length
		}
		if n > 0 && end != size-1<<30 {
			t.Errorf("%d holes: the data ends at %d of %d", n, end, size-1<<30)
		}
	}
}

// TestMoreHolesThanCounted is a file that is punched while it is read.
func TestMoreHolesThanCounted(t *testing.T) {
	runs := 0
	few, fewGaps := every(4<<20, 1<<20, 10)
	_, manyGaps := every(4<<20, 1<<20, maxExtents+10)
	list := collect(t, few<<30, func(yield func(snapshot.Extent) bool) error {
		if runs++; runs == 1 {
			return fewGaps(yield)
		}
		return manyGaps(yield)
	})
	last := list[len(list)-1]
	if len(list) != maxExtents || last.Offset+last.Length != few<<30 {
		t.Errorf("%d extents, the last %+v", len(list), last)
	}
}

func TestExtentErrors(t *testing.T) {
	broken := errors.New("broken")
	for fail := 1; fail <= 2; fail++ {
		runs := 0
		var got error
		for _, err := range dataExtents(10, func(func(snapshot.Extent) bool) error {
			if runs++; runs == fail {
				return broken
			}
			return nil
		}, func(err error) error { return err }) {
			got = err
		}
		if !errors.Is(got, broken) {
			t.Errorf("pass %d: got %v", fail, got)
		}
	}
}

func sampleEntry() entry {
	return entry{
		path: "a/b", link: "c", kind: '2', header: 1536,
		node: inode{
			stamp: stamp{dev: 1, ino: 1 << 63, size: 5, mtime: timestamp{-3, 999_999_999}, ctime: timestamp{1 << 40, 0}},
			mode:  0o644, uid: 1<<32 - 1, gid: 7, rdevMaj: 8, rdevM: 9, allocated: -1,
		},
		xattrs: []xattr{{"user.a", "\x00\xff"}, {"user.b", ""}},
	}
}

func TestEntryEncoding(t *testing.T) {
	for _, e := range []entry{sampleEntry(), {kind: '0'}} {
		b := e.append(nil)
		var got entry
		if err := got.decode(b); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, e)
		}
		for n := range b {
			if err := got.decode(b[:n]); err == nil {
				t.Errorf("the first %d of %d bytes decode", n, len(b))
			}
		}
		if err := got.decode(append(bytes.Clone(b), 0)); err == nil {
			t.Error("a byte too many decodes")
		}
	}
}

func FuzzEntryDecode(f *testing.F) {
	e := sampleEntry()
	f.Add(e.append(nil))
	f.Add((&entry{kind: '0'}).append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again entry
		if e.decode(b) != nil {
			return
		}
		if err := again.decode(e.append(nil)); err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v came back as %+v, %v", e, again, err)
		}
	})
}
