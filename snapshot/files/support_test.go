//go:build linux

package files_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
)

// logBuffer collects warnings.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// needRoot ends a test that must mount, make nodes or change owners.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		testenv.Missing(t, "this test runs as root only")
	}
}

// asNobody runs fn with the rights of nobody in the whole process.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	needRoot(t)
	if err := syscall.Setresgid(-1, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setresuid(-1, 65534, -1); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setresuid(-1, 0, -1); err != nil {
			panic(err)
		}
		if err := syscall.Setresgid(-1, 0, -1); err != nil {
			panic(err)
		}
	}()
	fn()
}

// openDir makes a temporary folder that every user may enter and write.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for p := dir; p != os.TempDir() && len(p) > 1; p = filepath.Dir(p) {
		check(t, os.Chmod(p, 0o777))
	}
	return dir
}

// mountTmpfs mounts a small file system for the time of the test.
func mountTmpfs(t testing.TB, dir, size string) {
	t.Helper()
	needRoot(t)
	if err := unix.Mount("snapferry-test", dir, "tmpfs", 0, "size="+size); err != nil {
		testenv.Missing(t, "mounting a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, data, 0o644))
}

// noise is n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = r.Read(b)
	return b
}

func capture(t testing.TB, path string) snapshot.Capture {
	t.Helper()
	c, err := captureWith(path, files.Options{Host: "h", TempDir: t.TempDir()})
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return c
}

func captureWith(path string, opts files.Options) (snapshot.Capture, error) {
	src, err := files.Open(path, opts)
	if err != nil {
		return nil, err
	}
	return src.Capture(context.Background())
}

// readAll reads an image in blocks by several goroutines.
func readAll(img snapshot.Image, block int64) ([]byte, error) {
	out := make([]byte, img.Size)
	g := errgroup.Group{}
	g.SetLimit(4)
	for off := int64(0); off < img.Size; off += block {
		g.Go(func() error {
			want := min(block, img.Size-off)
			n, err := img.Data.ReadAt(out[off:off+want], off)
			if int64(n) == want && (err == nil || err == io.EOF) {
				return nil
			}
			return fmt.Errorf("read %d of %d at %d: %w", n, want, off, err)
		})
	}
	return out, g.Wait()
}

func extents(t testing.TB, img snapshot.Image) []snapshot.Extent {
	t.Helper()
	if img.Extents == nil {
		return []snapshot.Extent{{Length: img.Size}}
	}
	var list []snapshot.Extent
	end := int64(0)
	for e, err := range img.Extents(context.Background()) {
		check(t, err)
		if e.Length <= 0 || e.Offset < end || e.Offset+e.Length > img.Size {
			t.Fatalf("extent %+v after byte %d of an image of %d", e, end, img.Size)
		}
		end = e.Offset + e.Length
		list = append(list, e)
	}
	return list
}

// transfer moves the image of a capture to a target as the archive does: its
// extents in pieces, in any order where the sink allows it.
func transfer(t testing.TB, c snapshot.Capture, target snapshot.Target) error {
	t.Helper()
	ctx := context.Background()
	img := c.Images()[0]
	sink, err := target.Create(ctx, snapshot.ImageInfo{Name: img.Name, Form: img.Form, Size: img.Size, Sole: true})
	if err != nil {
		_ = target.Abort()
		return err
	}
	switch s := sink.(type) {
	case snapshot.RandomSink:
		err = scatter(img, extents(t, img), s)
	case snapshot.StreamSink:
		_, err = io.Copy(s, io.NewSectionReader(img.Data, 0, img.Size))
	}
	closeErr := sink.Close()
	if err == nil {
		err = closeErr
	}
	if err == nil {
		err = c.Check(ctx)
	}
	if err == nil {
		err = target.Commit(ctx)
	}
	if abortErr := target.Abort(); err == nil {
		err = abortErr
	}
	return err
}

func scatter(img snapshot.Image, list []snapshot.Extent, sink snapshot.RandomSink) error {
	const piece = 300_000
	type part struct{ off, n int64 }
	var parts, gaps []part
	pos := int64(0)
	for _, e := range append(list, snapshot.Extent{Offset: img.Size}) {
		if e.Offset > pos {
			gaps = append(gaps, part{pos, e.Offset - pos})
		}
		for off := e.Offset; off < e.Offset+e.Length; off += piece {
			parts = append(parts, part{off, min(piece, e.Offset+e.Length-off)})
		}
		pos = e.Offset + e.Length
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	g := errgroup.Group{}
	g.SetLimit(4)
	for _, p := range gaps {
		g.Go(func() error { return sink.Zero(p.off, p.n) })
	}
	for _, p := range parts {
		g.Go(func() error {
			b := make([]byte, p.n)
			if _, err := img.Data.ReadAt(b, p.off); err != nil && err != io.EOF {
				return err
			}
			_, err := sink.WriteAt(b, p.off)
			return err
		})
	}
	return g.Wait()
}

// describeTree renders everything a backup keeps of a tree, a line an entry.
func describeTree(t testing.TB, root string) []string {
	t.Helper()
	var lines []string
	first := map[uint64]string{}
	check(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			return nil
		}
		line := fmt.Sprintf("%q mode=%o owner=%d:%d mtime=%d.%09d rdev=%x", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, st.Rdev)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" size=%d sum=%x", len(b), sha256.Sum256(b))
			if st.Nlink > 1 {
				if first[st.Ino] == "" {
					first[st.Ino] = rel
				}
				line += " same-as=" + first[st.Ino]
			}
		case unix.S_IFLNK:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line += " to=" + to
		}
		lines = append(lines, line+xattrsOf(t, p))
		return nil
	}))
	return lines
}

func xattrsOf(t testing.TB, path string) string {
	t.Helper()
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return ""
	}
	var list []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 65536)
		if name == "" {
			continue
		}
		m, err := unix.Lgetxattr(path, name, value)
		check(t, err)
		list = append(list, fmt.Sprintf(" %s=%x", name, value[:m]))
	}
	sort.Strings(list)
	return strings.Join(list, "")
}

func sameLines(t testing.TB, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("line %d\n got %s\nwant %s", i, g, w)
		}
	}
}

var lastYear = time.Unix(1_700_000_000, 5)

// members lists the entries of a tar.
func members(t testing.TB, image []byte) map[string]*tar.Header {
	t.Helper()
	list := map[string]*tar.Header{}
	r := tar.NewReader(bytes.NewReader(image))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		check(t, err)
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		list[h.Name] = h
	}
}

func allocated(t testing.TB, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	check(t, unix.Lstat(path, &st))
	return st.Blocks * 512
}

// names lists a folder, hidden entries too.
func names(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	check(t, err)
	out := []string{}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}
