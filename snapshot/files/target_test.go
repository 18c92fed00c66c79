//go:build linux

package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
	"github.com/snapferry/snapferry/snapshot/files/restore"
)

// putBack sends the source at src to a target.
func putBack(t testing.TB, src, dst string, opts restore.Options) error {
	t.Helper()
	c := capture(t, src)
	target, err := restore.Target(dst, opts)
	if err != nil {
		return err
	}
	return transfer(t, c, target)
}

func TestExistingTargets(t *testing.T) {
	dir := t.TempDir()
	file, tree := filepath.Join(dir, "file"), filepath.Join(dir, "tree")
	write(t, file, []byte("new"))
	write(t, filepath.Join(tree, "new"), []byte("new"))
	for _, tc := range []struct {
		name, src string
		prepare   func(dst string)
		refused   error // without overwrite
		always    error // with it
		result    string
	}{
		{"file over nothing", file, func(string) {}, nil, nil, ""},
		{"file over empty file", file, func(d string) { write(t, d, nil) }, nil, nil, ""},
		{"file over file", file, func(d string) { write(t, d, []byte("old")) }, snapshot.ErrNotEmpty, nil, ""},
		{"file into folder", file, func(d string) { write(t, d+"/other", nil) }, nil, nil, "file"},
		{"file over file in folder", file, func(d string) { write(t, d+"/file", []byte("old")) }, snapshot.ErrNotEmpty, nil, "file"},
		{"file over dangling link", file, func(d string) { check(t, os.Symlink("nowhere", d)) }, snapshot.ErrNotEmpty, snapshot.ErrNotEmpty, ""},
		{"tree over nothing", tree, func(string) {}, nil, nil, "new"},
		{"tree over empty folder", tree, func(d string) { check(t, os.Mkdir(d, 0o755)) }, nil, nil, "new"},
		{"tree over full folder", tree, func(d string) { write(t, d+"/old", []byte("old")) }, snapshot.ErrNotEmpty, nil, "new"},
		{"tree over file", tree, func(d string) { write(t, d, []byte("old")) }, snapshot.ErrNotEmpty, snapshot.ErrNotEmpty, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, overwrite := range []bool{false, true} {
				at := t.TempDir()
				dst := filepath.Join(at, "dst")
				tc.prepare(dst)
				before := describeTree(t, at)
				want := tc.refused
				if overwrite {
					want = tc.always
				}
				err := putBack(t, tc.src, dst, restore.Options{Overwrite: overwrite})
				if !errors.Is(err, want) || (want == nil) != (err == nil) {
					t.Fatalf("overwrite %v: got %v, want %v", overwrite, err, want)
				}
				if want != nil {
					var e *snapshot.Error
					if !errors.As(err, &e) || e.Hint == "" {
						t.Errorf("no hint: %v", err)
					}
					sameLines(t, describeTree(t, at), before)
					continue
				}
				if b, err := os.ReadFile(filepath.Join(dst, tc.result)); err != nil || string(b) != "new" {
					t.Errorf("overwrite %v: %q, %v", overwrite, b, err)
				}
				if _, err := os.Lstat(dst + "/old"); err == nil {
					t.Error("the old content is still there")
				}
				if got := names(t, at); len(got) != 1 {
					t.Errorf("left behind: %v", got)
				}
			}
		})
	}
}

func TestTargetsThatCannotBe(t *testing.T) {
	dir := openDir(t)
	file, tree := filepath.Join(dir, "file"), filepath.Join(dir, "tree")
	write(t, file, []byte("new"))
	write(t, filepath.Join(tree, "new"), []byte("new"))
	check(t, os.Mkdir(filepath.Join(dir, "locked"), 0o755))
	for _, src := range []string{file, tree} {
		for dst, want := range map[string]error{
			filepath.Join(dir, "missing", "x"): os.ErrNotExist,
			filepath.Join(file, "x"):           unix.ENOTDIR,
		} {
			err := putBack(t, src, dst, restore.Options{})
			var e *snapshot.Error
			if !errors.Is(err, want) || !errors.As(err, &e) || e.Hint == "" {
				t.Errorf("%s: got %v", dst, err)
			}
		}
		asNobody(t, func() {
			target, err := restore.Target(filepath.Join(dir, "locked", "x"), restore.Options{})
			check(t, err)
			form := map[string]string{file: snapshot.FormRaw, tree: snapshot.FormTar}[src]
			_, err = target.Create(context.Background(), snapshot.ImageInfo{Name: "x", Form: form, Size: 3, Sole: true})
			var e *snapshot.Error
			if !errors.Is(err, os.ErrPermission) || !errors.As(err, &e) || e.Hint == "" {
				t.Errorf("got %v", err)
			}
			check(t, target.Abort())
		})
	}
	if got := names(t, filepath.Join(dir, "locked")); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

// TestTreeIntoFolderOfSomebodyElse: we may write to it, but not beside it.
func TestTreeIntoFolderOfSomebodyElse(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "f"), []byte("new"))
	c := capture(t, src)
	image, err := readAll(c.Images()[0], 1<<20)
	check(t, err)
	above := openDir(t)
	dst := filepath.Join(above, "dst")
	check(t, os.Mkdir(dst, 0o777))
	check(t, os.Chown(dst, 65534, 65534))
	check(t, os.Chmod(above, 0o755))
	asNobody(t, func() {
		ctx := context.Background()
		target := restore.DirTarget(dst, restore.Options{})
		sink, err := target.Create(ctx, snapshot.ImageInfo{Name: "x", Form: snapshot.FormTar, Size: int64(len(image)), Sole: true})
		check(t, err)
		_, err = sink.(snapshot.StreamSink).Write(image)
		check(t, errors.Join(err, sink.Close(), target.Commit(ctx)))
	})
	if got := names(t, dst); len(got) != 1 || got[0] != "f" {
		t.Errorf("got %v", got)
	}
}

func TestTargetThroughLink(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "src"), []byte("new"))
	write(t, filepath.Join(dir, "real"), []byte("old"))
	check(t, os.Chmod(filepath.Join(dir, "real"), 0o640))
	check(t, os.Symlink("real", filepath.Join(dir, "link")))
	check(t, putBack(t, filepath.Join(dir, "src"), filepath.Join(dir, "link"), restore.Options{Overwrite: true}))
	if to, err := os.Readlink(filepath.Join(dir, "link")); err != nil || to != "real" {
		t.Errorf("the link is now %q, %v", to, err)
	}
	info, err := os.Stat(filepath.Join(dir, "real"))
	if b, _ := os.ReadFile(filepath.Join(dir, "real")); err != nil || string(b) != "new" || info.Mode() != 0o640 {
		t.Errorf("%q, %v, %v", b, info.Mode(), err)
	}
}

func TestTarFileInsteadOfTree(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	buildTree(t, src)
	dst := filepath.Join(dir, "out.tar")
	check(t, putBack(t, src, dst, restore.Options{}))
	want, err := readAll(capture(t, src).Images()[0], 1<<20)
	check(t, err)
	got, err := os.ReadFile(dst)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the tar differs: %v", err)
	}
	if a := allocated(t, dst); a > 2<<20 {
		t.Errorf("the tar takes %d bytes", a)
	}
}

func TestStdoutAndPipeTargets(t *testing.T) {
	dir := t.TempDir()
	src, fifo := filepath.Join(dir, "src"), filepath.Join(dir, "fifo")
	data := noise(4, 500_000)
	write(t, src, data)
	var out bytes.Buffer
	check(t, putBack(t, src, "-", restore.Options{Stdout: &out}))
	if !bytes.Equal(out.Bytes(), data) {
		t.Error("stdout got other bytes")
	}
	check(t, unix.Mkfifo(fifo, 0o600))
	got := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile(fifo)
		got <- b
	}()
	check(t, putBack(t, src, fifo, restore.Options{}))
	if !bytes.Equal(<-got, data) {
		t.Error("the pipe got other bytes")
	}
	check(t, putBack(t, src, "/dev/null", restore.Options{Overwrite: true}))
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatal("/dev/null was replaced")
	}
	if err := putBack(t, src, "/dev/full", restore.Options{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("/dev/full: %v", err)
	}
	if _, err := restore.Target("", restore.Options{}); !errors.Is(err, snapshot.ErrUsage) {
		t.Errorf("empty path: %v", err)
	}
}

func TestSeveralImages(t *testing.T) {
	ctx := context.Background()
	dst := filepath.Join(t.TempDir(), "out")
	target, err := restore.Target(dst, restore.Options{})
	check(t, err)
	for _, name := range []string{"vol-1.img", "../../etc/vol-2.img", `C:\x\vol-3.img`} {
		sink, err := target.Create(ctx, snapshot.ImageInfo{Name: name, Form: snapshot.FormRaw, Size: 3})
		check(t, err)
		_, err = sink.(snapshot.RandomSink).WriteAt([]byte("abc"), 0)
		check(t, errors.Join(err, sink.Close()))
	}
	for _, name := range []string{"..", "", "a/", "VOL-1.img"} {
		_, err := target.Create(ctx, snapshot.ImageInfo{Name: name, Form: snapshot.FormRaw, Size: 3})
		if !errors.Is(err, snapshot.ErrUnsafe) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if got := names(t, dst); !strings.HasPrefix(got[0], ".") {
		t.Errorf("visible before the commit: %v", got)
	}
	check(t, errors.Join(target.Commit(ctx), target.Abort()))
	if got := strings.Join(names(t, dst), " "); got != "vol-1.img vol-2.img vol-3.img" {
		t.Errorf("got %s", got)
	}
	for _, one := range []snapshot.Target{restore.StdoutTarget(io.Discard), restore.DirTarget(dst, restore.Options{}), restore.DeviceTarget(dst, restore.Options{})} {
		if _, err := one.Create(ctx, snapshot.ImageInfo{Name: "x", Form: snapshot.FormTar, Size: 3}); !errors.Is(err, snapshot.ErrUsage) {
			t.Errorf("%T: %v", one, err)
		}
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	ctx := context.Background()
	src := filepath.Join(t.TempDir(), "src")
	write(t, filepath.Join(src, "locked", "f"), noise(1, 100_000))
	check(t, os.Chmod(filepath.Join(src, "locked"), 0o500))
	img := capture(t, src).Images()[0]
	tarball, err := readAll(img, 1<<20)
	check(t, err)
	for name, info := range map[string]snapshot.ImageInfo{
		"file":    {Name: "f", Form: snapshot.FormRaw, Size: img.Size, Sole: true},
		"stream":  {Name: "f", Form: snapshot.FormStream, Size: -1, Sole: true},
		"several": {Name: "f", Form: snapshot.FormRaw, Size: img.Size},
		"tree":    {Name: "f", Form: snapshot.FormTar, Size: img.Size, Sole: true},
	} {
		for _, closed := range []bool{false, true} {
			dir := t.TempDir()
			target, err := restore.Target(filepath.Join(dir, "dst"), restore.Options{})
			check(t, err)
			sink, err := target.Create(ctx, info)
			check(t, err)
			switch s := sink.(type) {
			case snapshot.RandomSink:
				_, err = s.WriteAt(tarball[:1000], 0)
			case snapshot.StreamSink:
				_, err = s.Write(tarball[:len(tarball)-5000])
			}
			check(t, err)
			if closed {
				err := sink.Close()
				if name == "tree" && err == nil {
					t.Error("closing a half tar is no error")
				}
			}
			if err := target.Commit(ctx); name == "tree" && err == nil || !closed && err == nil {
				t.Errorf("%s, closed %v: committed", name, closed)
			} else if err == nil {
				continue
			}
			check(t, target.Abort())
			if got := names(t, dir); len(got) > 0 {
				t.Errorf("%s, closed %v: left behind %v", name, closed, got)
			}
		}
	}
}

func TestZeroAfterWrite(t *testing.T) {
	ctx := context.Background()
	const size = 5 << 20
	dst := filepath.Join(t.TempDir(), "f")
	target := restore.FileTarget(dst, restore.Options{})
	sink, err := target.Create(ctx, snapshot.ImageInfo{Name: "f", Form: snapshot.FormRaw, Size: size, Sole: true})
	check(t, err)
	s := sink.(snapshot.RandomSink)
	want := noise(1, size)
	_, err = s.WriteAt(want, 0)
	check(t, errors.Join(err, s.Zero(1001, 3<<20), s.Zero(4<<20, 0), s.Zero(size-3, 3)))
	clear(want[1001 : 1001+3<<20])
	clear(want[size-3:])
	for _, r := range [][2]int64{{-1, 1}, {0, size + 1}, {size + 1, 0}, {1 << 62, 1 << 62}, {1, -1}} {
		if err := s.Zero(r[0], r[1]); !errors.Is(err, snapshot.ErrUnsafe) {
			t.Errorf("zero %v: %v", r, err)
		}
	}
	if _, err := s.WriteAt([]byte("x"), size); !errors.Is(err, snapshot.ErrUnsafe) {
		t.Errorf("write past the end: %v", err)
	}
	if err := s.Close(); !errors.Is(err, snapshot.ErrUnsafe) {
		t.Errorf("close after a refused write: %v", err)
	}
	list, err := filepath.Glob(filepath.Join(filepath.Dir(dst), ".f.snapferry-*"))
	check(t, err)
	got, err := os.ReadFile(list[0])
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the file differs: %v", err)
	}
	check(t, target.Abort())
}

func TestTargetDiskFull(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "big"), noise(1, 9<<20))
	for name, from := range map[string]string{"tree": src, "file": filepath.Join(src, "big")} {
		t.Run(name, func(t *testing.T) {
			small := t.TempDir()
			mountTmpfs(t, small, "4m")
			log := &logBuffer{}
			err := putBack(t, from, filepath.Join(small, "dst"), restore.Options{Log: log.logger()})
			var e *snapshot.Error
			if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &e) || !strings.Contains(e.Hint, "needs up to 9437") && !strings.Contains(e.Hint, "needs up to 944") {
				t.Errorf("got %v, hint %q", err, e.Hint)
			}
			if got := names(t, small); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
			if name == "file" && !strings.Contains(log.String(), "too small") {
				t.Errorf("no warning: %s", log)
			}
		})
	}
}

func TestTempDirFull(t *testing.T) {
	src := t.TempDir()
	for _, letter := range "abcdefgh" {
		name := strings.Repeat(string(letter), 255)
		for range 3 {
			src := filepath.Join(src, name)
			check(t, os.MkdirAll(src, 0o755))
			for i := range 10 {
				write(t, filepath.Join(src, strings.Repeat(string(rune('0'+i)), 255)), nil)
			}
		}
	}
	small := t.TempDir()
	mountTmpfs(t, small, "16k")
	_, err := captureWith(src, files.Options{TempDir: small})
	var e *snapshot.Error
	if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("got %v", err)
	}
	if got := names(t, small); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

// TestTreeIntoMountPoint cannot be a rename: the parent is another file system.
func TestTreeIntoMountPoint(t *testing.T) {
	src := t.TempDir()
	buildTree(t, src)
	write(t, filepath.Join(src, "lost+found", "f"), []byte("of the source"))
	check(t, os.Chtimes(src, lastYear, lastYear))
	mnt := filepath.Join(t.TempDir(), "mnt")
	check(t, os.Mkdir(mnt, 0o755))
	mountTmpfs(t, mnt, "64m")
	check(t, os.Mkdir(filepath.Join(mnt, "lost+found"), 0o700))
	check(t, putBack(t, src, mnt, restore.Options{}))
	sameLines(t, describeTree(t, mnt), describeTree(t, src))
	if err := putBack(t, src, mnt, restore.Options{}); !errors.Is(err, snapshot.ErrNotEmpty) {
		t.Errorf("restored over a full file system: %v", err)
	}
	check(t, os.RemoveAll(filepath.Join(src, "a")))
	check(t, putBack(t, src, mnt, restore.Options{Overwrite: true}))
	sameLines(t, describeTree(t, mnt), describeTree(t, src))
}

func TestTreeIntoWorkingDirectory(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "f"), []byte("new"))
	t.Chdir(t.TempDir())
	check(t, putBack(t, src, ".", restore.Options{}))
	if b, err := os.ReadFile("f"); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if got := names(t, "."); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestDevice(t *testing.T) {
	needRoot(t)
	losetup := testenv.Tool(t, "losetup")
	dir := t.TempDir()
	backing := filepath.Join(dir, "backing")
	const size = 16 << 20
	write(t, backing, make([]byte, size))
	out, err := exec.Command(losetup, "-f", "--show", backing).CombinedOutput()
	if err != nil {
		testenv.Missing(t, "a loop device: "+string(out))
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { check(t, exec.Command(losetup, "-d", dev).Run()) })

	src := filepath.Join(dir, "src")
	sparseFile(t, src, 10<<20, 0, 5<<20+4000, 10<<20-5000)
	check(t, putBack(t, src, dev, restore.Options{}))
	want, err := os.ReadFile(src)
	check(t, err)
	c := capture(t, dev)
	info := c.Info()
	if info.Resumable || info.Identity.Type != "device" || c.Images()[0].Size != size || info.Fingerprint == capture(t, dev).Info().Fingerprint {
		t.Errorf("info %+v", info)
	}
	got, err := readAll(c.Images()[0], 1<<20)
	if err != nil || !bytes.Equal(got[:len(want)], want) {
		t.Fatalf("the device differs: %v", err)
	}
	check(t, c.Check(context.Background()))

	if err := putBack(t, src, dev, restore.Options{}); !errors.Is(err, snapshot.ErrNotEmpty) {
		t.Errorf("wrote over a device with data: %v", err)
	}
	// Old data must not shine through the holes.
	old, err := os.OpenFile(dev, os.O_WRONLY, 0)
	check(t, err)
	_, err = old.Write(noise(9, size))
	check(t, errors.Join(err, old.Sync(), old.Close()))
	check(t, putBack(t, src, dev, restore.Options{Overwrite: true}))
	if got, err = os.ReadFile(dev); err != nil || !bytes.Equal(got[:len(want)], want) || !bytes.Equal(got[len(want):], noise(9, size)[len(want):]) {
		t.Errorf("the device differs after an overwrite: %v", err)
	}
	sparseFile(t, src, size+1)
	if err := putBack(t, src, dev, restore.Options{Overwrite: true}); !errors.Is(err, snapshot.ErrUnsafe) {
		t.Errorf("wrote to a device that is too small: %v", err)
	}
	testMountedDevice(t, dev, src)
}

func testMountedDevice(t *testing.T, dev, src string) {
	t.Helper()
	mkfs := testenv.Tool(t, "mkfs.ext4")
	if out, err := exec.Command(mkfs, "-q", "-F", dev).CombinedOutput(); err != nil {
		t.Fatalf("mkfs: %s", out)
	}
	mnt := t.TempDir()
	check(t, unix.Mount(dev, mnt, "ext4", 0, ""))
	defer func() { check(t, unix.Unmount(mnt, 0)) }()
	sparseFile(t, src, 1<<20, 0)
	err := putBack(t, src, dev, restore.Options{Overwrite: true})
	if !errors.Is(err, snapshot.ErrUnsafe) || !strings.Contains(err.Error(), mnt) {
		t.Errorf("wrote to a mounted device: %v", err)
	}
	log := &logBuffer{}
	c, err := captureWith(dev, files.Options{Log: log.logger()})
	check(t, err)
	check(t, c.Close())
	if !strings.Contains(log.String(), mnt) {
		t.Errorf("no warning: %s", log)
	}
}
