package job

import (
	"context"
	"fmt"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// rotate puts the vault under what is kept of it. Its rules are taken to be in
// force.
func (s *session) rotate(o *opened, kept lifecycle.Policy) {
	if kept.IsZero() {
		return
	}
	store := storeOf(o.shown)
	r := archive.Rotation{Policy: kept, Rules: []lifecycle.Ruleset{store.Ruleset(o.prefix, kept.Rules(store))}}
	if inspector, ok := providers.Feature[providers.Inspector](o.bucket); ok {
		r.Clock = func(ctx context.Context) (time.Time, error) { return s.storeTime(ctx, o, inspector) }
	}
	o.vault = o.vault.Under(r)
}

// storeTime is the time by the clock of the store. What is kept goes by it, so
// one that is far from ours is refused: either may be wrong.
func (s *session) storeTime(ctx context.Context, o *opened, inspector providers.Inspector) (theirs time.Time, err error) {
	var ours time.Time
	err = o.ask(ctx, "get time", func() error {
		theirs, err = inspector.ServerTime(ctx)
		ours = s.Now()
		return err
	})
	if err != nil {
		return theirs, err
	}
	if skew := ours.Sub(theirs).Round(time.Second); skew.Abs() > skewRed {
		return theirs, &Error{Op: "use", Name: o.shown,
			Err:  fmt.Errorf("%w: the clocks differ by %v: here %s, there %s", archive.ErrRefused, skew, instant(ours), instant(theirs)),
			Hint: "what a backup stands for goes by the clock; set this machine's, for instance with chrony or systemd-timesyncd"}
	}
	return theirs, nil
}

// short reports whether rules may remove a backup that was just made before
// the end of what it is promised.
func (t *target) short() (string, bool) {
	p := t.writer.Promise()
	if p == nil || t.writer.Floor().Never() || t.writer.Floor().Covers(p.Until) {
		return "", false
	}
	f := t.writer.Floor()
	return fmt.Sprintf("%s is promised until %s, and %s, from %s on", t.writer.Name(), instant(p.Until), f.Effect, instant(f.At)), true
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// warnShort is ErrPartial if what is promised of some of the backups is more
// than the rules leave.
func (s *session) warnShort(all targets) (err error) {
	for _, t := range all.living() {
		if text, short := t.short(); short {
			s.Log.Warn("promised longer than the rules leave it", "vault", t.shown, "backup", text)
			err = &Error{Op: "store", Name: t.shown, Err: fmt.Errorf("%w: the backup is complete, but %s", ErrPartial, text),
				Hint: "correct the lifecycle rules of the bucket; snapferry lifecycle render prints what they should be"}
		}
	}
	return err
}
