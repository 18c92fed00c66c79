package providers

import (
	"context"
	"crypto/sha256"
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
	// SoftDelete is how long the store keeps what was removed, unseen and
	// charged for; zero: it does not, or does not tell.
	SoftDelete time.Duration
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

// Digest is what the content of an object must come to.
type Digest struct {
	Size   int64
	SHA256 [sha256.Size]byte
}

// Copier is a store that copies an object by itself: its bytes do not pass by
// here.
type Copier interface {
	// CopyObject creates the object to with the bytes of from, under the terms
	// of Put: what Options.Attributes says of to, no overwriting, ErrExists if
	// to is taken, and whole or absent after any error. ErrNotFound: there is
	// no from. ErrFrozen: it must be thawed before. ErrChecksum: the store
	// tells that what it copied is not want.
	CopyObject(ctx context.Context, from, to string, want Digest) error
}

// Holder is a store that can hold objects: nobody removes or replaces one while
// its hold is on, whatever its lock and the rules of the bucket say. Where the
// store keeps versions, a removal may still hide it behind a marker.
type Holder interface {
	// CheckHold reports whether the bucket takes holds: nil, ErrUnsupported
	// with a hint that says what to switch on, or the error of asking.
	CheckHold(ctx context.Context) error
	// SetHold puts a hold on an object, or takes it off. It may be repeated.
	SetHold(ctx context.Context, key string, on bool) error
	// Held reports whether the hold of an object is on.
	Held(ctx context.Context, key string) (bool, error)
}

// Warmth is whether an object can be read.
type Warmth string

// How warm an object is.
const (
	Warm    Warmth = "warm"    // it is read at once
	Frozen  Warmth = "frozen"  // it must be thawed
	Thawing Warmth = "thawing" // it was asked for
	Thawed  Warmth = "thawed"  // it is read at once until Temperature.Until
)

// Temperature is what a store tells of one object.
type Temperature struct {
	Warmth Warmth
	Class  string    // the storage class or access tier, as the store spells it
	Until  time.Time // of what is Thawed, when it freezes again; zero: never
}

// ThawPriority is how much a thawing costs and how long it takes, in the words
// of S3. Azure has two: bulk and standard are its standard, expedited is high.
type ThawPriority string

// The priorities.
const (
	ThawBulk      ThawPriority = "bulk"
	ThawStandard  ThawPriority = "standard"
	ThawExpedited ThawPriority = "expedited"
)

// Thawer is a store with classes whose objects must be thawed before they are
// read. A Get of one that is not thawed is ErrFrozen.
type Thawer interface {
	// Temperature asks for one object.
	Temperature(ctx context.Context, key string) (Temperature, error)
	// Freezes reports whether objects of a class, as Object.Class spells it,
	// have to be thawed, or may have to; those need a Temperature each.
	Freezes(class string) bool
	// Thaw asks for an object to be readable for so many days, at least one.
	// Where the store has no such copies, as on Azure, the object moves to a
	// warm class for good and days means nothing. It may be repeated: what is
	// on its way or done already is no error.
	Thaw(ctx context.Context, key string, days int, priority ThawPriority) error
	// ThawTime is how long the store says that thawing takes at most, by class
	// and priority; zero if it does not offer that.
	ThawTime(class string, priority ThawPriority) time.Duration
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
