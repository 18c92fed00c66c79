package files

import (
	"iter"
	"math/bits"

	"github.com/snapferry/snapferry/snapshot"
)

const (
	// minHole is the smallest hole that is worth an extent, in bytes: a
	// smaller one compresses to nothing sooner than it is described.
	minHole = 1 << 20
	// maxExtents bounds the list of an image, whatever its file looks like.
	maxExtents = 1 << 20
)

// gapFunc yields the holes of an image of at least minHole bytes, sorted and
// disjoint, until yield returns false. It can be run again.
type gapFunc func(yield func(gap snapshot.Extent) bool) error

// dataExtents yields what gaps leaves of an image of size bytes. If that would
// be more than maxExtents, the smallest holes are read as data until it is
// not: the size a hole must have doubles. name wraps an error.
func dataExtents(size int64, gaps gapFunc, name func(error) error) iter.Seq2[snapshot.Extent, error] {
	return func(yield func(snapshot.Extent, error) bool) {
		least, err := leastGap(gaps, maxExtents)
		if err != nil {
			yield(snapshot.Extent{}, name(err))
			return
		}
		e := extentEmitter{size: size, least: least, left: maxExtents, yield: yield}
		if err := gaps(e.gap); err != nil {
			yield(snapshot.Extent{}, name(err))
			return
		}
		e.rest()
	}
}

// leastGap returns the size from which on a hole is left out, so that at most
// limit extents remain. Holes are counted by size in powers of two of minHole,
// which takes one pass and no memory.
func leastGap(gaps gapFunc, limit int64) (int64, error) {
	var count [64]int64 // of the holes of minHole<<i bytes and more, up to twice that
	err := gaps(func(gap snapshot.Extent) bool {
		if gap.Length >= minHole {
			count[bits.Len64(uint64(gap.Length/minHole))-1]++
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	kept, i := int64(0), len(count)
	for i > 0 && kept+count[i-1] < limit {
		i--
		kept += count[i]
	}
	if i >= 40 {
		return 1 << 62, nil
	}
	return minHole << i, nil
}

// extentEmitter turns holes into the extents between them.
type extentEmitter struct {
	size  int64
	least int64
	left  int64 // extents that may still be yielded
	pos   int64 // everything before is told
	done  bool  // the consumer wants no more
	yield func(snapshot.Extent, error) bool
}

// gap takes the next hole. The last extent allowed takes all the rest, in case
// a file has more holes now than when they were counted.
func (e *extentEmitter) gap(gap snapshot.Extent) bool {
	if gap.Length < e.least || e.left <= 1 {
		return true
	}
	if gap.Offset > e.pos && !e.emit(gap.Offset) {
		return false
	}
	e.pos = max(e.pos, gap.Offset+gap.Length)
	return true
}

func (e *extentEmitter) emit(end int64) bool {
	e.left--
	e.done = !e.yield(snapshot.Extent{Offset: e.pos, Length: end - e.pos}, nil)
	e.pos = end
	return !e.done
}

func (e *extentEmitter) rest() {
	if !e.done && e.pos < e.size {
		e.emit(e.size)
	}
}
