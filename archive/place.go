package archive

import (
	"context"
	"errors"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// clock returns the time by the store's clock. It is asked once.
func (w *Writer) clock(ctx context.Context) (_ time.Time, err error) {
	if w.now.IsZero() {
		w.now, err = w.v.now(ctx)
	}
	return w.now, err
}

// place finds the tier of a new backup, and what it stands for there.
func (w *Writer) place(ctx context.Context) error {
	if w.v.rotation.Policy.IsZero() {
		if w.spec.Tier == "" {
			w.spec.Tier = lifecycle.Manual
		}
		return nil
	}
	for _, e := range w.entries { // a run that is repeated stays where it was
		if w.spec.Tier == "" && e.Begun && e.Name.ID == w.name.ID {
			w.spec.Tier = e.Name.Tier
			return nil
		}
	}
	now, err := w.clock(ctx)
	if err != nil {
		return err
	}
	at := w.spec.Time
	if now.Before(at) { // a clock that is ahead must not take the periods to come
		at = now
	}
	p := promiser{v: w.v, key: w.key, entries: w.entries}
	promise, err := p.decide(ctx, w.spec.Tier, at)
	if err != nil {
		return err
	}
	w.spec.Tier, w.decided = promise.Tier, &promise
	return nil
}

// stand writes down what the backup stands for.
func (w *Writer) stand(ctx context.Context) (err error) {
	if w.done != nil {
		w.promise, err = w.v.Promise(ctx, w.name)
		return err
	}
	p := promiser{v: w.v, key: w.key, entries: w.entries}
	decided, created := w.decided, time.Time{}
	if w.resumed {
		decided = nil
		if e := w.entry(w.name); e != nil {
			created = e.Created
		}
	}
	w.promise, err = p.stand(ctx, w.name, decided, created)
	return err
}

// entry returns what Begin found of a backup, nil if nothing.
func (w *Writer) entry(n format.Name) *Entry {
	for i := range w.entries {
		if w.entries[i].Name == n {
			return &w.entries[i]
		}
	}
	return nil
}

// alive reports why a backup that was begun before cannot be taken up: a rule
// may have removed some of it, or will before it is complete.
func (w *Writer) alive(ctx context.Context, e Entry) (reason, err error) {
	if len(w.v.rotation.Rules) == 0 {
		return nil, nil
	}
	now, err := w.clock(ctx)
	if err != nil {
		return nil, err
	}
	if e.Complete {
		if !w.v.Restorable(e, now) {
			return errors.New("rules may have removed some of it"), nil
		}
		return nil, nil
	}
	return w.v.mayCommit(e, now), nil
}
