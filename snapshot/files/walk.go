package files

import (
	"archive/tar"
	"context"
	"fmt"
	"hash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// walker writes the entry list of a directory: each folder, then what is in
// it, names in the order of their bytes.
type walker struct {
	ctx    context.Context // of the one walk
	root   string
	list   *entryList
	sum    hash.Hash // over all headers and stamps: equal sums give equal tars
	header headerMaker
	xattrs xattrReader
	links  map[fileID]*firstName
	newest timestamp // of all changes seen
	sparse bool      // some file may have holes
	counts counts
	log    *slog.Logger
}

// counts become the facts of a capture.
type counts struct {
	files, directories, symlinks, hardLinks, special, skipped, bytes int64
}

func (c *counts) facts() map[string]string {
	facts := map[string]string{}
	for name, n := range map[string]int64{
		"files": c.files, "directories": c.directories, "symlinks": c.symlinks, "hard_links": c.hardLinks,
		"special_files": c.special, "skipped": c.skipped, "bytes": c.bytes,
	} {
		facts[name] = strconv.FormatInt(n, 10)
	}
	return facts
}

// fileID names a file whatever its path.
type fileID struct{ dev, ino uint64 }

// firstName is where the list has the first of several names of a file. It is
// forgotten once all of them were met.
type firstName struct {
	place int64
	left  uint64
}

// visit adds the entry at rel and everything below it.
func (w *walker) visit(rel string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	path := joinPath(w.root, rel)
	e, err := w.examine(path, rel)
	if err != nil {
		return listError(path, rel, err)
	}
	if e == nil {
		return nil
	}
	if err := w.add(e); err != nil {
		return captureError(path, err)
	}
	if e.kind != tar.TypeDir {
		return nil
	}
	names, err := readNames(w.ctx, path)
	if err != nil {
		return listError(path, rel, err)
	}
	for name := range names.all() {
		child := name
		if rel != "." {
			child = rel + "/" + name
		}
		if err := w.visit(child); err != nil {
			return err
		}
	}
	return nil
}

// listError tells what was never there from what went away.
func listError(path, rel string, err error) error {
	if sys.IsGone(err) && rel != "." {
		err = fmt.Errorf("%w: it went away while the directory was listed", snapshot.ErrChanged)
	}
	return captureError(path, err)
}

// examine makes the entry of a path; nil for what is skipped.
func (w *walker) examine(path, rel string) (*entry, error) {
	node, err := lstat(path)
	if err != nil {
		return nil, err
	}
	e := &entry{path: rel, node: node}
	if e.kind = w.classify(path, &node); e.kind == 0 {
		return nil, nil
	}
	if e.kind == tar.TypeSymlink {
		if e.link, err = os.Readlink(path); err != nil {
			return nil, err
		}
	}
	if e.kind == tar.TypeReg || e.kind == tar.TypeDir {
		if err := readable(path); err != nil {
			return nil, err
		}
	}
	if e.xattrs, err = w.readXattrs(path); err != nil {
		return nil, err
	}
	return e, nil
}

// classify returns the tar type of a file and counts it; 0 if a tar cannot
// hold it.
func (w *walker) classify(path string, node *inode) byte {
	switch mode := node.mode; {
	case mode.IsRegular():
		w.counts.files++
		return tar.TypeReg
	case mode.IsDir():
		w.counts.directories++
		return tar.TypeDir
	case mode&fs.ModeSymlink != 0:
		w.counts.symlinks++
		return tar.TypeSymlink
	case mode&fs.ModeNamedPipe != 0:
		w.counts.special++
		return tar.TypeFifo
	case sys.IsBlockDevice(mode):
		w.counts.special++
		return tar.TypeBlock
	case mode&fs.ModeCharDevice != 0:
		w.counts.special++
		return tar.TypeChar
	default:
		w.counts.skipped++
		w.log.Warn("skipped: a backup cannot hold it", "path", path, "kind", sys.Kind(mode))
		return 0
	}
}

// readXattrs leaves out an attribute whose name a PAX record cannot hold.
func (w *walker) readXattrs(path string) ([]xattr, error) {
	list, err := w.xattrs.read(path)
	if err != nil {
		return nil, err
	}
	kept := list[:0]
	for _, x := range list {
		if strings.Contains(x.name, "=") {
			w.counts.skipped++
			w.log.Warn("skipped: a tar cannot hold an extended attribute of this name", "path", path, "attribute", x.name)
			continue
		}
		kept = append(kept, x)
	}
	return kept, nil
}

// add completes an entry, and puts it into the list and the fingerprint.
func (w *walker) add(e *entry) error {
	w.header.owners.learn(&e.node)
	id := fileID{e.node.dev, e.node.ino}
	first := w.links[id]
	several := e.kind == tar.TypeReg && e.node.nlink > 1
	if several && first != nil {
		target, err := w.list.at(first.place)
		if err != nil {
			return err
		}
		e.kind, e.link = tar.TypeLink, target.path
		w.counts.files--
		w.counts.hardLinks++
	}
	header, err := w.header.render(e)
	if err != nil {
		return err
	}
	e.header = int64(len(header))
	w.sum.Write(header)
	w.sum.Write(e.node.append(nil))
	place, err := w.list.append(e)
	if err != nil {
		return err
	}
	if several {
		w.remember(id, place, first, e.node.nlink)
	}
	w.counts.bytes += e.payload()
	w.sparse = w.sparse || (e.kind == tar.TypeReg && e.node.sparse())
	if later(e.node.ctime, w.newest) {
		w.newest = e.node.ctime
	}
	return nil
}

func (w *walker) remember(id fileID, place int64, first *firstName, nlink uint64) {
	if first == nil {
		w.links[id] = &firstName{place: place, left: nlink - 1}
		return
	}
	if first.left--; first.left == 0 {
		delete(w.links, id)
	}
}

func later(a, b timestamp) bool {
	return a.sec > b.sec || (a.sec == b.sec && a.nsec > b.nsec)
}

// joinPath makes the path of an entry of the directory root.
func joinPath(root, rel string) string {
	if rel == "." {
		return root
	}
	if root[len(root)-1] == filepath.Separator {
		return root + filepath.FromSlash(rel)
	}
	return root + string(filepath.Separator) + filepath.FromSlash(rel)
}
