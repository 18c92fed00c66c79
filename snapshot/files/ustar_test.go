package files

import (
	"archive/tar"
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestHeadersReadBack renders entries of all kinds, and reads them with
// archive/tar.
func TestHeadersReadBack(t *testing.T) {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-z]{1,8}(/[a-z.]{1,90}){0,3}`), rapid.StringMatching(`[ -.0-~ä-ü€\n]{1,120}`),
		rapid.StringMatching(`[a]{98,103}`), rapid.StringMatching(`[b]{95,99}/c`), rapid.Just("\xff\xfe"),
	)
	number := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(maxOctal8-1, maxOctal8+1))
	rapid.Check(t, func(t *rapid.T) {
		e := entry{path: name.Draw(t, "path"), kind: rapid.SampledFrom([]byte("0123456")).Draw(t, "kind")}
		if e.kind == tar.TypeLink || e.kind == tar.TypeSymlink {
			e.link = name.Draw(t, "link")
		}
		e.node.uid, e.node.gid = number.Draw(t, "uid"), number.Draw(t, "gid")
		e.node.mode = 0o7654 & 0o777
		e.node.mtime.sec = rapid.OneOf(
			rapid.Int64Range(-5, 5), rapid.Int64Range(-1<<36, 1<<36), rapid.Int64Range(maxOctal12-1, maxOctal12+1)).Draw(t, "sec")
		e.node.mtime.nsec = rapid.OneOf(rapid.Just[int64](0), rapid.Int64Range(0, 999_999_999)).Draw(t, "nsec")
		e.node.size = rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(maxOctal12-1, 1<<50)).Draw(t, "size")
		if e.kind == tar.TypeChar || e.kind == tar.TypeBlock {
			e.node.rdevMaj, e.node.rdevM = rapid.Uint32Range(0, 4095).Draw(t, "major"), rapid.Uint32Range(0, 1<<20-1).Draw(t, "minor")
		}
		want := map[string]string{}
		for _, x := range rapid.SliceOfNDistinct(rapid.StringMatching(`user\.[a-zä]{1,9}`), 0, 3, rapid.ID).Draw(t, "xattrs") {
			value := string(rapid.SliceOfN(rapid.Byte(), 0, 1100).Draw(t, "value"))
			e.xattrs = append(e.xattrs, xattr{x, value})
			want[xattrRecord+x] = value
		}
		owners := newOwnerNames()
		owners.users[e.node.uid] = rapid.StringMatching(`[a-z]{0,40}|ü{1,20}`).Draw(t, "uname")
		compareHeader(t, &e, owners, want)
	})
}

func compareHeader(t *rapid.T, e *entry, owners *ownerNames, xattrs map[string]string) {
	m := headerMaker{owners: owners, buf: []byte("old bytes in the buffer"), records: []byte("here too")}
	header, err := m.render(e)
	if err != nil || len(header)%blockSize != 0 {
		t.Fatalf("%d bytes, %v", len(header), err)
	}
	h, err := tar.NewReader(bytes.NewReader(header)).Next()
	if err != nil {
		t.Fatal(err)
	}
	name := e.path
	if e.kind == tar.TypeDir {
		name += "/"
	}
	if h.Typeflag != e.kind || h.Name != name || h.Linkname != e.link || h.Size != e.payload() || h.Uid != int(e.node.uid) ||
		h.Gid != int(e.node.gid) || h.Uname != owners.users[e.node.uid] || h.Mode != tarMode(e.node.mode) ||
		h.Devmajor != int64(e.node.rdevMaj) || h.Devminor != int64(e.node.rdevM) {
		t.Fatalf("%+v came back as %+v", e, h)
	}
	if want := e.node.mtime.time(); !h.ModTime.Equal(want) {
		t.Fatalf("time %v came back as %v", want, h.ModTime)
	}
	got := maps.Clone(h.PAXRecords)
	maps.DeleteFunc(got, func(key, _ string) bool { return !strings.HasPrefix(key, xattrRecord) })
	if !maps.Equal(got, xattrs) {
		t.Fatalf("attributes %q came back as %q", xattrs, got)
	}
}

// TestHeaderBytes pins the bytes: they are part of the fingerprint, and a
// capture that one version began may be finished by the next.
func TestHeaderBytes(t *testing.T) {
	e := entry{path: "ä", kind: '0', node: inode{mode: 0o640, uid: 1000, gid: 100}}
	e.node.size, e.node.mtime = 5, timestamp{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Unix(), 600}
	e.xattrs = []xattr{{"user.a", "b"}}
	owners := newOwnerNames()
	owners.users[1000], owners.groups[100] = "me", "us"
	got, err := (&headerMaker{owners: owners}).render(&e)
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	records := "28 mtime=1767323045.0000006\n11 path=ä\n25 SCHILY.xattr.user.a=b\n"
	want := "PaxHeaders.0/entry" + zeros(82) + "0000000\x000000000\x000000000\x0000000000100\x0000000000000\x00011274\x00 x" +
		zeros(100) + "ustar\x0000" + zeros(247) + records + zeros(512-len(records)) +
		zeros(100) + "0000640\x000001750\x000000144\x0000000000005\x0015125632645\x00006726\x00 0" +
		zeros(100) + "ustar\x0000me" + zeros(30) + "us" + zeros(213)
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", strings.ReplaceAll(string(got), "\x00", "."), strings.ReplaceAll(want, "\x00", "."))
	}
}

func TestTooManyAttributes(t *testing.T) {
	e := entry{path: "f", kind: '0'}
	for i := range 20 {
		e.xattrs = append(e.xattrs, xattr{"user." + strings.Repeat("x", i), strings.Repeat("v", 65_000)})
	}
	if _, err := (&headerMaker{owners: newOwnerNames()}).render(&e); err == nil {
		t.Error("no reader would take this header")
	}
}
