package files

import (
	"archive/tar"
	"bytes"
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
// equal bytes.
type headerMaker struct {
	owners *ownerNames
	buf    bytes.Buffer
}

// render returns the PAX header, where one is needed, and the ustar header of
// e. The bytes are valid until the next call.
func (m *headerMaker) render(e *entry) ([]byte, error) {
	h := tar.Header{
		Typeflag: e.kind, Name: e.path, Linkname: e.link, Size: e.payload(),
		Mode: tarMode(e.node.mode), Uid: int(e.node.uid), Gid: int(e.node.gid),
		Uname: m.owners.users[e.node.uid], Gname: m.owners.groups[e.node.gid],
		ModTime: e.node.mtime.time(), Devmajor: int64(e.node.rdevMaj), Devminor: int64(e.node.rdevM),
		Format: tar.FormatPAX,
	}
	if e.kind == tar.TypeDir {
		h.Name += "/"
	}
	if len(e.xattrs) > 0 {
		h.PAXRecords = make(map[string]string, len(e.xattrs))
		for _, x := range e.xattrs {
			h.PAXRecords[xattrRecord+x.name] = x.value
		}
	}
	m.buf.Reset()
	if err := tar.NewWriter(&m.buf).WriteHeader(&h); err != nil {
		return nil, fmt.Errorf("make tar header: %w", err)
	}
	return m.buf.Bytes(), nil
}

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
