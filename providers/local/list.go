package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/providers"
)

const (
	// pageNames is how many names of one folder are held at once. A folder
	// with more is read several times, which bounds the memory of a listing
	// whatever the number of objects.
	pageNames = 32 << 10
	// batchNames is how many names one read of a folder returns.
	batchNames = 4096
)

// List yields the objects below prefix.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return b.ListAfter(ctx, prefix, "")
}

// ListAfter yields the objects below prefix whose keys follow after.
func (b *Bucket) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if err := providers.CheckListPrefix(prefix); err != nil {
			yield(providers.Object{}, &providers.Error{Op: "list", Key: prefix, Err: err})
			return
		}
		root, err := b.openRoot()
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(providers.Object{}, wrap("list", prefix, err))
			return
		}
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		w := walker{ctx: ctx, prefix: prefix, after: after, page: pageNames, yield: yield}
		if err := w.enter(root, dir); err != nil && !errors.Is(err, errStop) {
			yield(providers.Object{}, err)
		}
	}
}

// errStop says that the caller of a listing wants no more.
var errStop = errors.New("stop")

type walker struct {
	ctx           context.Context //nolint:containedctx // a walker lives within one List
	prefix, after string
	page          int
	yield         func(providers.Object, error) bool
}

// enter lists the folder name below parent; name is "" or ends with a slash.
func (w *walker) enter(parent *os.Root, name string) error {
	if name == "" {
		return w.folder(parent, "")
	}
	return w.below(parent, strings.TrimSuffix(name, "/"), name)
}

// below lists the folder sub of parent, whose path is base. What is gone by
// now, or no folder, holds nothing.
func (w *walker) below(parent *os.Root, sub, base string) error {
	fi, err := parent.Lstat(sub)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) || err == nil && !fi.IsDir() {
		return nil
	}
	if err != nil {
		return wrap("list", base, err)
	}
	child, err := parent.OpenRoot(sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrap("list", base, err)
	}
	defer func() { _ = child.Close() }() // holds nothing
	return w.folder(child, base)
}

// folder yields what is in an open folder; base is its path with a slash at
// its end. Entries are taken in the order of full keys, in which a folder "a"
// stands as "a/": after a file "a-b" and before a file "a0".
func (w *walker) folder(root *os.Root, base string) error {
	last := ""
	for {
		if err := w.ctx.Err(); err != nil {
			return &providers.Error{Op: "list", Key: w.prefix, Err: err}
		}
		names, more, err := w.next(root, base, last)
		if err != nil {
			return wrap("list", w.prefix, err)
		}
		for _, name := range names {
			if err := w.entry(root, base, name); err != nil {
				return err
			}
			last = name
		}
		if !more {
			return nil
		}
	}
}

func (w *walker) entry(root *os.Root, base, name string) error {
	if err := w.ctx.Err(); err != nil {
		return &providers.Error{Op: "list", Key: w.prefix, Err: err}
	}
	if sub, isDir := strings.CutSuffix(name, "/"); isDir {
		return w.below(root, sub, base+name)
	}
	fi, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrap("list", base+name, err)
	}
	if !fi.Mode().IsRegular() {
		return nil
	}
	o := providers.Object{Key: base + name, Size: fi.Size(), Created: fi.ModTime().UTC()}
	if !w.yield(o, nil) {
		return errStop
	}
	return nil
}

// next returns the names that follow last, sorted, at most a page of them, and
// whether there are more. Folders have a slash at their end.
func (w *walker) next(root *os.Root, base, last string) ([]string, bool, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = d.Close() }() // opened for reading
	p := smallest{limit: w.page}
	for {
		entries, err := d.ReadDir(batchNames)
		for _, e := range entries {
			if name := w.wanted(base, e); name != "" && name > last {
				p.add(name)
			}
		}
		if errors.Is(err, io.EOF) {
			return p.sorted(), p.dropped, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// wanted returns the name of an entry that is, or may hold, an object of the
// listing, or "".
func (w *walker) wanted(base string, e fs.DirEntry) string {
	name := e.Name()
	key := base + name
	if providers.CheckKey(key) != nil {
		return ""
	}
	if e.IsDir() {
		// Below a folder are keys that begin with it: those of the listing if
		// one is the beginning of the other.
		key += "/"
		if !strings.HasPrefix(key, w.prefix) && !strings.HasPrefix(w.prefix, key) ||
			key < w.after && !strings.HasPrefix(w.after, key) {
			return ""
		}
		return name + "/"
	}
	// A file system that does not tell kinds says so with irregular modes.
	if !e.Type().IsRegular() && e.Type()&fs.ModeIrregular == 0 {
		return ""
	}
	if !strings.HasPrefix(key, w.prefix) || key <= w.after {
		return ""
	}
	return name
}

// smallest keeps the least of the names it is given.
type smallest struct {
	limit   int
	names   []string
	full    bool // names holds limit names and bound is the greatest
	bound   string
	dropped bool
}

func (s *smallest) add(name string) {
	if s.full && name >= s.bound {
		s.dropped = true
		return
	}
	s.names = append(s.names, name)
	if len(s.names) >= 2*s.limit {
		s.cut()
	}
}

func (s *smallest) cut() {
	slices.Sort(s.names)
	if len(s.names) > s.limit {
		clear(s.names[s.limit:])
		s.names = s.names[:s.limit]
		s.dropped = true
	}
	if len(s.names) == s.limit {
		s.full, s.bound = true, s.names[s.limit-1]
	}
}

func (s *smallest) sorted() []string {
	s.cut()
	return s.names
}
