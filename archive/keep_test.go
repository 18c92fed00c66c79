package archive_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// entry finds a backup.
func (w *world) entry(ref string) archive.Entry {
	w.t.Helper()
	e, err := w.vault.Find(w.t.Context(), ref, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// within is a store that copies by itself, and counts.
func (w *world) within(copies *atomic.Int64) archive.CopyObject {
	return func(ctx context.Context, from, to string, want providers.Digest) error {
		copies.Add(1)
		r, err := w.bucket.Get(ctx, from, 0, -1)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			return errors.Join(err, r.Close())
		}
		if int64(b.Len()) != want.Size {
			return errors.Join(providers.ErrChecksum, r.Close())
		}
		return errors.Join(w.bucket.Put(ctx, to, providers.Bytes(b.Bytes())), r.Close())
	}
}

// What is kept is the same objects in another tier, copied by the store, by us,
// or by us where the store will not.
func TestKeep(t *testing.T) {
	for name, store := range map[string]func(*world, *atomic.Int64) archive.CopyObject{
		"by the store": (*world).within,
		"by us":        func(*world, *atomic.Int64) archive.CopyObject { return nil },
		"by us, since the store refuses": func(*world, *atomic.Int64) archive.CopyObject {
			return func(context.Context, string, string, providers.Digest) error { return providers.ErrUnsupported }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, n, images := copySource(t)
			before := w.files()
			var copies atomic.Int64
			kept, err := w.vault.Keep(t.Context(), w.entry(n.String()), lifecycle.Manual, store(w, &copies))
			if err != nil || kept.Manifest == nil || kept.Resumed || kept.Name.Tier != lifecycle.Manual {
				t.Fatalf("%+v, %v", kept, err)
			}
			segments := int64(0)
			for key := range before {
				if strings.Contains(key, "/data/") {
					segments++
				}
			}
			if name == "by the store" && copies.Load() != segments {
				t.Errorf("%d objects copied of %d", copies.Load(), segments)
			}
			for i, want := range images {
				if got := w.restoreBoth(kept.Name, i); !bytes.Equal(got, want) {
					t.Errorf("image %d differs", i)
				}
			}
			if _, err := w.vault.Verify(t.Context(), kept.Name, archive.VerifyOptions{Sample: 1}); err != nil {
				t.Error(err)
			}
			// It is one backup, and found where it stays longest.
			if e := w.entry(n.ID.String()); e.Name.Tier != lifecycle.Manual {
				t.Errorf("found in %s", e.Name.Tier)
			}
			again, err := w.vault.Keep(t.Context(), w.entry(n.String()), lifecycle.Manual, store(w, &copies))
			if err != nil || !again.Resumed || again.Reused != kept.Manifest.RawBytes {
				t.Errorf("once more: %+v, %v", again, err)
			}
		})
	}
}

// A run that ends at any object leaves nothing that is seen, and the next one
// does the rest.
func TestKeepEnds(t *testing.T) {
	for name, fails := range map[string]error{"missing": providers.ErrNotFound, "other bytes": providers.ErrChecksum, "denied": providers.ErrDenied} {
		t.Run(name, func(t *testing.T) {
			w, n, _ := copySource(t)
			var copies atomic.Int64
			copyObject := w.within(&copies)
			_, err := w.vault.Keep(t.Context(), w.entry(n.String()), lifecycle.Manual, func(ctx context.Context, from, to string, want providers.Digest) error {
				if copies.Load() == 3 {
					return fails
				}
				return copyObject(ctx, from, to, want)
			})
			if !errors.Is(err, fails) && !errors.Is(err, archive.ErrDamaged) || errors.Is(err, archive.ErrDamaged) == errors.Is(fails, providers.ErrDenied) {
				t.Fatal(err)
			}
			if e := w.entry(n.ID.String()); e.Name != n {
				t.Errorf("%s is found", e.Name)
			}
			kept, err := w.vault.Keep(t.Context(), w.entry(n.String()), lifecycle.Manual, copyObject)
			if err != nil || !kept.Resumed || kept.Reused == 0 {
				t.Fatalf("%+v, %v", kept, err)
			}
			if _, err := w.vault.Verify(t.Context(), kept.Name, archive.VerifyOptions{Sample: 1}); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is kept is promised anew, from now on, and what rules may be removing
// already is refused.
func TestKeepIsPromised(t *testing.T) {
	r := newRotated(t, usual())
	r.run(r.new())
	r.now = r.now.Add(24 * time.Hour)
	n := r.run(r.new()).Name()
	if n.Tier != lifecycle.Daily {
		t.Fatal(n)
	}
	r.now = r.now.Add(5 * 24 * time.Hour)
	r.under(r.policy)
	kept, err := r.vault.Keep(t.Context(), r.entry(n.String()), lifecycle.Monthly, nil)
	if err != nil {
		t.Fatal(err)
	}
	promise, err := r.vault.Promise(t.Context(), kept.Name)
	if err != nil || promise == nil || !promise.Until.Equal(r.policy.Until(lifecycle.Monthly, n.ID.Time)) || !promise.Begun.Equal(r.now) {
		t.Fatalf("%+v, %v", promise, err)
	}
	if !r.vault.Floor(r.entry(kept.Name.String())).Covers(promise.Until) {
		t.Error("the rules are shorter")
	}
	r.now = r.now.Add(10 * 24 * time.Hour)
	_, err = r.vault.Keep(t.Context(), r.entry(n.String()), lifecycle.Manual, nil)
	if !errors.Is(err, archive.ErrRefused) {
		t.Errorf("rules may be removing it: %v", err)
	}
}
