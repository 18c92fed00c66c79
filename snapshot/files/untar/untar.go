// Package untar unpacks a tar that nobody vouches for into a directory that
// nobody else writes to.
//
// Nothing is created, opened or changed outside that directory, whatever the
// tar says: it is entered through os.Root, folder by folder, never through a
// symbolic link, and nothing that exists is written over. A symbolic link is
// restored as the text it is, wherever it points to. Names with "..",
// absolute names, hard links to anything but a file of the same tar, names that
// no file system takes, types that a backup does not make, and a name that
// comes twice are refused with snapshot.ErrUnsafe.
//
// Owners are restored by number, and only on request, as are device nodes and
// the set-user-ID bits. A tar whose entries come folder by folder, as those of
// package files do, is unpacked in memory that does not grow with it.
package untar

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
)

// Options say how much of the attributes of an entry is restored.
type Options struct {
	// Owner restores owners, device nodes and the set-user-ID and set-group-ID
	// bits; it takes the rights of root.
	Owner bool
	// Sync makes every file durable as it is closed, for systems that cannot
	// do that for all of them at the end.
	Sync bool
	// Log takes a warning for what could not be restored.
	Log *slog.Logger
}

// Extractor unpacks one tar into one directory.
type Extractor struct {
	root    *os.Root
	opts    Options
	at      *folder  // the folder of the last entry, kept open
	pending []member // folders whose attributes are set once nothing more goes into them
	implied map[string]bool
	top     *member // the directory itself
	buf     []byte
	warned  map[string]bool
}

// member is what is kept of the header of an entry.
type member struct {
	name   string // cleaned
	header *tar.Header
}

// New returns an extractor into root, which must be empty and stays open.
func New(root *os.Root, opts Options) *Extractor {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	return &Extractor{
		root: root, opts: opts, implied: map[string]bool{}, warned: map[string]bool{}, buf: make([]byte, 1<<20),
	}
}

// Extract reads a tar from r to the end of r. The attributes of the directory
// itself wait for SealTop. After an error the directory holds a part of it.
func (x *Extractor) Extract(r io.Reader) error {
	defer x.closeFolder()
	buffered := bufio.NewReaderSize(r, 256<<10)
	tr := tar.NewReader(buffered)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		// The check of the library is looser than ours, and off by default.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read tar: %w", err)
		}
		if err := x.unpack(h, tr); err != nil {
			return err
		}
	}
	if err := x.leave(""); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, buffered); err != nil {
		return fmt.Errorf("read tar: %w", err)
	}
	return nil
}

// SealTop gives dir the attributes that the tar has for the directory itself:
// dir is where it was unpacked, or where its content was moved to.
func (x *Extractor) SealTop(dir *os.Root) error {
	if x.top == nil {
		return nil
	}
	f, err := openFolder(dir, ".")
	if err != nil {
		return fmt.Errorf("restore attributes of the directory: %w", err)
	}
	defer f.close()
	return x.sealFolder(f, ".", x.top)
}

// unpack creates one entry.
func (x *Extractor) unpack(h *tar.Header, data io.Reader) error {
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	// A few bytes can promise terabytes of zeros there, and no backup has them.
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return refuse(h.Name, "files in the sparse format of GNU tar are not restored")
		}
	}
	m := member{name, h}
	if name == "." {
		if h.Typeflag != tar.TypeDir {
			return refuse(h.Name, "the directory itself as something else")
		}
		x.top = &m
		return nil
	}
	if err := x.leave(name); err != nil {
		return err
	}
	f, err := x.enter(path.Dir(name))
	if err != nil {
		return err
	}
	if err := x.create(f, &m, data); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return refuse(h.Name, "it would write over an earlier entry")
		}
		return fmt.Errorf("restore %s: %w", quote(h.Name), err)
	}
	return nil
}

func (x *Extractor) create(f *folder, m *member, data io.Reader) error {
	base := path.Base(m.name)
	switch m.header.Typeflag {
	case tar.TypeReg:
		return x.createFile(f, base, m, data)
	case tar.TypeDir:
		return x.createFolder(f, base, m)
	case tar.TypeSymlink:
		return x.createSymlink(f, base, m)
	case tar.TypeLink:
		return x.createLink(m)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return x.createSpecial(f, base, m)
	}
	return refuse(m.header.Name, fmt.Sprintf("entries of type %q are not restored", m.header.Typeflag))
}

func (x *Extractor) createFile(f *folder, base string, m *member, data io.Reader) error {
	file, err := f.root.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copySparse(file, data, m.header.Size, x.buf)
	if err == nil {
		err = x.setAttributes(file, m)
	}
	if err == nil && x.opts.Sync {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return f.setTime(base, m.header)
}

func (x *Extractor) createFolder(f *folder, base string, m *member) error {
	// Until it is left, the folder must let us in, whatever its mode will be.
	err := f.root.Mkdir(base, 0o700)
	if errors.Is(err, fs.ErrExist) && x.implied[m.name] {
		delete(x.implied, m.name)
		err = nil
	}
	if err != nil {
		return err
	}
	x.pending = append(x.pending, *m)
	return nil
}

func (x *Extractor) createSymlink(f *folder, base string, m *member) error {
	if text := m.header.Linkname; text == "" || len(text) > maxPath {
		return refuse(m.header.Name, fmt.Sprintf("a symbolic link cannot hold %d bytes", len(text)))
	}
	if err := f.root.Symlink(m.header.Linkname, base); err != nil {
		return err
	}
	return x.setLinkAttributes(f, base, m)
}

// createLink makes a hard link to a file that the tar brought earlier.
func (x *Extractor) createLink(m *member) error {
	target, err := cleanName(m.header.Linkname)
	if err != nil {
		return err
	}
	f, err := x.open(path.Dir(target))
	if err != nil {
		return fmt.Errorf("target %s of the link: %w", quote(target), err)
	}
	defer f.close()
	info, err := f.root.Lstat(path.Base(target))
	if err != nil {
		return fmt.Errorf("target %s of the link: %w", quote(target), err)
	}
	if !info.Mode().IsRegular() {
		return refuse(m.header.Name, "a hard link to what is not a file")
	}
	// No part of either path is a symbolic link: open and enter saw to that.
	return x.root.Link(target, m.name)
}

func (x *Extractor) createSpecial(f *folder, base string, m *member) error {
	h := m.header
	if h.Typeflag != tar.TypeFifo && !x.opts.Owner {
		x.warn("device nodes are not restored: only root may make them", "path", m.name)
		return nil
	}
	if h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor >= 1<<12 || h.Devminor >= 1<<20 {
		return refuse(h.Name, fmt.Sprintf("no device has the number %d:%d", h.Devmajor, h.Devminor))
	}
	err := f.makeSpecial(base, h)
	if errors.Is(err, errors.ErrUnsupported) {
		x.warn("device nodes and named pipes are not restored on this system", "path", m.name)
		return nil
	}
	if err != nil {
		return err
	}
	return x.setLinkAttributes(f, base, m)
}

// leave sets the attributes of the folders that name does not lie in.
func (x *Extractor) leave(name string) error {
	for len(x.pending) > 0 {
		last := x.pending[len(x.pending)-1]
		if strings.HasPrefix(name, last.name+"/") {
			return nil
		}
		x.pending = x.pending[:len(x.pending)-1]
		f, err := x.enter(path.Dir(last.name))
		if err != nil {
			return err
		}
		if err := x.sealFolder(f, path.Base(last.name), &last); err != nil {
			return fmt.Errorf("restore %s: %w", quote(last.name), err)
		}
	}
	return nil
}

func (x *Extractor) sealFolder(f *folder, base string, m *member) error {
	dir, err := f.root.Open(base)
	if err != nil {
		return err
	}
	err = x.setAttributes(dir, m)
	if closeErr := dir.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return f.setTime(base, m.header)
}

// warn says once of each kind that something is not restored.
func (x *Extractor) warn(msg string, args ...any) {
	if !x.warned[msg] {
		x.warned[msg] = true
		x.opts.Log.Warn(msg+" (further ones are not reported)", args...)
	}
}

func refuse(name, why string) error {
	return fmt.Errorf("%w: entry %s: %s", snapshot.ErrUnsafe, quote(name), why)
}
