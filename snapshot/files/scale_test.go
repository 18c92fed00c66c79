//go:build linux

package files_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/restore"
)

// manyFiles makes n files of size bytes, a few thousand a folder.
func manyFiles(t testing.TB, root string, n, size int) {
	t.Helper()
	data := noise(1, size)
	g := errgroup.Group{}
	g.SetLimit(4)
	const perFolder = 5000
	for first := 0; first < n; first += perFolder {
		g.Go(func() error {
			dir := filepath.Join(root, fmt.Sprintf("folder-%05d", first/perFolder))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			for i := first; i < min(first+perFolder, n); i++ {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%08d.dat", i)), data, 0o644); err != nil {
					return err
				}
			}
			return nil
		})
	}
	check(t, g.Wait())
}

// liveHeap is the memory in use after a collection.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// throughSink reads an image in 4 MiB blocks into a sink, and returns the most
// memory that was in use on the way.
func throughSink(t *testing.T, img snapshot.Image, sink snapshot.StreamSink) uint64 {
	t.Helper()
	most := uint64(0)
	b := make([]byte, 4<<20)
	for off, i := int64(0), 0; off < img.Size; off, i = off+int64(len(b)), i+1 {
		n := min(int64(len(b)), img.Size-off)
		if _, err := img.Data.ReadAt(b[:n], off); err != nil {
			t.Fatal(err)
		}
		_, err := sink.Write(b[:n])
		check(t, err)
		if i%16 == 0 {
			most = max(most, liveHeap())
		}
	}
	check(t, sink.Close())
	return most
}

func testManyFiles(t *testing.T, n int, limit uint64) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // where a hundred thousand files cost no disk
	}
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	manyFiles(t, src, n, 100)
	before := liveHeap()
	c := capture(t, src)
	afterWalk := liveHeap() - before
	img := c.Images()[0]
	target := restore.DirTarget(dst, restore.Options{})
	ctx := context.Background()
	sink, err := target.Create(ctx, snapshot.ImageInfo{Name: img.Name, Form: img.Form, Size: img.Size, Sole: true})
	check(t, err)
	most := throughSink(t, img, sink.(snapshot.StreamSink)) - before
	check(t, c.Check(ctx))
	check(t, target.Commit(ctx))
	t.Logf("%d files: %d KiB of heap after the walk, at most %d KiB while copying", n, afterWalk>>10, most>>10)
	if afterWalk > limit || most > limit+12<<20 { // the block, and the buffers of a sink
		t.Errorf("%d files took %d bytes after the walk and up to %d while copying", n, afterWalk, most)
	}
	if got := c.Info().Facts["files"]; got != fmt.Sprint(n) {
		t.Errorf("%s files", got)
	}
	last := filepath.Join(dst, fmt.Sprintf("folder-%05d", (n-1)/5000), fmt.Sprintf("file-%08d.dat", n-1))
	if _, err := os.Stat(last); err != nil {
		t.Error(err)
	}
}

// TestManyFiles has a million of them in the long proofs, which takes minutes.
func TestManyFiles(t *testing.T) {
	n, limit := 100_000, uint64(2<<20)
	if os.Getenv("SNAPFERRY_PROVE") == "1" {
		n, limit = 1_000_000, 4<<20
	}
	testManyFiles(t, n, limit)
}

// TestHugeFolder has all its files in one folder.
func TestHugeFolder(t *testing.T) {
	src := t.TempDir()
	const n = 20_000
	for i := range n {
		check(t, os.WriteFile(filepath.Join(src, fmt.Sprintf("%d", i)), nil, 0o644))
	}
	before := liveHeap()
	c := capture(t, src)
	if used := liveHeap() - before; used > 1<<20 {
		t.Errorf("%d files in one folder take %d bytes", n, used)
	}
	check(t, c.Check(context.Background()))
}

// BenchmarkReadAt reads blocks of 4 MiB as the archive does, over files of a
// given size in the page cache.
func BenchmarkReadAt(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 16 << 20} {
		b.Run(fmt.Sprintf("files of %d KiB", size>>10), func(b *testing.B) {
			src := b.TempDir()
			manyFiles(b, src, max(2, (32<<20)/(size+1536)), size)
			img := capture(b, src).Images()[0]
			var next atomic.Int64
			b.SetBytes(4 << 20)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				p := make([]byte, 4<<20)
				for pb.Next() {
					off := next.Add(4<<20) % (img.Size - 4<<20)
					if n, err := img.Data.ReadAt(p, off); n != len(p) {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkFloor is what the system takes for the files of one 4 MiB block of
// the smallest kind: to open, describe, read and close each.
func BenchmarkFloor(b *testing.B) {
	src := b.TempDir()
	const n = (4 << 20) / (1<<10 + 1536)
	manyFiles(b, src, n, 1<<10)
	b.SetBytes(4 << 20)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		p := make([]byte, 1<<10)
		for pb.Next() {
			for i := range n {
				fd, err := unix.Open(fmt.Sprintf("%s/folder-00000/file-%08d.dat", src, i), unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
				if err != nil {
					b.Error(err)
					return
				}
				var st unix.Stat_t
				_ = unix.Fstat(fd, &st)
				_, _ = unix.Pread(fd, p, 0)
				_ = unix.Close(fd)
			}
		}
	})
}
