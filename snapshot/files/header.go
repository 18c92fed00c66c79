package files

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// xattrRecord is the prefix that star, GNU tar and bsdtar use in PAX records.
const xattrRecord = "SCHILY.xattr."

// ownerNames maps the owners that a walk met to their names, so that the same
// header can be made again later without asking, and comes out the same.
type ownerNames struct {
	users, groups map[uint32]string
}

// maxOwners bounds the maps; owners beyond it go by their number alone.
const maxOwners = 4096

func newOwnerNames() *ownerNames {
	return &ownerNames{users: map[uint32]string{}, groups: map[uint32]string{}}
}

// learn looks the owners of an entry up, once each.
func (o *ownerNames) learn(n *inode) {
	if _, ok := o.users[n.uid]; !ok && len(o.users) < maxOwners {
		o.users[n.uid] = ""
		if u, err := user.LookupId(strconv.FormatUint(uint64(n.uid), 10)); err == nil {
			o.users[n.uid] = u.Username
		}
	}
	if _, ok := o.groups[n.gid]; !ok && len(o.groups) < maxOwners {
		o.groups[n.gid] = ""
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(n.gid), 10)); err == nil {
			o.groups[n.gid] = g.Name
		}
	}
}

// headerMaker renders the headers of entries. Equal entries and owners give
// equal bytes, in this version and in any later one: a capture that was begun
// may be finished by another build.
//
// archive/tar writes the same format, five times slower: for small files it
// took more time than reading them.
type headerMaker struct {
	owners  *ownerNames
	buf     []byte
	records []byte
}

// The largest numbers that fit into the fields of a ustar header.
const (
	maxOctal8  = 1<<21 - 1
	maxOctal12 = 1<<33 - 1
)

// maxRecords is what readers take for the PAX records of one entry, in bytes.
const maxRecords = 1 << 20

// render returns the PAX header, where one is needed, and the ustar header of
// e. The bytes are valid until the next call.
func (m *headerMaker) render(e *entry) ([]byte, error) {
	name := e.path
	if e.kind == tar.TypeDir {
		name += "/"
	}
	n := &e.node
	f := ustarFields{
		name: name, link: e.link, kind: e.kind, mode: tarMode(n.mode), uid: int64(n.uid), gid: int64(n.gid),
		size: e.payload(), mtime: n.mtime.sec, uname: m.owners.users[n.uid], gname: m.owners.groups[n.gid],
		major: int64(n.rdevMaj), minor: int64(n.rdevM),
	}
	m.buf = m.buf[:0]
	if m.collect(e, &f); len(m.records) > 0 {
		if len(m.records) > maxRecords {
			return nil, fmt.Errorf("its names and extended attributes take %d bytes, a tar holds at most %d", len(m.records), maxRecords)
		}
		pax := ustarFields{name: "PaxHeaders.0/" + paxName, kind: tar.TypeXHeader, size: int64(len(m.records))}
		m.buf = append(pax.append(m.buf), m.records...)
		m.buf = append(m.buf, make([]byte, (blockSize-len(m.records)%blockSize)%blockSize)...)
	}
	m.buf = f.append(m.buf)
	return m.buf, nil
}

// paxName stands where other programs repeat the name of the entry; no reader
// that knows PAX looks at it.
const paxName = "entry"

// tarMode is the permission bits as tar and stat(2) write them.
func tarMode(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}
