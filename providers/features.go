package providers

import (
	"context"
	"io"
	"iter"
	"time"
)

// Attributes are what a new object gets besides its content. Options.Attributes
// tells them by the key.
type Attributes struct {
	// Bulk marks data, which takes the storage class of the vault's URL. All
	// else stays in the bucket's default class, where it is read at once.
	Bulk bool
	// Lock keeps the object from being removed or replaced; zero: no lock.
	Lock Lock
}

// LockMode says who may lift a lock before its date.
type LockMode string

// The modes, as S3 names them. GCS has them as unlocked and locked retention,
// Azure as unlocked and locked immutability policies.
const (
	LockGovernance LockMode = "governance" // whoever has a right of its own for that
	LockCompliance LockMode = "compliance" // nobody
)

// Lock is a date before which an object can neither be removed nor replaced.
type Lock struct {
	Mode  LockMode
	Until time.Time
}

// IsZero reports whether there is no lock.
func (l Lock) IsZero() bool { return l == Lock{} }

// The optional interfaces of a Bucket. Decorators hide them: see Feature.

// Locker is a store that can lock objects. A Put of a store whose
// Options.Attributes give a lock sends it with the object, in the same request
// where the store has that.
type Locker interface {
	// CheckLock reports whether the bucket takes locks of this mode: nil,
	// ErrUnsupported with a hint that says what to switch on, or the error of
	// asking.
	CheckLock(ctx context.Context, mode LockMode) error
	// LockOf returns the lock of an object, zero if it has none.
	LockOf(ctx context.Context, key string) (Lock, error)
}

// Version is one version of an object in a store that keeps older ones.
type Version struct {
	Object
	ID      string
	Current bool // it is what a plain Get reads
}

// Versioner is a store that keeps what was overwritten or deleted.
type Versioner interface {
	// Versions yields every version below prefix that holds bytes, delete
	// markers left out: sorted by key, those of one key oldest first.
	Versions(ctx context.Context, prefix string) iter.Seq2[Version, error]
	// GetVersion is Get of one version.
	GetVersion(ctx context.Context, v Version, off, n int64) (io.ReadCloser, error)
}

// Inspector is a store that can be asked about its settings.
type Inspector interface {
	// Inspect asks with a few requests and changes nothing. What the store
	// does not tell, or not to this identity, is Unknown and no error.
	Inspect(ctx context.Context) (Inspection, error)
	// ServerTime returns the store's clock, of one request, to the second.
	ServerTime(ctx context.Context) (time.Time, error)
}

// Inspection is what a store tells of its settings.
type Inspection struct {
	Region     string // of the bucket, as the store spells it; empty if unknown
	Versioning Trait
	Public     Trait // On: somebody without credentials may read
	Encryption Trait // at rest, by the store
	Lock       Trait // locks can be set on objects
}

// Trait is one setting.
type Trait struct {
	State  State
	Detail string // for people: the algorithm, the key, why it is not known
}

// State is whether a setting is on.
type State string

// The states of a setting.
const (
	Unknown State = "unknown"
	On      State = "on"
	Off     State = "off"
)

// Overwriter is a store that can be asked to break the rule every other
// method keeps, so that doctor can tell whether the store prevents it.
type Overwriter interface {
	// Overwrite stores body under key without the condition that the key is
	// free. ErrDenied means that the store prevents it.
	Overwrite(ctx context.Context, key string, body Body) error
}

// PolicyAdviser is a store whose own policy can prevent overwriting.
type PolicyAdviser interface {
	// OverwritePolicy returns the policy that does so below prefix, in the
	// store's language, ready to be pasted into the bucket's settings.
	OverwritePolicy(prefix string) string
}

// Feature returns b, or what it decorates, as the optional interface T.
// Calls through it pass by the decorators: nothing is tried again.
func Feature[T any](b Bucket) (T, bool) {
	for {
		if f, ok := b.(T); ok {
			return f, true
		}
		w, ok := b.(interface{ Unwrap() Bucket })
		if !ok {
			var none T
			return none, false
		}
		b = w.Unwrap()
	}
}
