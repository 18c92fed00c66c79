package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// Entry is what one listing tells of a backup.
type Entry struct {
	Name    format.Name
	Created time.Time // of capture.json, by the store's clock; zero if it is gone
	// Complete: capture.json and manifest.json both exist.
	Complete bool
	// Begun: capture.json exists.
	Begun   bool
	Objects int // in the catalog
	// Base is what a differential builds on, the full backup first, as far as it
	// is there; Missing is the fingerprint of what is not, empty: nothing.
	Base    []Entry
	Missing string

	// Of manifest.json, zero if there is none: when it was created by the
	// store's clock, and its bytes. Another manifest has another of these.
	ManifestCreated time.Time
	ManifestBytes   int64
}

// List returns the backups of the vault, complete or not, oldest first: one
// flat listing of each tier's catalog. With a series only that one is
// listed. ignored counts the objects that fit no backup.
func (v *Vault) List(ctx context.Context, series string) (entries []Entry, ignored int, err error) {
	for _, tier := range lifecycle.Tiers() {
		found, skipped, err := v.listTier(ctx, tier, series)
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, found...)
		ignored += skipped
	}
	link(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Name.ID.Time.Compare(b.Name.ID.Time), a.Created.Compare(b.Created), cmp.Compare(len(a.Base), len(b.Base)),
			strings.Compare(a.Name.String(), b.Name.String()))
	})
	return entries, ignored, nil
}

func (v *Vault) listTier(ctx context.Context, tier lifecycle.Tier, series string) ([]Entry, int, error) {
	root := v.tierKey(tier, catalogRoom)
	prefix := root
	if series != "" {
		prefix += series + "/"
	}
	var entries []Entry
	ignored := 0
	for o, err := range v.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, 0, err
		}
		parts := strings.Split(strings.TrimPrefix(o.Key, root), "/")
		if len(parts) != 3 {
			ignored++
			continue
		}
		n, err := format.ParseName(string(tier), parts[0], parts[1])
		if err != nil {
			ignored++
			continue
		}
		// The objects of one backup stand together: keys come sorted.
		if len(entries) == 0 || entries[len(entries)-1].Name != n {
			entries = append(entries, Entry{Name: n})
		}
		e := &entries[len(entries)-1]
		e.Objects++
		switch parts[2] {
		case format.CaptureFile:
			e.Begun, e.Created = true, o.Created
		case format.ManifestFile:
			e.Complete = true // until it turns out that capture.json is gone
			e.ManifestCreated, e.ManifestBytes = o.Created, o.Size
		}
	}
	for i := range entries {
		entries[i].Complete = entries[i].Complete && entries[i].Begun
	}
	return entries, ignored, nil
}

// Latest is the short form that stands for the newest complete backup.
const Latest = "latest"

// Find returns the one backup that ref names:
//
//	latest  SERIES/latest  ID  SERIES/ID  TIER/SERIES/ID
//
// where ID may be cut short as long as it fits one backup only. Of one that
// stands in several tiers, since it was kept, the one in the last of
// lifecycle.Tiers is found: they are the same. With
// incomplete set, backups without a manifest are found too, but never by
// "latest". No match is ErrNotFound, several are ErrAmbiguous.
func (v *Vault) Find(ctx context.Context, ref string, incomplete bool) (Entry, error) {
	parts := strings.Split(ref, "/")
	if ref == "" || len(parts) > 3 {
		return Entry{}, &Error{Op: "find", Name: ref, Err: fmt.Errorf("%w backup name", ErrInvalid),
			Hint: "Use latest, SERIES/latest, an ID, or TIER/SERIES/ID as `snapferry list` shows them."}
	}
	id := parts[len(parts)-1]
	series := ""
	if len(parts) > 1 {
		series = parts[len(parts)-2]
		if err := format.CheckName(series); err != nil {
			return Entry{}, &Error{Op: "find", Name: ref, Err: err, Hint: "SERIES is written as `snapferry list` shows it."}
		}
	}
	entries, _, err := v.List(ctx, series)
	if err != nil {
		return Entry{}, err
	}
	var match []Entry
	for _, e := range entries {
		fits := strings.HasPrefix(e.Name.ID.String(), id) || id == Latest
		if fits && (len(parts) < 3 || string(e.Name.Tier) == parts[0]) && (e.Complete || incomplete && id != Latest) {
			match = append(match, e)
		}
	}
	return pick(ref, id, match)
}

func pick(ref, id string, match []Entry) (Entry, error) {
	switch {
	case len(match) == 0:
		return Entry{}, &Error{Op: "find", Name: ref, Err: ErrNotFound,
			Hint: "`snapferry list VAULT` shows what there is, with --incomplete also what was begun."}
	case id == Latest:
		return match[len(match)-1], nil
	case len(match) > 1 && sameBackup(match):
		return slices.MaxFunc(match, func(a, b Entry) int {
			return slices.Index(lifecycle.Tiers(), a.Name.Tier) - slices.Index(lifecycle.Tiers(), b.Name.Tier)
		}), nil
	case len(match) > 1:
		names := make([]string, 0, 3)
		for _, e := range match[:min(len(match), cap(names))] {
			names = append(names, e.Name.String())
		}
		return Entry{}, &Error{Op: "find", Name: ref, Err: fmt.Errorf("%w: %d of them", ErrAmbiguous, len(match)),
			Hint: "Write more of the name: " + strings.Join(names, ", ") + "."}
	}
	return match[0], nil
}

// sameBackup reports whether all are one backup, complete in several tiers.
func sameBackup(entries []Entry) bool {
	for _, e := range entries {
		if !e.Complete || e.Name.Series != entries[0].Name.Series || e.Name.ID != entries[0].Name.ID {
			return false
		}
	}
	return true
}
