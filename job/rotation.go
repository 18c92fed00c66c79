package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
	"github.com/snapferry/snapferry/providers"
)

// rotate puts a vault under what it keeps: the policy that it holds, else what
// the request says, and the live rules of its store. Rules that cannot be read
// are taken to be those that the policy asks for.
func (s *session) rotate(ctx context.Context, o *opened, asked lifecycle.Policy) error {
	kept, number, err := o.vault.Policy(ctx)
	if err != nil {
		return err
	}
	if kept = s.settle(o, kept, number, asked); kept.IsZero() {
		return nil
	}
	rules, doc, err := o.rules(ctx)
	switch {
	case err == nil:
		s.under(ctx, o, kept, rules, doc)
	case errors.Is(err, providers.ErrUnsupported), errors.Is(err, providers.ErrDenied), errors.Is(err, providers.ErrCredentials),
		errors.Is(err, native.ErrMalformed):
		s.Log.Info("the lifecycle rules are not known", "vault", o.shown, "error", err)
		s.under(ctx, o, kept, nil, doc)
	default:
		return err
	}
	return nil
}

// settle decides between what the vault holds, under a number, and what is
// asked for.
func (s *session) settle(o *opened, kept lifecycle.Policy, number int, asked lifecycle.Policy) lifecycle.Policy {
	if number > 0 && !asked.IsZero() && !kept.Equal(asked) {
		s.Log.Warn("the vault keeps something else than was asked for, and the vault's policy counts; snapferry lifecycle apply changes it",
			"vault", o.shown, "kept", FormatRetention(kept), "zone", zoneOf(kept).String(), "asked", FormatRetention(asked), "zone_asked", zoneOf(asked).String())
	}
	if number == 0 {
		return asked
	}
	return kept
}

// under puts the vault under a policy and the live rules, nil if nobody knows
// them: then they are what the policy asks for.
func (s *session) under(ctx context.Context, o *opened, kept lifecycle.Policy, rules *native.Rules, doc providers.RulesDocument) {
	r := archive.Rotation{Policy: kept}
	if rules == nil {
		store := storeOf(o.shown)
		r.Rules = []lifecycle.Ruleset{store.Ruleset(o.prefix, kept.Rules(store))}
	} else {
		r.Rules = append([]lifecycle.Ruleset{rules.Ruleset(o.prefix)}, s.replaced(ctx, o, doc)...)
	}
	if inspector, ok := providers.Feature[providers.Inspector](o.bucket); ok {
		r.Clock = func(ctx context.Context) (time.Time, error) { return s.storeTime(ctx, o, inspector) }
	}
	o.vault = o.vault.Under(r)
}

// rules reads the lifecycle rules of the store. A store without any is
// ErrUnsupported.
func (o *opened) rules(ctx context.Context) (*native.Rules, providers.RulesDocument, error) {
	var doc providers.RulesDocument
	ruler, ok := providers.Feature[providers.Ruler](o.bucket)
	if !ok {
		return nil, doc, &providers.Error{Op: "read rules", Key: o.shown, Err: fmt.Errorf("%w: it has no lifecycle rules", providers.ErrUnsupported),
			Hint: "lifecycle rules belong to buckets of S3, GCS and Azure"}
	}
	err := o.ask(ctx, "read rules", func() (err error) {
		doc, err = ruler.Rules(ctx)
		return err
	})
	if err != nil {
		return nil, doc, err
	}
	rules, err := native.Parse(native.Document{Store: doc.Store, Container: doc.Container, Body: doc.Body})
	if err != nil {
		return nil, doc, &Error{Op: "read rules", Name: doc.Scope, Err: err, Hint: "look at the rules with the tool of the cloud"}
	}
	return rules, doc, nil
}

// replaced are the rules that Apply replaced: what they may have removed, no
// later ones bring back. Those that cannot be read are passed over.
func (s *session) replaced(ctx context.Context, o *opened, like providers.RulesDocument) (sets []lifecycle.Ruleset) {
	root := formerRules
	if o.prefix != "" {
		root = o.prefix + "/" + root
	}
	for object, err := range o.bucket.List(ctx, root) {
		if err != nil {
			s.Log.Warn("replaced rules not read", "vault", o.shown, "error", err)
			return sets
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(object.Key, root), "-")
		at, err := time.Parse(keptTime, stamp)
		if err != nil {
			continue
		}
		set, err := o.formerSet(ctx, object.Key, like)
		if err != nil {
			s.Log.Warn("replaced rules not read", "vault", o.shown, "key", object.Key, "error", err)
			continue
		}
		set.Ended = at.Add(lifecycle.RuleDelay)
		sets = append(sets, set)
	}
	return sets
}

// maxRules is the largest document of rules that a store takes, in bytes, and
// some.
const maxRules = 8 << 20

func (o *opened) formerSet(ctx context.Context, key string, like providers.RulesDocument) (set lifecycle.Ruleset, err error) {
	body, err := o.read(ctx, key, maxRules)
	if err != nil {
		return set, err
	}
	rules, err := native.Parse(native.Document{Store: like.Store, Container: like.Container, Body: body})
	if err != nil {
		return set, err
	}
	return rules.Ruleset(o.prefix), nil
}

// read reads a small object, most bytes of it at most.
func (o *opened) read(ctx context.Context, key string, most int64) ([]byte, error) {
	r, err := o.bucket.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r, most))
	return body, errors.Join(err, r.Close())
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
	return shortText(t.writer.Name(), p, t.writer.Floor()), true
}

func shortText(n format.Name, p *lifecycle.Promise, f lifecycle.Floor) string {
	return fmt.Sprintf("%s is promised until %s, and %s, from %s on", n, instant(p.Until), f.Effect, instant(f.At))
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// warnShort is ErrPartial if what is promised of some of the backups is more
// than the rules leave.
func (s *session) warnShort(all targets) (err error) {
	for _, t := range all.living() {
		if text, short := t.short(); short {
			err = s.shortError(t.shown, text)
		}
	}
	return err
}

func (s *session) shortError(vault, text string) error {
	s.Log.Warn("promised longer than the rules leave it", "vault", vault, "backup", text)
	return &Error{Op: "store", Name: vault, Err: fmt.Errorf("%w: the backup is complete, but %s", ErrPartial, text),
		Hint: "snapferry lifecycle plan shows what the rules should be, and lifecycle apply writes them; the rule of somebody else has to be changed by hand"}
}
