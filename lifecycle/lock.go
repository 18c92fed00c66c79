package lifecycle

import (
	"errors"
	"fmt"
	"strings"
)

// ErrLockTooLong says that a lock would outlive the objects it is for: the
// rule that is to remove them could not, and the vault would grow.
var ErrLockTooLong = errors.New("the lock is longer than the objects live")

// LockError is the arithmetic of a lock that is too long. It is an
// ErrLockTooLong.
type LockError struct {
	Tier   Tier
	Lock   int  // days
	Kind   Tier // whose window decides: Tier, or one below it
	Keep   Keep // of that kind
	Window int  // days
	Chain  int  // days a chain of differentials may add
	Days   int  // that the objects live
}

func (e *LockError) Unwrap() error { return ErrLockTooLong }

func (e *LockError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s keeps %s", e.Kind, keptText(e.Kind, e.Keep, e.Window))
	if e.Kind != e.Tier {
		fmt.Fprintf(&b, ", and %s holds backups that stand for those, too", e.Tier)
	}
	if e.Chain > 0 {
		fmt.Fprintf(&b, ", plus a chain of %d", e.Chain)
	}
	fmt.Fprintf(&b, ": objects live %s, the lock is %d", inDays(e.Days), e.Lock)
	return b.String()
}

// keptText says what a window is made of.
func keptText(kind Tier, keep Keep, window int) string {
	unit, current := "day", "today"
	switch kind {
	case Hourly:
		unit, current = "hour", "this one"
	case Weekly:
		unit, current = "week", "this one"
	case Monthly:
		unit, current = "month", "this one"
	case Yearly:
		unit, current = "year", "this one"
	case Daily, Manual:
	}
	text := fmt.Sprintf("%d whole %ss", keep.Count, unit)
	if keep.Count == 1 {
		text = "one whole " + unit
	}
	if keep.Slack > 0 {
		text += fmt.Sprintf(", %d more as slack", keep.Slack)
	}
	return fmt.Sprintf("%s and %s: %s", text, current, inDays(window))
}

func inDays(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// CheckLock refuses a lock of so many days on the objects of tier t with a
// *LockError if they live shorter. What lives for ever may be locked for any
// time.
func (p Policy) CheckLock(t Tier, days int) error {
	life, ok := p.CatalogDays(t)
	if !ok || days <= life {
		return nil
	}
	window, kind := p.Held(t)
	return &LockError{Tier: t, Lock: days, Kind: kind, Keep: p.Keep(kind), Window: window, Chain: p.MaxChain, Days: life}
}
