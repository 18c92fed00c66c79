package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/providers"
)

// Thaw says what is done about objects that are archived.
type Thaw struct {
	// Ask lets the store thaw them; without it they are an error.
	Ask      bool
	Priority string // bulk, standard or expedited; empty: standard
	// Days are how long they can be read then, in stores where they freeze
	// again; 0: DefaultThawDays.
	Days int
	// Wait is how long to wait for them; 0: not at all.
	Wait time.Duration
}

// DefaultThawDays are the days for which what was thawed can be read.
const DefaultThawDays = 3

// maxThawDays is the longest that makes sense: after it, the charge of a warm
// class is less.
const maxThawDays = 90

// ThawReport is what was archived of a backup, and what became of it.
type ThawReport struct {
	Class   string `json:"class"`   // of the first of them, as the store spells it
	Objects int    `json:"objects"` // that are in archive classes
	Bytes   int64  `json:"bytes"`
	Asked   int    `json:"asked"`   // objects that this run asked for; each is a request that is charged
	Thawing int    `json:"thawing"` // that cannot be read yet
	// Hours are how long the store says that it takes at most.
	Hours float64 `json:"hours"`
	// ReadyBy is when everything can be read, if nothing was asked for
	// earlier than now; absent: at once.
	ReadyBy *time.Time `json:"ready_by,omitempty"`
}

func (t *Thaw) check() error {
	priorities := []string{string(providers.ThawBulk), string(providers.ThawStandard), string(providers.ThawExpedited)}
	switch {
	case t.Priority != "" && !slices.Contains(priorities, t.Priority):
		return usage("priority "+t.Priority, errors.New("there is no such priority"), Suggest(t.Priority, priorities))
	case t.Days < 0 || t.Days > maxThawDays:
		return usage(fmt.Sprintf("%d days", t.Days), fmt.Errorf("it is not between 1 and %d", maxThawDays), "give the days that the restore may take")
	case t.Wait < 0:
		return usage(t.Wait.String(), errors.New("it is negative"), "give a time such as 12h, or 0 to come back later")
	}
	return nil
}

func (t *Thaw) priority() providers.ThawPriority {
	if t.Priority == "" {
		return providers.ThawStandard
	}
	return providers.ThawPriority(t.Priority)
}

// thawing is one run that makes sure that objects can be read.
type thawing struct {
	s      *session
	thawer providers.Thawer
	ask    Thaw
	backup string
	report ThawReport
	cold   []cold
}

// cold is an object in an archive class.
type cold struct {
	key         string
	size        int64
	temperature providers.Temperature
}

func (c *cold) unreadable() bool {
	return c.temperature.Warmth == providers.Frozen || c.temperature.Warmth == providers.Thawing
}

// warm makes sure that the objects of a backup, and of all that it builds on, that
// are wanted can be read, and
// tells what was archived; nil: nothing. What is archived and not to be thawed
// is ErrFrozen, and so is what must still be waited for, with ErrPartial. If
// rules may remove the backup before it has thawed, nothing is asked for, and
// that is refused.
func (s *session) warm(ctx context.Context, e archive.Entry, ask Thaw, wanted func(key string) bool) (*ThawReport, error) {
	thawer, ok := providers.Feature[providers.Thawer](s.bucket)
	if !ok {
		return nil, nil //nolint:nilnil // nothing freezes here, and no error
	}
	var contents []providers.Object
	for _, m := range e.Chain() {
		some, err := s.vault.Contents(ctx, m.Name)
		if err != nil {
			return nil, err
		}
		contents = append(contents, some...)
	}
	t := &thawing{s: s, thawer: thawer, ask: ask, backup: e.Name.String()}
	for _, o := range contents {
		if wanted(o.Key) && thawer.Freezes(o.Class) {
			t.cold = append(t.cold, cold{key: o.Key, size: o.Size, temperature: providers.Temperature{Class: o.Class}})
		}
	}
	if len(t.cold) == 0 {
		return nil, nil //nolint:nilnil // nothing is archived, and no error
	}
	s.Progress.enter("thaw")
	if err := t.look(ctx, t.cold); err != nil {
		return nil, err
	}
	return t.run(ctx, e)
}

// openWarm opens a backup. If its catalog is archived, too, by a rule of somebody
// who moved all there is, everything is thawed first.
func (s *session) openWarm(ctx context.Context, e archive.Entry, ask Thaw) (*archive.Backup, error) {
	if ask.Ask {
		if err := s.rotate(ctx, &s.opened, s.asked); err != nil {
			return nil, err
		}
	}
	b, err := s.vault.Open(ctx, e.Name)
	if !errors.Is(err, providers.ErrFrozen) {
		return b, err
	}
	if _, err := s.warm(ctx, e, ask, func(string) bool { return true }); err != nil {
		return nil, err
	}
	return s.vault.Open(ctx, e.Name)
}

// look asks how warm objects are, many at a time.
func (t *thawing) look(ctx context.Context, objects []cold) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(listReaders)
	for i := range objects {
		g.Go(func() error {
			return t.s.ask(ctx, "get temperature", func() (err error) {
				objects[i].temperature, err = t.thawer.Temperature(ctx, objects[i].key)
				return err
			})
		})
	}
	return g.Wait()
}

func (t *thawing) run(ctx context.Context, e archive.Entry) (*ThawReport, error) {
	if t.count(); t.report.Thawing == 0 {
		if t.ask.Ask { // what freezes again before long stays for some more days
			return &t.report, t.request(ctx)
		}
		return &t.report, nil
	}
	took := t.longest()
	t.report.Hours = took.Hours()
	if !t.ask.Ask {
		return &t.report, &Error{Op: "read", Name: t.backup, Err: fmt.Errorf("%w: %s", providers.ErrFrozen, t.text()),
			Hint: fmt.Sprintf("--thaw asks the store for it, which is charged and takes up to %s; --thaw-priority bulk is cheaper and slower", hours(took))}
	}
	now := t.s.Now()
	ready := now.Add(took).UTC()
	if floor := t.s.vault.Floor(e); !floor.Never() && floor.At.Before(ready) {
		return &t.report, &Error{Op: "thaw", Name: t.backup,
			Err:  fmt.Errorf("%w: %s, from %s on, and it is thawed by %s", archive.ErrRefused, floor.Effect, instant(floor.At), instant(ready)),
			Hint: "snapferry hold keeps it in the store, where that has holds; a faster --thaw-priority may be in time; otherwise change the rule first"}
	}
	if err := t.request(ctx); err != nil {
		return &t.report, err
	}
	if err := t.wait(ctx, now.Add(t.ask.Wait)); err != nil {
		return &t.report, err
	}
	if t.count(); t.report.Thawing > 0 {
		t.report.ReadyBy = &ready
		return &t.report, &Error{Op: "thaw", Name: t.backup, Err: fmt.Errorf("%w: %w: %s", ErrPartial, providers.ErrFrozen, t.text()),
			Hint: fmt.Sprintf("run the same command again after %s, or let it wait with --thaw-wait %s", instant(ready), hours(took))}
	}
	return &t.report, nil
}

func (t *thawing) count() {
	t.report.Objects, t.report.Bytes, t.report.Thawing = len(t.cold), 0, 0
	t.report.Class = t.cold[0].temperature.Class
	for i := range t.cold {
		c := &t.cold[i]
		t.report.Bytes += c.size
		if c.unreadable() {
			t.report.Thawing++
			t.report.Class = c.temperature.Class
		}
	}
}

func (t *thawing) text() string {
	text := fmt.Sprintf("%d of its objects cannot be read yet, in class %s", t.report.Thawing, t.report.Class)
	if t.report.Asked > 0 {
		text += fmt.Sprintf("; the store was asked for %d", t.report.Asked)
	}
	return text
}

// longest is the most that thawing takes, by what the store says.
func (t *thawing) longest() (took time.Duration) {
	for i := range t.cold {
		if c := &t.cold[i]; c.unreadable() {
			took = max(took, t.thawer.ThawTime(c.temperature.Class, t.ask.priority()))
		}
	}
	return took
}

// request asks for what is frozen, and again for what was thawed and freezes
// before the restore can be done.
func (t *thawing) request(ctx context.Context) error {
	days := t.ask.Days
	if days == 0 {
		days = DefaultThawDays
	}
	soon := t.s.Now().Add(24 * time.Hour)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(listReaders)
	for i := range t.cold {
		c := &t.cold[i]
		freezes := c.temperature.Warmth == providers.Thawed && !c.temperature.Until.IsZero() && c.temperature.Until.Before(soon)
		if c.temperature.Warmth != providers.Frozen && !freezes {
			continue
		}
		t.report.Asked++
		g.Go(func() error {
			return t.s.ask(gctx, "thaw", func() error { return t.thawer.Thaw(gctx, c.key, days, t.ask.priority()) })
		})
	}
	return g.Wait()
}

// wait looks again until everything can be read, or the time has come. What was
// asked for is looked at once in any case: a store may have it at once.
func (t *thawing) wait(ctx context.Context, until time.Time) error {
	every := t.s.PollEvery
	if every <= 0 {
		every = time.Minute
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		// As long as the first few are not ready, the others do not matter.
		i := slices.IndexFunc(t.cold, func(c cold) bool { return c.unreadable() })
		if i < 0 {
			return nil
		}
		few := t.cold[i:min(i+listReaders, len(t.cold))]
		if err := t.look(ctx, few); err != nil {
			return err
		}
		if !slices.ContainsFunc(few, func(c cold) bool { return c.unreadable() }) {
			continue
		}
		if !t.s.Now().Before(until) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hours writes a time as people and flags read it: 12h, 1h30m, 5m.
func hours(d time.Duration) string {
	text := d.Round(time.Minute).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
