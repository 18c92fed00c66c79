package untar_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/untar"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// makeTar writes headers; a regular file holds its own name as often as its
// size asks for.
func makeTar(t testing.TB, list ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range list {
		if h.Mode == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'x'}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func extract(t testing.TB, dir string, image io.Reader, opts untar.Options) error {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	opts.Log = quiet()
	x := untar.New(root, opts)
	if err := x.Extract(image); err != nil {
		return err
	}
	return x.SealTop(root)
}

func file(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 4, Mode: 0o644}
}

func folder(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }

func symlink(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}

func hardlink(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
}

func TestHostileTars(t *testing.T) {
	for name, tc := range map[string]struct {
		list  []tar.Header
		named string
	}{
		"parent":                  {[]tar.Header{file("../evil")}, "../evil"},
		"parent inside":           {[]tar.Header{file("a/../../evil")}, "a/../../evil"},
		"parent that stays":       {[]tar.Header{folder("a"), file("a/../b")}, "a/../b"},
		"only parent":             {[]tar.Header{folder("..")}, ".."},
		"absolute":                {[]tar.Header{file("/evil")}, "/evil"},
		"no name":                 {[]tar.Header{{Typeflag: tar.TypeReg, Name: ""}}, `""`},
		"through symlink out":     {[]tar.Header{symlink("l", "../outside"), file("l/evil")}, "l"},
		"through symlink inside":  {[]tar.Header{folder("d"), symlink("l", "d"), file("l/evil")}, "l"},
		"through symlink to self": {[]tar.Header{symlink("l", "l"), file("l/evil")}, "l"},
		"through absolute link":   {[]tar.Header{symlink("l", "/tmp"), file("l/evil")}, "l"},
		"over symlink":            {[]tar.Header{symlink("l", "../outside/evil"), file("l")}, "l"},
		"folder over symlink":     {[]tar.Header{symlink("l", "../outside"), folder("l"), file("l/evil")}, "l"},
		"file twice":              {[]tar.Header{file("f"), file("f")}, "f"},
		"file twice, spelled":     {[]tar.Header{file("f"), file(".//f")}, "f"},
		"folder twice":            {[]tar.Header{folder("f"), folder("f")}, "f"},
		"folder over file":        {[]tar.Header{file("f"), folder("f")}, "f"},
		"symlink over file":       {[]tar.Header{file("f"), symlink("f", "x")}, "f"},
		"link over file":          {[]tar.Header{file("f"), file("g"), hardlink("g", "f")}, "g"},
		"below a file":            {[]tar.Header{file("f"), file("f/g")}, "f"},
		"hard link out":           {[]tar.Header{hardlink("l", "../outside/victim")}, "../outside/victim"},
		"hard link absolute":      {[]tar.Header{hardlink("l", "/etc/passwd")}, "/etc/passwd"},
		"hard link to symlink":    {[]tar.Header{symlink("s", "../outside/victim"), hardlink("l", "s")}, "l"},
		"hard link through link":  {[]tar.Header{symlink("s", "../outside"), hardlink("l", "s/victim")}, "s"},
		"hard link to folder":     {[]tar.Header{folder("d"), hardlink("l", "d")}, "l"},
		"hard link to top":        {[]tar.Header{hardlink("l", ".")}, "l"},
		"top as symlink":          {[]tar.Header{symlink("./", "/tmp")}, "./"},
		"long name":               {[]tar.Header{file(strings.Repeat("n", 10_000))}, "nnnn"},
		"long part":               {[]tar.Header{file("d/" + strings.Repeat("n", 256))}, "d/nnnn"},
		"long path":               {[]tar.Header{file(strings.Repeat("d/", 2100) + "f")}, "d/d/d"},
		"long symlink":            {[]tar.Header{symlink("l", strings.Repeat("n", 10_000))}, "l"},
		"unknown type":            {[]tar.Header{{Typeflag: 'Z', Name: "z"}}, "z"},
		"contiguous file":         {[]tar.Header{{Typeflag: tar.TypeCont, Name: "c"}}, "c"},
		"global header":           {[]tar.Header{{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../evil"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			dir, outside := filepath.Join(above, "dir"), filepath.Join(above, "outside")
			makeDirs(t, dir, outside)
			// Every tar is tried with the bits of root too: the refusal must not hang on rights.
			err := extract(t, dir, bytes.NewReader(makeTar(t, tc.list...)), untar.Options{Owner: os.Geteuid() == 0})
			if !errors.Is(err, snapshot.ErrUnsafe) || !strings.Contains(err.Error(), tc.named) {
				t.Errorf("got %v, want a refusal that names %q", err, tc.named)
			}
			if len(err.Error()) > 500 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			untouched(t, above)
		})
	}
}

func makeDirs(t testing.TB, dir, outside string) {
	t.Helper()
	for _, d := range []string{dir, outside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Unix(1_000_000, 0)
	for _, p := range []string{filepath.Join(outside, "victim"), outside} {
		if err := os.Chtimes(p, past, past); err != nil {
			t.Fatal(err)
		}
	}
}

// untouched fails if anything beside the folder "dir" of above changed.
func untouched(t testing.TB, above string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(above, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(above, p)
		if rel == "dir" {
			return fs.SkipDir
		}
		if rel == "." || err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprintf("%s %v %d", rel, info.Mode(), info.ModTime().Unix()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := strings.Join(got, ", "); s != "outside drwxr-xr-x 1000000, outside/victim -rw------- 1000000" {
		t.Fatalf("outside of the directory: %s", s)
	}
	if b, err := os.ReadFile(filepath.Join(above, "outside", "victim")); err != nil || string(b) != "untouched" {
		t.Fatalf("the victim holds %q, %v", b, err)
	}
}

func TestHarmlessOddities(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat(strings.Repeat("p", 250)+"/", 15) + "end"
	err := extract(t, dir, bytes.NewReader(makeTar(t,
		folder("./"), file("./dot"), file("no/parents/listed"), folder("no/"), symlink("out", "/etc/passwd"), symlink("up", "../.."),
		file(long), hardlink("./no/link", "dot"),
	)), untar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dot", "no/parents/listed", "no/link", long} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "xxxx" {
			t.Errorf("%q, %v", b, err)
		}
	}
	if to, err := os.Readlink(filepath.Join(dir, "out")); err != nil || to != "/etc/passwd" {
		t.Errorf("%q, %v", to, err)
	}
}

func TestBrokenTars(t *testing.T) {
	good := makeTar(t, folder("d"), file("d/f"), file("g"))
	for _, n := range []int{1, 511, 512 + 100, 1024 + 1, 1024 + 512 + 1, 2048 + 3} {
		if err := extract(t, t.TempDir(), bytes.NewReader(good[:n]), untar.Options{}); err == nil {
			t.Errorf("the first %d bytes are taken for a tar", n)
		}
	}
	bad := bytes.Clone(good)
	bad[3] ^= 1
	if err := extract(t, t.TempDir(), bytes.NewReader(bad), untar.Options{}); !errors.Is(err, tar.ErrHeader) {
		t.Errorf("wrong checksum: %v", err)
	}
	if err := extract(t, t.TempDir(), strings.NewReader("no tar at all, but long enough to be a block"+strings.Repeat(" ", 600)), untar.Options{}); err == nil {
		t.Error("text is taken for a tar")
	}
}

// sparseBomb is a file of 8 GiB of zeros in two blocks, made with
// "truncate -s 8G bomb && tar --format=posix -S -cf - bomb".
func sparseBomb() []byte {
	pax := "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n30 GNU.sparse.name=sparsebomb\n34 GNU.sparse.realsize=8589934592\n"
	var b bytes.Buffer
	b.Write(rawHeader("PaxHeaders/bomb", 'x', len(pax)))
	b.WriteString(pax)
	b.Write(make([]byte, 512-len(pax)))
	b.Write(rawHeader("GNUSparseFile.1/bomb", '0', 512))
	body := make([]byte, 512)
	copy(body, "1\n8589934592\n0\n")
	b.Write(body)
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// rawHeader is a ustar header without help of the library, which does not
// write what it reads here.
func rawHeader(name string, kind byte, size int) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", size))
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func TestSparseBomb(t *testing.T) {
	dir := t.TempDir()
	err := extract(t, dir, bytes.NewReader(sparseBomb()), untar.Options{})
	if !errors.Is(err, snapshot.ErrUnsafe) || !strings.Contains(err.Error(), "sparsebomb") {
		t.Errorf("got %v", err)
	}
}

func TestDeviceNumbers(t *testing.T) {
	if os.Geteuid() != 0 {
		return // without root, nodes are not made at all; TestHostileTars covers the rest
	}
	for _, n := range [][2]int64{{1 << 12, 0}, {0, 1 << 20}} {
		h := tar.Header{Typeflag: tar.TypeBlock, Name: "dev", Devmajor: n[0], Devminor: n[1]}
		err := extract(t, t.TempDir(), bytes.NewReader(makeTar(t, h)), untar.Options{Owner: true})
		if !errors.Is(err, snapshot.ErrUnsafe) {
			t.Errorf("%v: got %v", n, err)
		}
	}
}

// FuzzExtract unpacks anything, and looks whether anything outside changed.
func FuzzExtract(f *testing.F) {
	f.Add(makeTar(f, folder("./"), folder("d"), file("d/f"), symlink("l", "../outside"), hardlink("h", "d/f")))
	f.Add(makeTar(f, symlink("l", "../outside"), file("l/evil")))
	f.Add(makeTar(f, symlink("l", "../outside/victim"), hardlink("h", "l"), file("h")))
	f.Add(makeTar(f, file("../outside/victim")))
	f.Add(makeTar(f, hardlink("h", "../outside/victim")))
	f.Add(makeTar(f, tar.Header{Typeflag: tar.TypeFifo, Name: "p"}, tar.Header{Typeflag: tar.TypeChar, Name: "c", Devmajor: 1, Devminor: 3}))
	f.Add(makeTar(f, tar.Header{
		Typeflag: tar.TypeReg, Name: "x", Size: 1, Format: tar.FormatPAX, ModTime: time.Unix(5, 7),
		PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b", "SCHILY.xattr.trusted.a": "b"},
	}))
	f.Add(makeTar(f, file(strings.Repeat("n", 10_000))))
	f.Add(sparseBomb())
	f.Fuzz(func(t *testing.T, image []byte) {
		above := t.TempDir()
		makeDirs(t, filepath.Join(above, "dir"), filepath.Join(above, "outside"))
		_ = extract(t, filepath.Join(above, "dir"), bytes.NewReader(image), untar.Options{})
		untouched(t, above)
		makeRemovable(t, above)
	})
}

// makeRemovable lets the cleanup of the test into every folder.
func makeRemovable(t testing.TB, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
}
