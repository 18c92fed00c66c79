// Package providers defines what snapferry asks of an object store, opens one
// by URL, and composes the decorators every store shares: retry, stall
// watchdog, bandwidth limit, metrics.
//
// A store is used in the plainest way there is: whole objects of known length
// and known SHA-256, created once and never overwritten. That is the common
// ground of S3, GCS, Azure Blob and a local folder, and it is why no provider
// needs multipart uploads, locks, or the right to delete.
package providers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"iter"
	"time"
)

// Bucket is one object store, opened. All methods are safe for concurrent use
// and return promptly once ctx is done. Errors are *Error values that wrap one
// of the sentinels in errors.go where the cause is known.
type Bucket interface {
	// Put creates the object key with the bytes of body, or fails with
	// ErrExists if the key is taken; it never overwrites. When Put returns
	// nil the object is durable and visible as a whole; after any error it is
	// either absent or whole (a lost answer), never partial. Put may be
	// repeated: the second of two identical calls gets ErrExists.
	Put(ctx context.Context, key string, body Body) error

	// Get reads n bytes of key from byte off on; n < 0 means to the end. A
	// range that ends past the object is cut there; one that begins past it
	// is ErrRange. The reader fails with io.ErrUnexpectedEOF, never a silent
	// io.EOF, if the store sends less than it announced. The caller closes it.
	Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error)

	// List yields every object whose key begins with prefix, sorted by the
	// bytes of the key, in memory bounded by one page. It stops after the
	// first error it yields. No match is an empty sequence, not an error.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes key. Removing what is not there is no error.
	Delete(ctx context.Context, key string) error

	// Close releases connections. No other method may be called after it.
	Close() error
}

// Object is what a listing tells of an object.
type Object struct {
	Key     string
	Size    int64     // bytes stored
	Created time.Time // by the store's clock, UTC
	// Class is the storage class or access tier as the store's listings spell
	// it; empty where they tell none.
	Class string
}

// Body is the content of an object to be created: in memory, of known length
// and hash, and readable any number of times, also at the same time, so that
// every retry sends the same bytes.
type Body interface {
	Size() int64
	SHA256() [sha256.Size]byte
	// Open returns a reader over the content from its start. Closing it
	// releases nothing of the body itself.
	Open() io.ReadSeekCloser
}

// Bytes makes a Body of b, which must not change until the last use.
func Bytes(b []byte) Body {
	return bytesBody{b: b, sum: sha256.Sum256(b)}
}

type bytesBody struct {
	b   []byte
	sum [sha256.Size]byte
}

func (b bytesBody) Size() int64               { return int64(len(b.b)) }
func (b bytesBody) SHA256() [sha256.Size]byte { return b.sum }
func (b bytesBody) Open() io.ReadSeekCloser   { return nopCloser{bytes.NewReader(b.b)} }

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }
