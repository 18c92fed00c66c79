package files

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"io/fs"
)

// entry is one member of the tar of a directory.
type entry struct {
	path   string // relative to the directory, with slashes; "." is itself
	link   string // target of a symbolic link, or path of the first name of a hard link
	kind   byte   // a type flag of archive/tar
	node   inode
	xattrs []xattr
	header int64 // bytes its headers take in the tar
}

// xattr is one extended attribute, by its full name ("user.comment").
type xattr struct {
	name  string
	value string
}

// blockSize is what everything in a tar is a multiple of.
const blockSize = 512

// payload is the number of data bytes that follow the headers.
func (e *entry) payload() int64 {
	if e.kind == tar.TypeReg {
		return e.node.size
	}
	return 0
}

// length is the number of bytes the entry takes in the tar.
func (e *entry) length() int64 {
	return e.header + (e.payload()+blockSize-1)/blockSize*blockSize
}

// append adds the encoding of e to b: what decode reads back.
func (e *entry) append(b []byte) []byte {
	str := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	str(e.path)
	str(e.link)
	b = append(b, e.kind)
	n := &e.node
	for _, v := range []uint64{
		n.dev, n.ino, uint64(n.mode), uint64(n.uid), uint64(n.gid), uint64(n.rdevMaj), uint64(n.rdevM), uint64(e.header),
	} {
		b = binary.AppendUvarint(b, v)
	}
	for _, v := range []int64{n.size, n.allocated, n.mtime.sec, n.mtime.nsec, n.ctime.sec, n.ctime.nsec} {
		b = binary.AppendVarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(e.xattrs)))
	for _, x := range e.xattrs {
		str(x.name)
		str(x.value)
	}
	return b
}

var errEntry = errors.New("malformed entry list")

// decode sets e to what append encoded. All of b must be used up.
func (e *entry) decode(b []byte) error {
	d := entryDecoder{b: b}
	*e = entry{path: d.str(), link: d.str(), kind: d.byte()}
	e.node = inode{
		stamp: stamp{dev: d.uint(), ino: d.uint()},
		mode:  fs.FileMode(d.uint32()), uid: d.uint32(), gid: d.uint32(), rdevMaj: d.uint32(), rdevM: d.uint32(),
	}
	e.header = int64(d.uint())
	n := &e.node
	n.size, n.allocated = d.int(), d.int()
	n.mtime = timestamp{d.int(), d.int()}
	n.ctime = timestamp{d.int(), d.int()}
	for left := d.uint(); left > 0 && !d.bad; left-- {
		e.xattrs = append(e.xattrs, xattr{d.str(), d.str()})
	}
	if d.bad || len(d.b) > 0 || e.header < 0 || n.size < 0 {
		return errEntry
	}
	return nil
}

// entryDecoder takes values off b until something does not fit.
type entryDecoder struct {
	b   []byte
	bad bool
}

func (d *entryDecoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *entryDecoder) int() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

func (d *entryDecoder) uint32() uint32 {
	v := d.uint()
	d.bad = d.bad || v > 1<<32-1
	return uint32(v)
}

func (d *entryDecoder) skip(n int) {
	if n <= 0 {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[n:]
}

func (d *entryDecoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *entryDecoder) str() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
