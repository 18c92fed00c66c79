//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// shelf is a store in memory, to make many backups of which each is written
// alone and then laid into one vault as files: what a store does about
// durability and about other backups costs nothing.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (s *shelf) Put(_ context.Context, key string, body providers.Body) error {
	b, err := io.ReadAll(body.Open())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = b
	return err
}

func (s *shelf) Get(_ context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[key]
	if !ok {
		return nil, providers.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *shelf) List(_ context.Context, prefix string) iter.Seq2[providers.Object, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []providers.Object
	for key, b := range s.objects {
		if strings.HasPrefix(key, prefix) {
			found = append(found, providers.Object{Key: key, Size: int64(len(b))})
		}
	}
	slices.SortFunc(found, func(a, b providers.Object) int { return strings.Compare(a.Key, b.Key) })
	return func(yield func(providers.Object, error) bool) {
		for _, o := range found {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (s *shelf) Delete(context.Context, string) error { return nil }
func (s *shelf) Close() error                         { return nil }

// fillVault writes n backups of 1 KiB into the folder dir, in ten series.
func fillVault(t *testing.T, dir string, n int) {
	t.Helper()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	content := bytes.Repeat([]byte("0123456789abcdef"), 64)
	for i := range n {
		store := &shelf{objects: map[string][]byte{}}
		at := began.Add(time.Duration(i) * time.Hour)
		v, err := archive.NewVault(store, "", archive.Options{Workers: 1, Transfers: 1, Segment: 64 << 10, Chunk: 64 << 10,
			Program: "snapferry test", Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		spec := archive.Spec{Tier: lifecycle.Daily, Series: fmt.Sprintf("series-%d", i%10), Time: at, Resumable: true,
			Source:      format.Identity{Type: "file", Host: "host", Path: "/var/lib/data"},
			Fingerprint: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)},
			Facts:       map[string]string{"bytes": "1024", "database": "neo4j", "version": "5.26.31"},
			Images:      []archive.Image{{Title: "neo4j.dump", Form: "raw", Size: int64(len(content)), Data: bytes.NewReader(content)}}}
		w, err := v.Begin(t.Context(), spec)
		if err == nil {
			err = w.Ship(t.Context())
		}
		if err == nil {
			_, err = w.Commit(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		for key, b := range store.objects {
			path := filepath.Join(dir, filepath.FromSlash(key))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestListMany lists many backups, as on a new machine and once more.
func TestListMany(t *testing.T) {
	const limit = 128 << 20
	n := testenv.Effort(600, 10_000)
	s := testenv.S3(t)
	s.MakeBucket("bucket")
	dir := filepath.Join(s.Dir, "bucket", "vault")
	fillVault(t, dir, n)
	for name, v := range map[string]serverVault{
		"local": {url: dir, env: environ(t, nil)},
		"s3":    {url: s.URL("bucket", "vault"), env: environ(t, s)},
	} {
		t.Run(name, func(t *testing.T) {
			var first string
			for _, args := range [][]string{{"list", v.url, "--json"}, {"list", v.url, "--json", "-v"}, {"list", v.url}} {
				cmd := exec.Command(program(t), args...)
				cmd.Env = v.env
				began := time.Now()
				o := weigh(t, cmd)
				t.Logf("%3d MiB, %v for %v", o.rss>>20, time.Since(began).Round(time.Millisecond), args[2:])
				if o.code != 0 || o.rss > limit {
					t.Errorf("exit code %d, %d MiB: %s", o.code, o.rss>>20, o.stderr)
				}
				if len(args) == 2 {
					if got := strings.Count(o.stdout, " complete "); got != n {
						t.Errorf("%d of %d backups are listed", got, n)
					}
					continue
				}
				if first == "" {
					first = o.stdout
				}
				if o.stdout != first {
					t.Error("the second listing differs")
				}
			}
			checkListed(t, first, n)
		})
	}
}

func checkListed(t *testing.T, text string, n int) {
	t.Helper()
	var report job.ListReport
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Backups) != n || report.Ignored != 0 {
		t.Fatalf("%d of %d backups are listed, %d objects are ignored", len(report.Backups), n, report.Ignored)
	}
	for i, b := range report.Backups {
		if !b.Complete || b.RawBytes != 1024 || b.StoredBytes <= 0 || b.Facts["version"] != "5.26.31" || len(b.Images) != 1 ||
			!b.Time.Equal(time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC)) {
			t.Fatalf("backup %d is %+v", i, b)
		}
	}
}
