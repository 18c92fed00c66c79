package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/providers"
)

// HoldRequest says which backup is held, or let go.
type HoldRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	Release bool // take the hold off
}

// HoldReport is the result of Runner.Hold.
type HoldReport struct {
	Name    string `json:"name"`
	Vault   string `json:"vault"`
	Held    bool   `json:"held"`
	Objects int    `json:"objects"` // whose hold was set
	Run
}

// Hold puts a legal hold, or whatever the store has of that kind, on every
// object of a backup and of all that it builds on, or takes it off the backup
// alone: others may build on the same. The manifest is the last to be held and
// the first to be let go, so that where it is held, all is. A hold ends with a
// look at whether everything that the backup needs is there, since a rule may
// have been faster: if not, that is of the class Damaged. It may be repeated.
func (r *Runner) Hold(ctx context.Context, req HoldRequest) (*HoldReport, error) {
	s := r.newSession()
	open := s.openWhole
	if req.Release {
		open = s.openEntry
	}
	e, err := open(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if _, err := s.vault.Open(ctx, e.Name); err != nil {
		return nil, err
	}
	holder, err := s.holder(ctx)
	if err != nil {
		return nil, err
	}
	report := &HoldReport{Name: e.Name.String(), Vault: s.shown, Held: !req.Release}
	chain := e.Chain()
	if req.Release { // others may build on the same, and may be held
		chain = chain[len(chain)-1:]
	}
	for _, m := range chain {
		contents, err := s.vault.Contents(ctx, m.Name)
		if err != nil {
			return nil, err
		}
		n, err := s.setHolds(ctx, holder, contents, !req.Release)
		if report.Objects += n; err != nil {
			return nil, err
		}
	}
	if !req.Release {
		_, err = s.verifyChain(ctx, e, archive.VerifyOptions{})
	}
	report.Run = s.run()
	return report, err
}

// holder is the store as one that holds objects. One that does not is refused.
func (s *session) holder(ctx context.Context) (providers.Holder, error) {
	holder, ok := providers.Feature[providers.Holder](s.bucket)
	err := error(&providers.Error{Op: "hold", Key: s.shown, Err: fmt.Errorf("%w: this kind of vault has no holds", providers.ErrUnsupported),
		Hint: "use a bucket with object lock, or copy the backup to a vault of which nothing is removed"})
	if ok {
		err = s.ask(ctx, "hold", func() error { return holder.CheckHold(ctx) })
	}
	if errors.Is(err, providers.ErrUnsupported) {
		return nil, &Error{Op: "hold", Name: s.shown, Err: fmt.Errorf("%w: %w", archive.ErrRefused, err), Hint: Hint(err)}
	}
	return holder, err
}

// setHolds sets the holds of all objects, the manifest's in its turn.
func (s *session) setHolds(ctx context.Context, holder providers.Holder, objects []providers.Object, on bool) (done int, err error) {
	isManifest := func(o providers.Object) int {
		if strings.HasSuffix(o.Key, "/"+format.ManifestFile) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(objects, func(a, b providers.Object) int { return cmp.Compare(isManifest(a), isManifest(b)) })
	rest, last := objects[:len(objects)-1], objects[len(objects)-1]
	set := func(ctx context.Context, key string) error {
		return s.ask(ctx, "hold", func() error { return holder.SetHold(ctx, key, on) })
	}
	if !on {
		if err := set(ctx, last.Key); err != nil {
			return 0, err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.transfers())
	for _, o := range rest {
		g.Go(func() error { return set(gctx, o.Key) })
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if on {
		err = set(ctx, last.Key)
	}
	return len(objects), err
}

// held reports whether the hold of an object is on; false if nobody can tell.
func (s *session) held(ctx context.Context, key string) (on bool) {
	holder, ok := providers.Feature[providers.Holder](s.bucket)
	if !ok {
		return false
	}
	err := s.ask(ctx, "get hold", func() (err error) {
		on, err = holder.Held(ctx, key)
		return err
	})
	if err != nil && !errors.Is(err, providers.ErrUnsupported) {
		s.Log.Warn("hold not read", "key", key, "error", err)
	}
	return on && err == nil
}
