package files

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"github.com/snapferry/snapferry/snapshot"
)

// timestamp is a point in time as a file system keeps it. Nanoseconds since
// 1970 in one integer would end in 2262, before the times ext4 can hold.
type timestamp struct {
	sec  int64
	nsec int64 // 0 to 999,999,999
}

func (t timestamp) time() time.Time { return time.Unix(t.sec, t.nsec) }

// stamp is what tells one state of a file from another.
type stamp struct {
	dev, ino     uint64
	size         int64 // bytes
	mtime, ctime timestamp
}

func (s stamp) append(b []byte) []byte {
	for _, v := range []int64{
		int64(s.dev), int64(s.ino), s.size, s.mtime.sec, s.mtime.nsec, s.ctime.sec, s.ctime.nsec,
	} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// changed describes the first difference between the stamp of the capture and
// the one found now, as an error that wraps snapshot.ErrChanged; nil if there
// is none. The size of a directory means nothing and is not compared.
func (s stamp) changed(now stamp, mode fs.FileMode) error {
	switch {
	case s.dev != now.dev || s.ino != now.ino:
		return fmt.Errorf("%w: another file took its place", snapshot.ErrChanged)
	case s.size != now.size && !mode.IsDir():
		return fmt.Errorf("%w: its size went from %d to %d bytes", snapshot.ErrChanged, s.size, now.size)
	case s.mtime != now.mtime:
		return fmt.Errorf("%w: modified at %s", snapshot.ErrChanged, now.mtime.time().UTC().Format(time.RFC3339Nano))
	case s.ctime != now.ctime:
		return fmt.Errorf("%w: its attributes changed at %s", snapshot.ErrChanged, now.ctime.time().UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// inode is what the system tells of a file without opening it.
type inode struct {
	stamp
	mode           fs.FileMode
	uid, gid       uint32
	nlink          uint64
	rdevMaj, rdevM uint32 // of a device node
	allocated      int64  // bytes of storage; -1 if unknown
}

// sparse reports whether a file may have holes worth looking for.
func (n *inode) sparse() bool {
	return n.mode.IsRegular() && n.size >= minHole && n.allocated >= 0 && n.allocated < n.size
}
