package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
)

// copyTo copies n from w into the vaults behind the buckets.
func (w *world) copyTo(n format.Name, tier lifecycle.Tier, buckets ...providers.Bucket) ([]archive.Copied, error) {
	w.t.Helper()
	vaults := make([]*archive.Vault, len(buckets))
	for i, b := range buckets {
		v, err := archive.NewVault(b, "some/prefix", w.opts)
		if err != nil {
			w.t.Fatal(err)
		}
		vaults[i] = v
	}
	return archive.Copy(w.t.Context(), w.vault, n, vaults, tier)
}

// copySource is a vault with a backup of a file and of a disk with holes,
// beside which lie signatures, keys, and what belongs to nobody.
func copySource(t *testing.T) (*world, format.Name, [][]byte) {
	t.Helper()
	w := newWorld(t)
	data := mix(7, 5*testSegment+99)
	sparse := make([]byte, 4*testSegment)
	copy(sparse[testSegment:], mix(8, testSegment))
	im := image("disk", sparse)
	im.Extents = extents(format.Extent{Offset: testSegment, Length: testSegment})
	n, _ := w.backup(spec("s", image("file", data), im))
	entry := "some/prefix/daily/catalog/s/" + n.ID.String() + "/"
	for file, text := range map[string]string{"manifest.ssh.sig": "signature", "key.2.age": "key",
		"file." + strings.Repeat("ab", 32) + ".table.zst": "stale", "promise.json": "mine"} {
		if err := w.bucket.Put(t.Context(), entry+file, providers.Bytes([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	return w, n, [][]byte{data, sparse}
}

// sameObjects checks that a vault holds the backup of another, byte for byte,
// in that tier, and nothing else.
func (w *world) sameObjects(src *world, tier string) {
	w.t.Helper()
	got := w.files()
	for key, path := range src.files() {
		if strings.Contains(key, "abababab") || strings.HasSuffix(key, "promise.json") {
			continue
		}
		to := strings.Replace(key, "/daily/", "/"+tier+"/", 1)
		if got[to] == "" {
			w.t.Errorf("%s is missing", to)
			continue
		}
		if !bytes.Equal(readFile(w.t, got[to]), readFile(w.t, path)) {
			w.t.Errorf("%s has other bytes", to)
		}
		delete(got, to)
	}
	for key := range got {
		w.t.Errorf("%s should not be there", key)
	}
}

// A copy is the same objects, in several vaults and in another tier; each is
// read once for all.
func TestCopy(t *testing.T) {
	src, n, images := copySource(t)
	a, b := newWorld(t), newWorld(t)
	gets := &counted{Bucket: src.bucket, gets: map[string]int{}}
	v, err := archive.NewVault(gets, "some/prefix", src.opts)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := archive.Copy(t.Context(), v, n, []*archive.Vault{a.vault, b.vault}, "monthly")
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range []*world{a, b} {
		if c := copied[i]; c.Err != nil || c.Resumed || c.Reused != 0 || c.Manifest == nil || c.Name.Tier != "monthly" {
			t.Fatalf("%+v", c)
		}
		w.sameObjects(src, "monthly")
		for j, want := range images {
			if got := w.restoreBoth(copied[i].Name, j); !bytes.Equal(got, want) {
				t.Errorf("image %d differs", j)
			}
		}
	}
	for key, n := range gets.gets {
		if n > 1 && strings.Contains(key, "/data/") {
			t.Errorf("%s was read %d times", key, n)
		}
	}
	// Once more there is nothing to do.
	again := newTap(a.bucket, -1)
	copied, err = src.copyTo(n, "monthly", again)
	if err != nil || copied[0].Err != nil || !copied[0].Resumed || len(again.puts) > 0 {
		t.Errorf("a second copy: %+v, %v, %v", copied, err, again.puts)
	}
}

// counted counts what is read.
type counted struct {
	providers.Bucket
	mu   sync.Mutex
	gets map[string]int
}

func (c *counted) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	c.mu.Lock()
	c.gets[key]++
	c.mu.Unlock()
	return c.Bucket.Get(ctx, key, off, n)
}

// A copy that ends at any creation is not seen; the next one does the rest and
// sends nothing twice.
func TestCopyEndsAtEveryStep(t *testing.T) {
	src, n, images := copySource(t)
	for limit := 0; ; limit++ {
		a, b := newWorld(t), newWorld(t)
		first := newTap(a.bucket, limit)
		copied, err := src.copyTo(n, "", first, b.bucket)
		if err != nil || copied[1].Err != nil {
			t.Fatalf("limit %d: %v, %v", limit, err, copied[1].Err)
		}
		b.sameObjects(src, "daily")
		if !first.dropped.Load() {
			if copied[0].Err != nil || limit < 7+8 {
				t.Fatalf("limit %d: %v", limit, copied[0].Err)
			}
			return
		}
		if !errors.Is(copied[0].Err, errKilled) || copied[0].Manifest != nil {
			t.Fatalf("limit %d: %+v", limit, copied[0])
		}
		if got := a.complete(); len(got) != 0 {
			t.Fatalf("limit %d: listed %v", limit, got)
		}
		second := newTap(a.bucket, -1)
		copied, err = src.copyTo(n, "", second)
		if err != nil || copied[0].Err != nil || copied[0].Resumed != (limit > 0) {
			t.Fatalf("limit %d: second copy: %+v, %v", limit, copied, err)
		}
		for key := range second.puts {
			if first.puts[key] > 0 {
				t.Errorf("limit %d: %s was sent twice", limit, key)
			}
		}
		a.sameObjects(src, "daily")
		if got := a.restoreBoth(n, 0); !bytes.Equal(got, images[0]) {
			t.Fatalf("limit %d: restored bytes differ", limit)
		}
	}
}

// Whatever is wrong with the source is named, and nothing can be seen in the
// target; when it is mended, the copy goes on.
func TestCopyOfDamaged(t *testing.T) {
	src, n, _ := copySource(t)
	for key, path := range src.files() {
		if strings.Contains(key, "abababab") || strings.HasSuffix(key, "promise.json") || strings.HasSuffix(key, ".sig") || strings.HasSuffix(key, ".age") {
			continue // nobody can know what they should be
		}
		good := readFile(t, path)
		for name, bad := range map[string][]byte{"flipped": flip(good, len(good)/2), "cut": good[:len(good)-1], "removed": nil} {
			if strings.HasSuffix(key, "/manifest.json") && bad == nil {
				continue // not a backup any more
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if bad != nil {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w := newWorld(t)
			_, err := src.copyTo(n, "", w.bucket)
			var told *archive.Error
			if !errors.Is(err, archive.ErrDamaged) || !errors.As(err, &told) || told.Name != key {
				t.Errorf("%s %s: %v", key, name, err)
			}
			if got := w.complete(); len(got) > 0 {
				t.Errorf("%s %s: %v is listed", key, name, got)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if copied, err := src.copyTo(n, "", w.bucket); err != nil || copied[0].Err != nil {
				t.Fatalf("%s mended: %v, %+v", key, err, copied)
			}
			w.sameObjects(src, "daily")
		}
	}
}

// Copies at the same time: all are content, and there is one backup.
func TestCopyRace(t *testing.T) {
	src, n, _ := copySource(t)
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			copied, err := src.copyTo(n, "", w.bucket)
			if err != nil || copied[0].Err != nil || copied[0].Manifest == nil {
				t.Errorf("%+v, %v", copied, err)
			}
		})
	}
	wg.Wait()
	w.sameObjects(src, "daily")
}

func TestCopyWithRandomFaults(t *testing.T) {
	src, n, _ := copySource(t)
	for seed := range uint64(6) {
		w := newWorld(t)
		bucket := faults.NewBucket(w.bucket, seed, faults.Rates{Before: 0.05, After: 0.05, Listing: 0.02})
		for run := 0; ; run++ {
			copied, err := src.copyTo(n, "", bucket)
			if err != nil {
				t.Fatal(err)
			}
			if copied[0].Err == nil {
				break
			}
			if run == 200 {
				t.Fatal("two hundred runs were not enough")
			}
		}
		w.sameObjects(src, "daily")
	}
}

// What has the name and is something else is refused, and left as it is. A
// backup of the same capture that the vault made itself is no conflict.
func TestCopyConflicts(t *testing.T) {
	src, n, _ := copySource(t)
	entry := "some/prefix/daily/catalog/s/" + n.ID.String() + "/"
	for _, key := range []string{entry + "capture.json", entry + "manifest.json", entry + "RESTORE.md", entry + "disk.extents.zst",
		entry + "manifest.ssh.sig", "some/prefix/daily/data/s/" + n.ID.String() + "/file/left-over"} {
		w, other := newWorld(t), newWorld(t)
		if err := w.bucket.Put(t.Context(), key, providers.Bytes([]byte("mine"))); err != nil {
			t.Fatal(err)
		}
		copied, err := src.copyTo(n, "", w.bucket, other.bucket)
		var told *archive.Error
		if err != nil || !errors.Is(copied[0].Err, archive.ErrRefused) || !errors.As(copied[0].Err, &told) || told.Hint == "" || told.Name != key {
			t.Errorf("%s: %v, %v", key, copied[0].Err, err)
		}
		if copied[1].Err != nil {
			t.Errorf("the other vault: %v", copied[1].Err)
		}
		if got := readFile(t, filepath.Join(w.dir, filepath.FromSlash(key))); string(got) != "mine" {
			t.Errorf("%s was replaced", key)
		}
		if got := w.complete(); len(got) > 0 {
			t.Errorf("%s: %v is listed", key, got)
		}
	}
}

// A run into two vaults, of which one failed, is completed by a copy; and
// where the vault had made the backup itself, there is nothing to do.
func TestCopyFillsGaps(t *testing.T) {
	data := mix(21, 6*testSegment)
	s := spec("s", image("file", data))
	a, b := newWorld(t), newWorld(t)
	writers, errs := runAll(t, s, a.opts, a.bucket, newTap(b.bucket, 4))
	if errs[0] != nil || !errors.Is(errs[1], errKilled) {
		t.Fatal(errs)
	}
	rest := newTap(b.bucket, -1)
	copied, err := a.copyTo(writers[0].Name(), "", rest)
	if err != nil || copied[0].Err != nil || !copied[0].Resumed || copied[0].Reused == 0 {
		t.Fatalf("%+v, %v", copied, err)
	}
	if got := b.restoreBoth(writers[0].Name(), 0); !bytes.Equal(got, data) || len(b.complete()) != 1 {
		t.Error("restored bytes differ")
	}
	own := newWorld(t)
	own.opts.Now = func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }
	own.reopen()
	own.backup(s)
	if copied, err = a.copyTo(writers[0].Name(), "", newTap(own.bucket, 0)); err != nil || copied[0].Err != nil || copied[0].Manifest.Completed.Year() != 2027 {
		t.Errorf("%+v, %v", copied, err)
	}
}

// What is not complete, or not there, is not copied.
func TestCopyOfNothing(t *testing.T) {
	w, to := newWorld(t), newWorld(t)
	wr, err := w.run(t.Context(), newTap(w.bucket, 3), spec("s", image("file", mix(1, 4*testSegment))))
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if _, err := w.copyTo(wr.Name(), "", to.bucket); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if files := to.files(); len(files) > 0 {
		t.Errorf("%v", files)
	}
}
