package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// maxLockDays is the longest lock that a store takes: S3's hundred years.
const maxLockDays = 36_500

// ParseLocks reads locks such as daily=compliance:7, or governance:7 for all
// tiers that have none of their own.
func ParseLocks(texts []string) (map[string]LockPolicy, error) {
	locks := map[string]LockPolicy{}
	const all = ""
	for _, text := range texts {
		tier, rest, one := strings.Cut(text, "=")
		if !one {
			tier, rest = all, text
		}
		mode, number, _ := strings.Cut(rest, ":")
		days, err := strconv.Atoi(number)
		if err != nil || one && tier == all {
			return nil, usage("lock "+text, errors.New("it is not a mode and a number of days"), "write governance:7, or daily=compliance:7 for one tier")
		}
		if _, taken := locks[tier]; taken {
			return nil, usage("lock "+text, errors.New("there is another one for the same"), "give one lock for each tier, and one for all others")
		}
		locks[tier] = LockPolicy{Mode: mode, Days: days}
	}
	if lock, ok := locks[all]; ok {
		delete(locks, all)
		for _, tier := range tierNames() {
			if _, own := locks[tier]; !own {
				locks[tier] = lock
			}
		}
	}
	return locks, nil
}

// CheckLocks refuses locks that cannot be, and those that are longer than the
// objects live.
func (a *Access) CheckLocks() error {
	for _, name := range slices.Sorted(maps.Keys(a.Locks)) {
		lock := a.Locks[name]
		tier, err := lifecycle.ParseTier(name)
		if err != nil {
			return usage("lock of tier "+name, errors.New("no such tier"), Suggest(name, tierNames()))
		}
		modes := []string{string(providers.LockGovernance), string(providers.LockCompliance)}
		if !slices.Contains(modes, lock.Mode) {
			return usage(fmt.Sprintf("lock mode %q", lock.Mode), errors.New("no such mode"), Suggest(lock.Mode, modes))
		}
		if lock.Days < 1 || lock.Days > maxLockDays {
			return usage(fmt.Sprintf("a lock of %d days", lock.Days), fmt.Errorf("it is not between 1 and %d", maxLockDays),
				"give the days for which nobody may remove a backup")
		}
		if err := a.Retention.CheckLock(tier, lock.Days); err != nil {
			return usage(fmt.Sprintf("lock of tier %s", tier), err, "shorten the lock, or keep more")
		}
	}
	return nil
}

// attributes is the providers.Options.Attributes of the vault: segments are
// bulk, and what belongs to a tier gets its lock.
func (s *session) attributes(o *opened, key string) providers.Attributes {
	tier, bulk, ok := archive.Classify(o.prefix, key)
	if !ok {
		return providers.Attributes{}
	}
	a := providers.Attributes{Bulk: bulk}
	if lock, ok := o.locks[string(tier)]; ok {
		until := s.Now().Add(time.Duration(lock.Days) * 24 * time.Hour)
		a.Lock = providers.Lock{Mode: providers.LockMode(lock.Mode), Until: until.UTC().Truncate(time.Second)}
	}
	return a
}

// checkLockable refuses a vault that is to be locked and cannot be: a backup
// that is believed to be safe and is not would be worse than none.
func (o *opened) checkLockable(ctx context.Context) error {
	modes := map[string]bool{}
	for _, lock := range o.locks {
		modes[lock.Mode] = true
	}
	for _, mode := range slices.Sorted(maps.Keys(modes)) {
		err := o.checkLock(ctx, providers.LockMode(mode))
		if errors.Is(err, providers.ErrUnsupported) || errors.Is(err, providers.ErrDenied) {
			return &Error{Op: "lock", Name: o.shown, Err: fmt.Errorf("%w: the vault takes no lock of mode %s: %w", archive.ErrRefused, mode, err), Hint: Hint(err)}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLock asks the store whether it takes locks of that mode.
func (o *opened) checkLock(ctx context.Context, mode providers.LockMode) error {
	locker, ok := providers.Feature[providers.Locker](o.bucket)
	if !ok {
		return &providers.Error{Op: "lock", Key: o.shown, Err: fmt.Errorf("%w: this kind of vault has no locks", providers.ErrUnsupported),
			Hint: "use a bucket with object lock, or run without a lock"}
	}
	return o.ask(ctx, "lock", func() error { return locker.CheckLock(ctx, mode) })
}

// lockOf returns the lock of an object, nil if it has none or nobody can
// tell.
func (s *session) lockOf(ctx context.Context, key string) *Lock {
	locker, ok := providers.Feature[providers.Locker](s.bucket)
	if !ok {
		return nil
	}
	var lock providers.Lock
	err := s.ask(ctx, "get lock", func() (err error) {
		lock, err = locker.LockOf(ctx, key)
		return err
	})
	switch {
	case err != nil && !errors.Is(err, providers.ErrUnsupported):
		s.Log.Warn("lock not read", "key", key, "error", err)
		return nil
	case err != nil || lock.IsZero():
		return nil
	}
	return &Lock{Mode: string(lock.Mode), Until: lock.Until.UTC()}
}
