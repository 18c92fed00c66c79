//go:build linux

package files_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
	"github.com/snapferry/snapferry/snapshot/files/restore"
)

// buildTree makes a tree with all a backup keeps; the parts for root only if
// the test is root.
func buildTree(t testing.TB, root string) {
	t.Helper()
	write(t, filepath.Join(root, "a", "plain"), []byte("plain\n"))
	write(t, filepath.Join(root, "a", "empty"), nil)
	write(t, filepath.Join(root, "a", "b", "c", "noise"), noise(7, 700_001))
	write(t, filepath.Join(root, "a b", "ünï \n\xff name"), []byte("odd"))
	write(t, filepath.Join(root, "a-b", strings.Repeat("long", 60)), []byte("long name"))
	write(t, filepath.Join(root, strings.Repeat("deep/", 80), "bottom"), []byte("deep"))
	check(t, os.MkdirAll(filepath.Join(root, "nothing in it"), 0o700))
	sparseFile(t, filepath.Join(root, "sparse"), 40<<20, 3<<20, 30<<20)
	check(t, os.Symlink("a/plain", filepath.Join(root, "link")))
	check(t, os.Symlink("/nowhere/"+strings.Repeat("x", 300), filepath.Join(root, "dangling")))
	check(t, os.Link(filepath.Join(root, "a", "plain"), filepath.Join(root, "hard")))
	check(t, os.Link(filepath.Join(root, "a", "plain"), filepath.Join(root, "z", "..", "hard2")))
	check(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o640))
	check(t, unix.Setxattr(filepath.Join(root, "a", "plain"), "user.comment", []byte("with\x00zero and = sign"), 0))
	check(t, unix.Setxattr(filepath.Join(root, "a"), "user.folder", []byte("yes"), 0))
	check(t, os.Chmod(filepath.Join(root, "a", "b"), 0o2750|os.ModeSetgid))
	check(t, os.Chmod(filepath.Join(root, "a", "empty"), 0))
	if os.Geteuid() == 0 {
		buildRootParts(t, root)
	}
	old := time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC)
	future := time.Date(2345, 1, 2, 3, 4, 5, 1, time.UTC)
	check(t, os.Chtimes(filepath.Join(root, "a", "empty"), old, old))
	check(t, os.Chtimes(filepath.Join(root, "a", "b", "c", "noise"), future, future))
	check(t, os.Chtimes(filepath.Join(root, "a"), old, time.Unix(1, 1)))
	check(t, os.Chtimes(root, old, time.Unix(77, 77)))
}

func buildRootParts(t testing.TB, root string) {
	t.Helper()
	suid := filepath.Join(root, "suid")
	write(t, suid, []byte("#!/bin/sh\n"))
	check(t, os.Chown(suid, 1234, 3_000_000))
	check(t, os.Chmod(suid, 0o755|os.ModeSetuid|os.ModeSticky))
	check(t, unix.Setxattr(suid, "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\xd2\x04\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"
	check(t, unix.Setxattr(filepath.Join(root, "a", "b", "c", "noise"), "system.posix_acl_access", []byte(acl), 0))
	check(t, unix.Lsetxattr(filepath.Join(root, "dangling"), "trusted.on.link", []byte("v"), 0))
	check(t, os.Lchown(filepath.Join(root, "dangling"), 55, 66))
	check(t, os.Mkdir(filepath.Join(root, "dev"), 0o755))
	check(t, unix.Mknod(filepath.Join(root, "dev", "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	check(t, unix.Mknod(filepath.Join(root, "dev", "disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(4095, 1048575))))
	check(t, os.Chown(filepath.Join(root, "nothing in it"), 99, 98))
}

func TestDirRoundTrip(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	buildTree(t, src)
	want := describeTree(t, src)
	c := capture(t, src)
	img := c.Images()[0]
	if img.Name != "src.tar" || img.Form != snapshot.FormTar || !c.Info().Resumable || img.Size%512 != 0 {
		t.Errorf("image %+v", img)
	}
	target, err := restore.Target(dst, restore.Options{})
	check(t, err)
	check(t, transfer(t, c, target))
	sameLines(t, describeTree(t, dst), want)
	if a := allocated(t, filepath.Join(dst, "sparse")); a > 1<<20 {
		t.Errorf("the sparse file takes %d bytes", a)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left behind: %v", got)
	}
	// The restored tree, backed up again, makes the same tar.
	first, err := readAll(img, 1<<20)
	check(t, err)
	second, err := readAll(capture(t, dst).Images()[0], 777)
	check(t, err)
	if !bytes.Equal(first, second) {
		t.Error("the tar of the restored tree differs")
	}
}

func TestDirRestoredByNobody(t *testing.T) {
	dir := openDir(t)
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	buildTree(t, src)
	check(t, os.Chmod(filepath.Join(src, "a-b"), 0o555))
	c := capture(t, src)
	log := &logBuffer{}
	asNobody(t, func() {
		target, err := restore.Target(dst, restore.Options{Log: log.logger()})
		check(t, err)
		ctx := context.Background()
		img := c.Images()[0]
		sink, err := target.Create(ctx, snapshot.ImageInfo{Name: img.Name, Form: img.Form, Size: img.Size, Sole: true})
		check(t, err)
		data := tarBytes(t, img)
		_, err = sink.(snapshot.StreamSink).Write(data)
		check(t, errors.Join(err, sink.Close(), target.Commit(ctx), target.Abort()))
	})
	info, err := os.Stat(filepath.Join(dst, "suid"))
	check(t, err)
	if info.Mode() != 0o755|os.ModeSticky {
		t.Errorf("suid came back as %v", info.Mode())
	}
	if _, err := os.Lstat(filepath.Join(dst, "dev", "null")); !os.IsNotExist(err) {
		t.Errorf("a device node came back: %v", err)
	}
	if !strings.Contains(log.String(), "dev/disk") || !strings.Contains(log.String(), "attribute") {
		t.Errorf("no warning: %s", log)
	}
	if info, err = os.Stat(filepath.Join(dst, "a-b")); err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("%v, %v", info, err)
	}
}

// tarBytes reads an image with the rights of root for a moment.
func tarBytes(t *testing.T, img snapshot.Image) []byte {
	t.Helper()
	check(t, unix.Setresuid(-1, 0, -1))
	b, err := readAll(img, 1<<20)
	check(t, err)
	check(t, unix.Setresuid(-1, 65534, -1))
	return b
}

func TestVirtualTarIsATar(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	buildTree(t, src)
	image, err := readAll(capture(t, src).Images()[0], 100_003)
	check(t, err)
	list := members(t, image)
	h := list["a/empty"]
	if h == nil || h.Format != tar.FormatPAX || h.ModTime.UnixNano() != -14182939876543211 || h.Mode != 0 {
		t.Errorf("a/empty: %+v", h)
	}
	if h := list["hard"]; h == nil || h.Typeflag != tar.TypeLink || h.Linkname != "a/plain" {
		t.Errorf("hard: %+v", h)
	}
	if h := list["./"]; h == nil || !h.ModTime.Equal(time.Unix(77, 77)) {
		t.Errorf("./: %+v", h)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	write(t, file, image)
	system := testenv.Tool(t, "tar")
	out, err := exec.Command(system, "-tvf", file).CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != len(list) {
		t.Errorf("tar -tvf: %v, %d entries of %d\n%s", err, strings.Count(string(out), "\n"), len(list), out)
	}
	into := t.TempDir()
	args := []string{"-C", into, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "-xf", file}
	if out, err := exec.Command(system, args...).CombinedOutput(); err != nil {
		t.Fatalf("tar %v: %v\n%s", args, err, out)
	}
	sameLines(t, describeTree(t, into), describeTree(t, src))
}

// TestReadAtAnywhere compares ranges at random with the whole, and the whole
// with what archive/tar makes of the tree.
func TestReadAtAnywhere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp("", "snapferry-test-")
		check(t, err)
		defer os.RemoveAll(root)
		want := map[string][]byte{}
		for i := range rapid.IntRange(0, 40).Draw(rt, "files") {
			folder := rapid.StringMatching(`([a-c]{1,3}/){0,3}`).Draw(rt, "folder")
			name := folder + fmt.Sprintf("f%d", i)
			size := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(500, 1030), rapid.IntRange(0, 70_000)).Draw(rt, "size")
			want[name] = noise(uint64(i), size)
			write(t, filepath.Join(root, name), want[name])
		}
		img := capture(t, root).Images()[0]
		whole, err := readAll(img, img.Size)
		check(t, err)
		for name, h := range members(t, whole) {
			if h.Typeflag == tar.TypeReg && h.Size != int64(len(want[name])) {
				rt.Fatalf("%s has %d bytes", name, h.Size)
			}
		}
		sameFiles(rt, whole, want)
		for range 50 {
			off := rapid.Int64Range(0, img.Size-1).Draw(rt, "off")
			n := rapid.Int64Range(0, min(img.Size-off, 80_000)).Draw(rt, "n")
			b := make([]byte, n)
			if m, err := img.Data.ReadAt(b, off); int64(m) != n || err != nil {
				rt.Fatalf("read %d of %d at %d: %v", m, n, off, err)
			}
			if !bytes.Equal(b, whole[off:off+n]) {
				rt.Fatalf("%d bytes at %d differ", n, off)
			}
		}
	})
}

func sameFiles(rt *rapid.T, image []byte, want map[string][]byte) {
	r := tar.NewReader(bytes.NewReader(image))
	found := 0
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		if h.Typeflag != tar.TypeReg {
			continue
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want[h.Name]) {
			rt.Fatalf("%s differs", h.Name)
		}
		found++
	}
	if found != len(want) {
		rt.Fatalf("%d files of %d", found, len(want))
	}
}

func TestOrderIsThatOfBytes(t *testing.T) {
	src := t.TempDir()
	for _, name := range []string{"a/x", "a-b", "a.b", "B", "a/Y", "a/x2/z", "ä"} {
		write(t, filepath.Join(src, name), nil)
	}
	image, err := readAll(capture(t, src).Images()[0], 512)
	check(t, err)
	var got []string
	r := tar.NewReader(bytes.NewReader(image))
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		got = append(got, h.Name)
	}
	if want := []string{"./", "B", "a/", "a/Y", "a/x", "a/x2/", "a/x2/z", "a-b", "a.b", "ä"}; !slices.Equal(got, want) {
		// The order is by name in each folder, and "a" comes before "a-b".
		t.Errorf("got %q", got)
	}
}

func TestSparseFilesAreNotRead(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "first"), noise(1, 3000))
	sparseFile(t, filepath.Join(src, "huge"), 1<<40, 1<<39)
	write(t, filepath.Join(src, "last"), noise(2, 3000))
	img := capture(t, src).Images()[0]
	list := extents(t, img)
	data := int64(0)
	for _, e := range list {
		data += e.Length
	}
	if len(list) != 3 && len(list) != 2 || data > 100<<10 {
		t.Fatalf("%d extents with %d bytes: %+v", len(list), data, list)
	}
	b := make([]byte, 5000)
	at := list[1].Offset
	if n, err := img.Data.ReadAt(b, at); err != nil || n != len(b) || !bytes.Equal(b, noise(0, 5000)) {
		t.Errorf("the data in the middle differs: %d, %v", n, err)
	}
}

func TestSocketsAreSkipped(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "kept"), []byte("x"))
	sock, err := net.Listen("unix", filepath.Join(src, "server.sock"))
	check(t, err)
	defer sock.Close()
	log := &logBuffer{}
	c, err := captureWith(src, files.Options{Log: log.logger(), TempDir: t.TempDir()})
	check(t, err)
	defer c.Close()
	facts := c.Info().Facts
	if facts["skipped"] != "1" || facts["files"] != "1" || facts["directories"] != "1" || facts["bytes"] != "1" {
		t.Errorf("facts %v", facts)
	}
	if !strings.Contains(log.String(), "server.sock") {
		t.Errorf("no warning: %s", log)
	}
	check(t, c.Check(context.Background()))
}

func TestDirChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		named  string
		change func(src string) error
	}{
		"grows":     {"d/f2", func(s string) error { return appendTo(s+"/d/f2", "x") }},
		"same time": {"d/f2", func(s string) error { return overwriteKeepingTime(s + "/d/f2") }},
		"content":   {"d/f2", func(s string) error { return overwrite(s+"/d/f2", "x") }},
		"added":     {"d", func(s string) error { return os.WriteFile(s+"/d/new", nil, 0o644) }},
		"removed":   {"d", func(s string) error { return os.Remove(s + "/d/f3") }},
		"renamed":   {"d", func(s string) error { return os.Rename(s+"/d/f2", s+"/d/f9") }},
		"mode":      {"d/f1", func(s string) error { return os.Chmod(s+"/d/f1", 0o600) }},
		"xattr":     {"d/f1", func(s string) error { return unix.Setxattr(s+"/d/f1", "user.x", []byte("y"), 0) }},
		"symlink":   {"", func(s string) error { return errors.Join(os.Remove(s+"/l"), os.Symlink("other", s+"/l")) }},
		"folder":    {"d", func(s string) error { return os.Chmod(s+"/d", 0o700) }},
	} {
		t.Run(name, func(t *testing.T) {
			src := t.TempDir()
			for i := range 4 {
				write(t, fmt.Sprintf("%s/d/f%d", src, i), noise(uint64(i), 2000))
			}
			check(t, os.Symlink("target", src+"/l"))
			c := capture(t, src)
			before := c.Info().Fingerprint
			if again := capture(t, src).Info().Fingerprint; again != before {
				t.Fatal("the same state has two fingerprints")
			}
			check(t, c.Check(context.Background()))
			check(t, tc.change(src))
			err := c.Check(context.Background())
			var e *snapshot.Error
			if !errors.Is(err, snapshot.ErrChanged) || !errors.As(err, &e) || e.Name != filepath.Join(src, tc.named) {
				t.Errorf("got %v, want the name %s", err, tc.named)
			}
			if capture(t, src).Info().Fingerprint == before {
				t.Error("the fingerprint did not change")
			}
		})
	}
}

func TestDirChangesSeenByTheRead(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grows":    func(p string) error { return appendTo(p, "x") },
		"shrinks":  func(p string) error { return os.Truncate(p, 5) },
		"vanishes": os.Remove,
		"becomes a link": func(p string) error {
			return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p))
		},
		"becomes a pipe": func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			src := t.TempDir()
			write(t, filepath.Join(src, "victim"), noise(1, 300_000))
			c := capture(t, src)
			check(t, change(filepath.Join(src, "victim")))
			_, err := readAll(c.Images()[0], 64<<10)
			if !errors.Is(err, snapshot.ErrChanged) || !strings.Contains(err.Error(), "victim") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNameOfTheRootFolder(t *testing.T) {
	src, err := files.Open("/", files.Options{Host: "db1"})
	check(t, err)
	if src.Name() != "db1" {
		t.Errorf("got %q", src.Name())
	}
}

// hookContext calls fn when it is asked for the n-th time whether it is done,
// which a walk does before each entry.
type hookContext struct {
	context.Context
	n  int
	fn func()
}

func (c *hookContext) Err() error {
	if c.n--; c.n == 0 {
		c.fn()
	}
	return c.Context.Err()
}

func TestVanishesDuringTheWalk(t *testing.T) {
	for n := 1; n < 12; n++ {
		src := filepath.Join(t.TempDir(), "src")
		write(t, filepath.Join(src, "d", "f"), []byte("x"))
		tmp := t.TempDir()
		source, err := files.Open(src, files.Options{TempDir: tmp})
		check(t, err)
		ctx := &hookContext{context.Background(), n, func() { check(t, os.RemoveAll(filepath.Join(src, "d"))) }}
		c, err := source.Capture(ctx)
		if err == nil { // removed before it was listed, or after
			if ctx.n <= 0 && c.Info().Facts["files"] == "1" && !errors.Is(c.Check(context.Background()), snapshot.ErrChanged) {
				t.Errorf("step %d: the check does not see it", n)
			}
			check(t, c.Close())
			continue
		}
		if !errors.Is(err, snapshot.ErrChanged) || !strings.Contains(err.Error(), filepath.Join(src, "d")) {
			t.Errorf("step %d: got %v", n, err)
		}
		if left := names(t, tmp); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestCancelledWalk(t *testing.T) {
	src, err := files.Open(t.TempDir(), files.Options{})
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := src.Capture(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
