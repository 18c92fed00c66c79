package files

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// trailer is the two zero blocks that end a tar.
const trailer = 2 * blockSize

// tarImage is the tar of a directory as a range of bytes, of which none is
// kept: headers are made, and files are read, when they are asked for.
type tarImage struct {
	root    string
	list    *entryList
	owners  *ownerNames
	handles handleCache
	readers sync.Pool // of *tarReader
}

// tarReader is what one ReadAt needs.
type tarReader struct {
	cursor *cursor
	header headerMaker
	entry  entry
}

func (t *tarImage) size() int64 { return t.list.size + trailer }

func (t *tarImage) borrow() *tarReader {
	if r, ok := t.readers.Get().(*tarReader); ok {
		return r
	}
	return &tarReader{cursor: newCursor(), header: headerMaker{owners: t.owners}}
}

// ReadAt reads any range of the tar. Files that lie in the range as a whole
// are opened, read and closed once; others stay open for the next read.
func (t *tarImage) ReadAt(p []byte, off int64) (int, error) {
	p, eof, err := clip(p, off, t.size())
	if err != nil {
		return 0, err
	}
	r := t.borrow()
	defer t.readers.Put(r)
	r.cursor.reset(t.list, t.list.markBefore(off))
	n := 0
	for n < len(p) {
		start, err := r.cursor.next(&r.entry)
		if errors.Is(err, io.EOF) {
			clear(p[n:]) // the trailer
			break
		}
		if err != nil {
			return n, err
		}
		at := off + int64(n) - start
		if at >= r.entry.length() {
			continue
		}
		m, err := t.readEntry(r, p[n:], at, start)
		n += m
		if err != nil {
			return n, err
		}
	}
	return len(p), eof
}

// readEntry fills p with the bytes of the entry from its byte at on, to the
// end of either. start is the place of the entry in the tar.
func (t *tarImage) readEntry(r *tarReader, p []byte, at, start int64) (n int, err error) {
	e := &r.entry
	if at < e.header {
		header, err := r.header.render(e)
		if err != nil {
			return 0, sourceError("read", joinPath(t.root, e.path), err)
		}
		if int64(len(header)) != e.header {
			return 0, fmt.Errorf("tar header of %s came out at %d bytes, planned were %d", e.path, len(header), e.header)
		}
		n = copy(p, header[at:])
	}
	if data := at + int64(n) - e.header; n < len(p) && data < e.payload() {
		want := p[n:min(int64(len(p)), int64(n)+e.payload()-data)]
		m, err := t.readData(e, want, data, start)
		n += m
		if err != nil {
			return n, sourceError("read", joinPath(t.root, e.path), err)
		}
	}
	if n < len(p) {
		pad := p[n:min(int64(len(p)), e.length()-at)]
		clear(pad)
		n += len(pad)
	}
	return n, nil
}

// readData reads file data, and fails if the file is not what was listed.
func (t *tarImage) readData(e *entry, p []byte, off, start int64) (int, error) {
	var f rawFile
	var err error
	if int64(len(p)) == e.payload() {
		if f, err = t.openEntry(e); err != nil {
			return 0, err
		}
		defer f.close()
	} else {
		if f, err = t.handles.acquire(start, func() (rawFile, error) { return t.openEntry(e) }); err != nil {
			return 0, err
		}
		defer t.handles.release(start)
	}
	n, err := f.readAt(p, off)
	if err == nil && n < len(p) {
		err = fmt.Errorf("%w: it ends at byte %d of %d", snapshot.ErrChanged, off+int64(n), e.payload())
	}
	return n, err
}

// openEntry opens the file of an entry and makes sure that it is the one.
func (t *tarImage) openEntry(e *entry) (rawFile, error) {
	f, err := openRaw(joinPath(t.root, e.path))
	if err != nil {
		if sys.IsGone(err) {
			err = fmt.Errorf("%w: it is gone, or something else took its place", snapshot.ErrChanged)
		}
		return f, err
	}
	now, err := f.inode()
	if err == nil {
		err = e.node.changed(now.stamp, e.node.mode)
	}
	if err != nil {
		f.close()
	}
	return f, err
}

// extents yields all of the tar but the large holes of the files in it.
func (t *tarImage) extents(ctx context.Context) iter.Seq2[snapshot.Extent, error] {
	gaps := func(yield func(snapshot.Extent) bool) error { return t.gaps(ctx, yield) }
	return dataExtents(t.size(), gaps, func(err error) error { return sourceError("read", t.root, err) })
}

func (t *tarImage) gaps(ctx context.Context, yield func(snapshot.Extent) bool) error {
	return t.each(ctx, func(e *entry, start int64) error {
		if e.kind != tar.TypeReg || !e.node.sparse() {
			return nil
		}
		path := joinPath(t.root, e.path)
		f, err := openRegular(path)
		if err != nil {
			return sourceError("read", path, err)
		}
		defer func() { _ = f.Close() }()
		more := true
		err = fileHoles(ctx, f, e.node.size, func(hole snapshot.Extent) bool {
			more = yield(snapshot.Extent{Offset: start + e.header + hole.Offset, Length: hole.Length})
			return more
		})
		if err == nil && !more {
			return errStop
		}
		return err
	})
}

// errStop ends each early, and is not an error to its caller.
var errStop = errors.New("stop")

// each calls fn with every entry, in order, and its place in the tar.
func (t *tarImage) each(ctx context.Context, fn func(e *entry, start int64) error) error {
	c := newCursor()
	c.reset(t.list, mark{})
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var e entry
		start, err := c.next(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = fn(&e, start)
		}
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// check compares every entry with what its path names now. A name that was
// added or removed shows in the times of its folder.
func (t *tarImage) check(ctx context.Context) error {
	return t.each(ctx, func(e *entry, _ int64) error {
		return checkEntry(joinPath(t.root, e.path), &e.node)
	})
}

func (t *tarImage) close() error {
	t.handles.close()
	if err := t.list.close(); err != nil {
		return fmt.Errorf("close entry list: %w", err)
	}
	return nil
}
