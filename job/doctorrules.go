package job

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

const (
	// placedRoom is where doctor notes when it placed a canary that rules must
	// remove; no rule is for it.
	placedRoom = "placed"
	// canaryName is the name of such a canary: the day.
	canaryName = "20060102"
	// canaryEvery is how often one is placed at most.
	canaryEvery = 30 * 24 * time.Hour

	pruneHint = "run snapferry prune on a schedule, by an identity that may delete: nothing else removes expired backups here"
)

// rules finds out whether the store runs the lifecycle rules that it keeps: a
// canary whose rule is that of the vault's own must be gone in time.
func (x *examination) rules(ctx context.Context) {
	rules, doc, err := x.s.rules(ctx)
	switch {
	case errors.Is(err, providers.ErrUnsupported):
		x.say(Check{Name: "rules", Verdict: Unknown, Detail: "there are no lifecycle rules in this store", Hint: pruneHint})
		return
	case err != nil:
		x.unknown("rules", "the lifecycle rules cannot be read: "+err.Error())
		return
	}
	room := lifecycle.Prefix(x.s.prefix, lifecycle.Doctor, lifecycle.Canary)
	if !rules.Ruleset(x.s.prefix).Cleans(room, false) {
		x.unknown("rules", "the bucket has no rule for a canary: snapferry lifecycle apply writes the rules of the vault")
		return
	}
	placed, err := x.days(ctx, path.Join(x.s.prefix, doctorRoom, placedRoom)+"/")
	if err != nil {
		x.unknown("rules", err.Error())
		return
	}
	there, err := x.days(ctx, room)
	if err != nil {
		x.unknown("rules", err.Error())
		return
	}
	x.judgeCanaries(ctx, doc.Store, placed, there)
}

// days lists objects that are named by a day, with their creation.
func (x *examination) days(ctx context.Context, prefix string) (map[string]time.Time, error) {
	days := map[string]time.Time{}
	for o, err := range x.s.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		days[path.Base(o.Key)] = o.Created
	}
	return days, nil
}

func (x *examination) judgeCanaries(ctx context.Context, store lifecycle.Store, placed, there map[string]time.Time) {
	now := x.s.Now()
	newest, due, gone := time.Time{}, time.Time{}, ""
	for day, at := range placed {
		end := store.Overdue(at, lifecycle.CanaryDays)
		_, left := there[day]
		switch {
		case left && !now.Before(end):
			x.say(Check{Name: "rules", Verdict: Yellow, Hint: pruneHint,
				Detail: fmt.Sprintf("the store keeps lifecycle rules and does not run them: a canary of %s should be gone since %s", day, end.Format(time.DateOnly))})
			return
		case left && end.After(due):
			due = end
		case !left && day > gone:
			gone = day
		}
		if at.After(newest) {
			newest = at
		}
	}
	if due.IsZero() && now.Sub(newest) >= canaryEvery {
		if err := x.place(ctx, now); err != nil {
			x.unknown("rules", "no canary can be placed: "+err.Error())
			return
		}
		due = store.Overdue(now, lifecycle.CanaryDays)
	}
	switch {
	case gone != "":
		x.good("rules", "the store runs its lifecycle rules: a canary of "+gone+" is gone")
	default:
		x.unknown("rules", fmt.Sprintf("whether the store runs its rules, a canary will tell that must be gone by %s: ask again then", due.Format(time.DateOnly)))
	}
}

// place leaves a canary for the rules, and notes it.
func (x *examination) place(ctx context.Context, now time.Time) error {
	day := now.UTC().Format(canaryName)
	body := providers.Bytes([]byte(canaryText))
	for _, key := range []string{lifecycle.Prefix(x.s.prefix, lifecycle.Doctor, lifecycle.Canary) + day, path.Join(x.s.prefix, doctorRoom, placedRoom, day)} {
		if err := x.s.bucket.Put(ctx, key, body); err != nil && !errors.Is(err, providers.ErrExists) {
			return err
		}
	}
	return nil
}
