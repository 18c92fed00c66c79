package job

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// ListRequest says what is listed.
type ListRequest struct {
	Vault  Vault
	Series string // empty: all
	// Of says which series are wanted besides, such as those of a job that backs
	// up several sources; nil: all.
	Of   func(series string) bool
	Tier string // empty: all
	// Incomplete lists also what was begun and has no manifest.
	Incomplete bool
	// Expiring lists also what rules may have removed in part.
	Expiring bool
}

// listReaders is how many manifests are read at once: they are small, so what
// counts is the way to the store and back.
const listReaders = 16

// List returns the backups of a vault, oldest first. Which there are, one
// listing of the catalog says; what is in them, their manifests, which are
// remembered in the cache, since they never change. A backup whose manifest
// cannot be used is listed as not complete, with its problem, and the error
// is of the class Damaged; the report is complete all the same.
func (r *Runner) List(ctx context.Context, req ListRequest) (*ListReport, error) {
	s := r.newSession()
	if err := checkFilters(req); err != nil {
		return nil, err
	}
	if s.Tuning.Transfers == 0 {
		s.Tuning.Transfers = listReaders
	}
	if err := s.open(ctx, req.Vault); err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
		return nil, err
	}
	entries, ignored, err := s.vault.List(ctx, req.Series)
	if err != nil {
		return nil, err
	}
	report := &ListReport{Ignored: ignored}
	shown, now := entries[:0], s.Now()
	for _, e := range entries {
		if !req.wants(e) {
			continue
		}
		if e.Complete && !req.Expiring && !s.vault.Restorable(e, now) {
			report.Expiring++
			continue
		}
		shown = append(shown, e)
	}
	cache := openCache(s.CacheDir, s.shown, s.Log)
	damaged, err := s.readAll(ctx, shown, cache, report)
	if err != nil {
		return nil, err
	}
	cache.save(req.Series == "" && req.Tier == "" && req.Of == nil)
	s.addDrills(ctx, report.Backups, req.Series)
	report.Warnings = s.warnings.list()
	if damaged > 0 {
		return report, &Error{Op: "list", Name: s.shown, Err: fmt.Errorf("%w: %d of %d cannot be read", archive.ErrDamaged, damaged, len(shown)),
			Hint: "snapferry verify VAULT#NAME says what is wrong with each; take another backup at once"}
	}
	return report, nil
}

// wants reports whether an entry is one of those that are asked for.
func (req *ListRequest) wants(e archive.Entry) bool {
	return (e.Complete || req.Incomplete) && (req.Tier == "" || string(e.Name.Tier) == req.Tier) &&
		(req.Of == nil || req.Of(e.Name.Series))
}

func checkFilters(req ListRequest) error {
	if req.Vault.URL == "" {
		return usage(`""`, errors.New("the vault is empty"), "give a path, or a URL such as s3://BUCKET/PREFIX?region=REGION")
	}
	if req.Series != "" {
		if err := format.CheckName(req.Series); err != nil {
			return usage("--series "+req.Series, err, "write it as snapferry list shows it")
		}
	}
	if req.Tier != "" {
		if _, err := lifecycle.ParseTier(req.Tier); err != nil {
			return usage("--tier "+req.Tier, errors.New("no such tier"), Suggest(req.Tier, tierNames()))
		}
	}
	return nil
}

// readAll describes the entries, in their order. A backup that has gone since
// the listing is left out.
func (s *session) readAll(ctx context.Context, entries []archive.Entry, cache *cache, report *ListReport) (damaged int, err error) {
	signers, err := s.vault.Signers(ctx)
	if err != nil {
		return 0, err
	}
	var demanded []string
	for _, key := range signers {
		demanded = append(demanded, key.Fingerprint())
	}
	report.Backups = make([]Backup, len(entries))
	var mu sync.Mutex
	gone := map[int]bool{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(listReaders)
	for i, e := range entries {
		b := &report.Backups[i]
		*b = s.listed(e)
		if !e.Complete {
			if !e.Begun {
				b.Problem = "its capture.json is gone"
			}
			continue
		}
		if cache.get(e, demanded, b) {
			continue
		}
		g.Go(func() error {
			opened, promise, err := s.openPromised(ctx, e.Name)
			mu.Lock()
			defer mu.Unlock()
			switch Classify(err) {
			case Done:
				b.opened(opened)
				b.promised(promise)
				cache.put(e, opened.Manifest, b)
			case Damaged:
				b.Problem = err.Error()
				damaged++
			case NotFound:
				gone[i] = true
			default:
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	kept := report.Backups[:0]
	for i, b := range report.Backups {
		if !gone[i] {
			kept = append(kept, b)
		}
	}
	report.Backups = kept
	return damaged, nil
}

// listed is what the listing tells of a backup.
func (s *session) listed(e archive.Entry) Backup {
	b := s.named(e.Name)
	b.built(e)
	if e.Begun {
		begun := e.Created
		b.Begun = &begun
		b.floor(s.vault.Floor(e))
	}
	return b
}

// openPromised opens a backup, and tells what it stands for. A promise that
// cannot be read is none, since the backup restores all the same.
func (s *session) openPromised(ctx context.Context, n format.Name) (*archive.Backup, *lifecycle.Promise, error) {
	b, err := s.vault.Open(ctx, n)
	if err != nil || n.Tier == lifecycle.Manual {
		return b, nil, err
	}
	promise, err := s.vault.Promise(ctx, n)
	if errors.Is(err, archive.ErrDamaged) {
		s.Log.Warn("promise not read", "backup", n.String(), "error", err)
		return b, nil, nil
	}
	return b, promise, err
}
