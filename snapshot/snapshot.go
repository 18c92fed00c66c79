// Package snapshot defines the two ends of a backup: a Source that captures a
// point in time and offers it as images, and a Target that takes images back.
// It imports nothing of snapferry; each system lives in a folder below.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Source is something that can be captured, again and again.
type Source interface {
	// Name is the source's own name, from which the default series name is
	// made: a file's base name, a database.
	Name() string
	// Capture takes the point in time. Nothing of it is read yet where that
	// can be avoided. The caller closes the capture.
	Capture(ctx context.Context) (Capture, error)
}

// Chained is a Source whose captures may be differentials: they hold only what
// came after an earlier one, and restore with it alone.
type Chained interface {
	Source
	// Extend says what the next capture may build on: the chain with which the
	// vaults end, its full backup first. An empty one asks for a full capture, and
	// due says why. fetch writes the sole image of one of them, should the source
	// have lost it.
	Extend(chain []Link, due error, fetch func(ctx context.Context, i int, w io.Writer) error)
}

// Link is a backup of a chain.
type Link struct {
	Fingerprint string    // how that of its capture begins: 16 hexadecimal digits
	Title       string    // of its image
	Time        time.Time // of its capture
}

// Group is several sources that are captured in one go, such as the databases of
// a server that is stopped once. Each is a series of its own.
type Group interface {
	// Members are the sources of the group, at least one, in the order in which
	// they are to be captured. Nothing is taken yet.
	Members(ctx context.Context) ([]Source, error)
	// Prepare is called once after Members, before the first of them is captured,
	// and does what is done for all of them at once. What fails for some of them
	// alone, their Capture returns.
	Prepare(ctx context.Context) error
	// Close gives up what was prepared and not captured. It is called once.
	Close() error
}

// Capture is one point in time of a source.
type Capture interface {
	Info() Info
	// Images lists what the capture offers, at least one.
	Images() []Image
	// Check is called once, after every byte was read and before the backup
	// is made real. It returns an error, wrapping ErrChanged where that is
	// the cause, if what was read is not one consistent point in time.
	Check(ctx context.Context) error
	// Close removes what the capture left behind. It is called exactly once.
	Close() error
}

// Info says what a capture is.
type Info struct {
	// Parent is how the fingerprint of the capture begins that this one is a
	// differential of, as the Link has it; empty: it is a full one.
	Parent string
	// Identity says what the source is. One series belongs to one identity.
	Identity Identity
	// Fingerprint says which state of the source this is: equal fingerprints
	// promise equal bytes. It is random where nothing can promise that.
	Fingerprint [32]byte
	// Resumable is false for what cannot be read again: streams, devices.
	Resumable bool
	// Facts are shown to people: version, database, entry counts.
	Facts map[string]string
}

// Identity tells one source from another. Type and at least one of the other
// fields are set; two identities are the same source if all fields agree.
type Identity struct {
	Type string `json:"type"`           // "file", "directory", "device", "stream", "neo4j"
	Host string `json:"host,omitempty"` // host name
	Path string `json:"path,omitempty"` // absolute path, or the database's home
	ID   string `json:"id,omitempty"`   // store id, volume id, database name
}

// The forms of an image: how its bytes are to be understood at restore.
const (
	FormRaw    = "raw"    // a file or a device, byte by byte
	FormTar    = "tar"    // a POSIX tar of a directory
	FormStream = "stream" // bytes of unknown length
)

// Image is one named byte range of a capture. Exactly one of Data and Stream
// is set.
type Image struct {
	Name string // as the user knows it; the archive makes it fit for a key
	Form string
	Size int64 // bytes; -1 for a stream
	// Data gives random access. ReadAt is called by several goroutines.
	Data io.ReaderAt
	// Extents yields the parts of Data that may be other than zero, sorted
	// and disjoint; nil means all of it. It may be asked once.
	Extents func(ctx context.Context) iter.Seq2[Extent, error]
	// Stream is read once, from its start. It returns io.EOF only after the
	// end was proved to be the true end.
	Stream io.Reader
	// Compressed says that compressing the bytes again would be a waste.
	Compressed bool
}

// Extent is a range of an image, in bytes.
type Extent struct {
	Offset, Length int64
}

// Target takes the images of one backup back. Nothing shows at its place
// before Commit.
type Target interface {
	// Create opens the place for one image. The sink is a RandomSink or a
	// StreamSink. Refusals wrap ErrNotEmpty or ErrUnsafe.
	Create(ctx context.Context, info ImageInfo) (Sink, error)
	// Commit makes everything durable and visible, after all sinks closed.
	Commit(ctx context.Context) error
	// Abort removes what was written. After Commit it does nothing.
	Abort() error
}

// ImageInfo describes an image to a Target.
type ImageInfo struct {
	Name string // the user's name of it: "neo4j.dump"
	Form string
	Size int64 // bytes; -1 if unknown
	Sole bool  // the backup has just this image
}

// Sink takes the bytes of one image. Close is called once, also after a
// failure; it waits for what the sink still does and returns its error.
type Sink interface {
	Close() error
}

// RandomSink takes bytes in any order, from several goroutines.
type RandomSink interface {
	Sink
	io.WriterAt
	// Zero makes the range read as zeros, at no cost if it already does.
	Zero(off, n int64) error
}

// StreamSink takes bytes in order.
type StreamSink interface {
	Sink
	io.Writer
}

// Sentinels that callers map to exit codes.
var (
	ErrNotFound = errors.New("source not found")
	ErrChanged  = errors.New("source changed while it was read")
	ErrNotEmpty = errors.New("target exists and is not empty")
	ErrUnsafe   = errors.New("refused for safety")
	ErrUsage    = errors.New("invalid source or target")
)

// Error says what failed, why, and what to do next.
type Error struct {
	Op   string // "capture", "read", "restore", "dump"
	Name string // path, database
	Err  error
	Hint string
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// UserHint returns the next step for the user.
func (e *Error) UserHint() string { return e.Hint }
