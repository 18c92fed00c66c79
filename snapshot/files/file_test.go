//go:build linux

package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
	"github.com/snapferry/snapferry/snapshot/files/restore"
)

// sparseFile makes a file of size bytes with data at some places.
func sparseFile(t testing.TB, path string, size int64, at ...int64) {
	t.Helper()
	f, err := os.Create(path)
	check(t, err)
	for i, off := range at {
		_, err := f.WriteAt(noise(uint64(i), 5000), off)
		check(t, err)
	}
	check(t, f.Truncate(size))
	check(t, f.Close())
}

func TestFileRoundTrip(t *testing.T) {
	for name, make := range map[string]func(path string){
		"empty":  func(p string) { write(t, p, nil) },
		"one":    func(p string) { write(t, p, []byte("x")) },
		"noise":  func(p string) { write(t, p, noise(1, 3_000_001)) },
		"sparse": func(p string) { sparseFile(t, p, 200<<20, 10<<20, 150<<20+17) },
		"hole":   func(p string) { sparseFile(t, p, 50<<20) },
		"ending": func(p string) { sparseFile(t, p, 20<<20, 20<<20-5000) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
			make(src)
			c := capture(t, src)
			target, err := restore.Target(dst, restore.Options{})
			check(t, err)
			check(t, transfer(t, c, target))
			want, err := os.ReadFile(src)
			check(t, err)
			got, err := os.ReadFile(dst)
			check(t, err)
			if !bytes.Equal(got, want) {
				t.Fatal("the restored file differs")
			}
			if a, b := allocated(t, dst), allocated(t, src); a > b+64<<10 {
				t.Errorf("the restored file takes %d bytes, the original %d", a, b)
			}
			if got := names(t, dir); len(got) != 2 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

func TestFileExtents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	// Two pieces of data 512 KiB apart belong together, two 8 MiB apart do not.
	sparseFile(t, path, 64<<20, 8<<20, 8<<20+512<<10, 32<<20)
	list := extents(t, capture(t, path).Images()[0])
	if len(list) != 2 || list[0].Offset != 8<<20 || list[1].Offset != 32<<20 {
		t.Fatalf("got %+v", list)
	}
	if all := extents(t, capture(t, emptyHole(t)).Images()[0]); len(all) != 0 {
		t.Errorf("a file that is one hole has extents: %+v", all)
	}
}

func emptyHole(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "hole")
	sparseFile(t, path, 8<<20)
	return path
}

func TestFileInfo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "graph.dump")
	write(t, path, []byte("DZV1 and so on"))
	link := filepath.Join(dir, "link")
	check(t, os.Symlink(path, link))
	c := capture(t, link)
	img, info := c.Images()[0], c.Info()
	if img.Name != "link" || img.Form != snapshot.FormRaw || img.Size != 14 || !img.Compressed {
		t.Errorf("image %+v", img)
	}
	if info.Identity != (snapshot.Identity{Type: "file", Host: "h", Path: link}) || !info.Resumable || info.Facts["bytes"] != "14" {
		t.Errorf("info %+v", info)
	}
	if again := capture(t, link).Info().Fingerprint; again != info.Fingerprint {
		t.Error("the same state has two fingerprints")
	}
	if other := capture(t, path).Info().Fingerprint; other == info.Fingerprint {
		t.Error("two paths have one fingerprint")
	}
	for data, want := range map[string]bool{
		"BZV1": true, "BZV3..": true, "\x28\xb5\x2f\xfd": true, "\x1f\x8b\x08": true, "DZV2": false, "": false, "B": false, "text": false,
	} {
		write(t, path, []byte(data))
		if got := capture(t, path).Images()[0].Compressed; got != want {
			t.Errorf("%q: compressed %v", data, got)
		}
	}
}

func TestReadAtKeepsTheContract(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	data := noise(3, 1000)
	write(t, path, data)
	img := capture(t, path).Images()[0]
	b := make([]byte, 600)
	if n, err := img.Data.ReadAt(b, 500); n != 500 || err != io.EOF || !bytes.Equal(b[:n], data[500:]) {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if n, err := img.Data.ReadAt(b, 1000); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := img.Data.ReadAt(b, -1); err == nil || err == io.EOF {
		t.Errorf("before the start: %v", err)
	}
}

func TestFileChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grows":     func(p string) error { return appendTo(p, "more") },
		"shrinks":   func(p string) error { return os.Truncate(p, 10) },
		"content":   func(p string) error { return overwrite(p, "XX") },
		"same time": func(p string) error { return overwriteKeepingTime(p) },
		"touched":   func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1, 0)) },
		"replaced": func(p string) error {
			if err := os.Rename(p, p+".old"); err != nil {
				return err
			}
			return os.WriteFile(p, make([]byte, 5000), 0o644)
		},
		"removed": os.Remove,
		"mode":    func(p string) error { return os.Chmod(p, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data.bin")
			write(t, path, make([]byte, 5000))
			c := capture(t, path)
			before := c.Info().Fingerprint
			check(t, c.Check(context.Background()))
			check(t, change(path))
			err := c.Check(context.Background())
			var e *snapshot.Error
			if !errors.Is(err, snapshot.ErrChanged) || !errors.As(err, &e) || !strings.Contains(e.Name, "data.bin") || e.Hint == "" {
				t.Fatalf("got %v", err)
			}
			if name == "removed" {
				return
			}
			if capture(t, path).Info().Fingerprint == before {
				t.Error("the fingerprint did not change")
			}
		})
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	return errors.Join(err, f.Close())
}

// overwriteKeepingTime is what only the change time betrays.
func overwriteKeepingTime(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(overwrite(path, "YY"), os.Chtimes(path, time.Time{}, info.ModTime()))
}

func TestFileThatShrinksFailsTheRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shrinks")
	write(t, path, make([]byte, 1<<20))
	c := capture(t, path)
	check(t, os.Truncate(path, 1000))
	_, err := readAll(c.Images()[0], 64<<10)
	if !errors.Is(err, snapshot.ErrChanged) || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
}

func TestWhatIsNoSource(t *testing.T) {
	dir := t.TempDir()
	sock, err := net.Listen("unix", filepath.Join(dir, "sock"))
	check(t, err)
	defer sock.Close()
	check(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	check(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	write(t, filepath.Join(dir, "file"), nil)
	for path, want := range map[string]error{
		filepath.Join(dir, "missing"):  snapshot.ErrNotFound,
		filepath.Join(dir, "dangling"): snapshot.ErrNotFound,
		filepath.Join(dir, "file/x"):   snapshot.ErrNotFound,
		filepath.Join(dir, "sock"):     snapshot.ErrUsage,
		filepath.Join(dir, "fifo"):     snapshot.ErrUsage,
		"/dev/null":                    snapshot.ErrUsage,
	} {
		_, err := files.Open(path, files.Options{})
		var e *snapshot.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Name != path || e.Hint == "" {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestUnreadableSource(t *testing.T) {
	dir := openDir(t)
	secret, folder := filepath.Join(dir, "secret"), filepath.Join(dir, "folder")
	write(t, secret, []byte("x"))
	write(t, filepath.Join(folder, "in", "inner"), []byte("x"))
	check(t, os.Chmod(secret, 0o600))
	check(t, os.Chmod(filepath.Join(folder, "in", "inner"), 0o600))
	tmp := openDir(t)
	asNobody(t, func() {
		for path, named := range map[string]string{secret: secret, folder: filepath.Join(folder, "in", "inner")} {
			_, err := captureWith(path, files.Options{TempDir: tmp})
			var e *snapshot.Error
			if !errors.Is(err, os.ErrPermission) || !errors.As(err, &e) || e.Name != named || e.Hint == "" {
				t.Errorf("%s: got %v", path, err)
			}
		}
	})
	if left := names(t, tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStream(t *testing.T) {
	src, err := files.Stdin(strings.NewReader("some bytes"), "db.sql", files.Options{Host: "h"})
	check(t, err)
	c, err := src.Capture(context.Background())
	check(t, err)
	img, info := c.Images()[0], c.Info()
	if src.Name() != "db.sql" || img.Form != snapshot.FormStream || img.Size != -1 || img.Data != nil || info.Resumable {
		t.Errorf("image %+v, info %+v", img, info)
	}
	if info.Identity != (snapshot.Identity{Type: "stream", Host: "h", ID: "db.sql"}) || info.Fingerprint == [32]byte{} {
		t.Errorf("info %+v", info)
	}
	if b, err := io.ReadAll(img.Stream); err != nil || string(b) != "some bytes" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := src.Capture(context.Background()); !errors.Is(err, snapshot.ErrUsage) {
		t.Errorf("second capture: %v", err)
	}
	if _, err := files.Stdin(nil, "x", files.Options{}); !errors.Is(err, snapshot.ErrUsage) {
		t.Errorf("no reader: %v", err)
	}
	check(t, errors.Join(c.Check(context.Background()), c.Close()))
}
