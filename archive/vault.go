// Package archive is the backup format and the engine that writes and reads
// it: captures, segments, tables, manifests, in a vault of any provider.
//
// The order in which a backup is written is the whole protocol:
//
//	capture.json, promise.json, extents, segments, tables, RESTORE.md, manifest.json
//
// Every object is created once and never overwritten, so there are no locks
// and nothing to repair: whoever comes later lists what is there and does
// what is missing. docs/format.md specifies every byte.
package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// Options tune the engine. The zero value of every field but Now means its
// default.
type Options struct {
	Workers   int         // goroutines that compress or decompress; default: one a core
	Transfers int         // uploads or downloads in flight, of each vault; default 8
	MaxMemory int64       // bytes for the whole process; default DefaultMemory, at least MinMemory
	Level     frame.Level // default frame.Fastest
	Segment   int64       // raw bytes of a segment; default DefaultSegment
	Chunk     int64       // raw bytes of a chunk; default DefaultChunk
	Program   string      // name and version, for capture.json and manifest.json
	Log       *slog.Logger
	Now       func() time.Time // required
	Progress  *Progress
	Keys      Keys // of encrypted and signed vaults
	// History reads older versions of what was overwritten or deleted, where
	// the current one is not right; nil: there is only what is there now.
	History providers.Versioner
}

// Memory limits of the process, in bytes. About runtimeMemory of it goes to
// the program itself, its connections and the collector's slack.
const (
	DefaultMemory = 256 << 20
	MinMemory     = 128 << 20
	runtimeMemory = 72 << 20
)

const defaultTransfers = 8

// Progress is what a run has done so far; it may be read at any time.
type Progress struct {
	Total   atomic.Int64 // raw bytes of data to do; 0 while unknown
	Done    atomic.Int64 // raw bytes of data done, reused ones included
	Reused  atomic.Int64 // raw bytes of data that were durable before
	Stored  atomic.Int64 // stored bytes moved, to all vaults together
	Objects atomic.Int64 // segments moved, likewise
}

// Vault is a bucket with a prefix, seen as a place for backups. It is safe
// for concurrent use.
type Vault struct {
	bucket providers.Bucket
	prefix string // "" or ends in a slash
	opts   Options
	// rotation is set by Under.
	rotation Rotation
}

// NewVault returns the vault below prefix, which is "" or a valid key
// without a slash at its end. It does no I/O.
func NewVault(b providers.Bucket, prefix string, opts Options) (*Vault, error) {
	if prefix != "" {
		if err := providers.CheckKey(prefix); err != nil {
			return nil, fmt.Errorf("open vault: %w", err)
		}
		prefix += "/"
	}
	if opts.Now == nil {
		return nil, errors.New("open vault: no clock")
	}
	opts = opts.withDefaults()
	if err := format.CheckSizes(opts.Segment, opts.Chunk); err != nil {
		return nil, fmt.Errorf("open vault: %w: %w", ErrInvalid, err)
	}
	if opts.MaxMemory < MinMemory {
		return nil, fmt.Errorf("open vault: %w: memory limit of %d MiB, at least %d are needed", ErrInvalid, opts.MaxMemory>>20, MinMemory>>20)
	}
	if opts.History != nil {
		b = providers.Oldest(b, opts.History)
	}
	v := &Vault{bucket: b, prefix: prefix, opts: opts}
	if least := v.segmentMemory(opts.Segment, opts.Chunk) + v.workerMemory(opts.Level, opts.Chunk); least > v.newBudget().Size() {
		return nil, fmt.Errorf("open vault: %w: a segment of %d MiB at level %s needs a memory limit of %d MiB", ErrInvalid,
			opts.Segment>>20, opts.Level, (least+runtimeMemory)>>20+1)
	}
	return v, nil
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Transfers <= 0 {
		o.Transfers = defaultTransfers
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = DefaultMemory
	}
	if o.Level == "" {
		o.Level = frame.Fastest
	}
	if o.Segment == 0 {
		o.Segment = format.DefaultSegment
	}
	if o.Chunk == 0 {
		o.Chunk = format.DefaultChunk
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	return o
}

// newBudget returns the memory of one run.
func (v *Vault) newBudget() *memory.Budget { return memory.NewBudget(v.opts.MaxMemory - runtimeMemory) }

// workerMemory is what one worker holds: a chunk, and its encoder.
func (v *Vault) workerMemory(level frame.Level, chunk int64) int64 {
	return chunk + level.Memory(int(chunk))
}

// segmentMemory is the most a segment can take: every frame begins a page of
// its own.
func (v *Vault) segmentMemory(raw, chunk int64) int64 {
	n := (raw + chunk - 1) / chunk
	return n*memory.RoundUp(int64(frame.MaxEncoded(int(chunk)))) + memory.RoundUp(int64(frame.SeekTableSize(int(n))))
}

// putBytes creates a small object. created is false if the key was taken.
func (v *Vault) putBytes(ctx context.Context, key string, b []byte) (created bool, err error) {
	err = v.bucket.Put(ctx, key, providers.Bytes(b))
	if errors.Is(err, providers.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// getBytes reads a small object of at most limit bytes.
func (v *Vault) getBytes(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, err := v.bucket.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	return readLimited(r, key, limit)
}

// fill reads the object key, of exactly size bytes, into buf.
func (v *Vault) fill(ctx context.Context, buf *memory.Buffer, key string, size int64, h hash.Hash) error {
	r, err := v.bucket.Get(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	return fillFrom(r, buf, size, h)
}

func fillFrom(r io.ReadCloser, buf *memory.Buffer, size int64, h hash.Hash) error {
	err := buf.Fill(r, size, h)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}

// readCapture reads and checks the capture.json of n. A ref that is not nil
// pins its content.
func (v *Vault) readCapture(ctx context.Context, n format.Name, ref *format.ObjectRef) (c *format.Capture, sealed []byte, err error) {
	key := v.catalogKey(n, format.CaptureFile)
	err = v.getRight(ctx, key, format.MaxDocument, func(b []byte) error {
		c, sealed = &format.Capture{}, b
		if ref != nil && format.RefOf(b) != *ref {
			return damaged("open", key, errNotNamed)
		}
		if err := format.Unseal(b, c); err != nil {
			return damaged("read", key, err)
		}
		if err := c.Check(n); err != nil {
			return damaged("read", key, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return c, sealed, nil
}

var errNotNamed = errors.New("it is not the object the manifest names")

// readManifest reads and checks the manifest.json of n, and its signature
// where the vault demands one or, with look set, where there may be one.
func (v *Vault) readManifest(ctx context.Context, n format.Name, look bool) (m *format.Manifest, by *Signature, err error) {
	key := v.catalogKey(n, format.ManifestFile)
	trusted, err := v.Signers(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = v.getRight(ctx, key, format.MaxDocument, func(b []byte) (err error) {
		m = &format.Manifest{}
		if err := format.Unseal(b, m); err != nil {
			return damaged("read", key, err)
		}
		if err := m.Check(n); err != nil {
			return damaged("read", key, err)
		}
		if len(trusted) > 0 || look {
			by, err = v.checkSignature(ctx, n, b, trusted)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return m, by, nil
}

// readExtents reads the extents object of an image of size bytes. A ref that
// is not nil pins its content; without one, whoever reads it is a writer, and
// in a signed vault it must have its tag.
func (v *Vault) readExtents(ctx context.Context, n format.Name, image string, size int64, ref *format.ObjectRef) (*format.Layout, format.ObjectRef, error) {
	key := v.catalogKey(n, image+format.ExtentsSuffix)
	signing, err := v.signKey(ctx)
	if err != nil {
		return nil, format.ObjectRef{}, err
	}
	var l *format.Layout
	var got format.ObjectRef
	err = v.getRight(ctx, key, format.MaxExtentsObject, func(b []byte) (err error) {
		got = format.RefOf(b)
		if ref != nil && got != *ref {
			return damaged("read", key, errNotNamed)
		}
		if ref == nil && signing != nil {
			if err := checkTag(bytes.NewReader(b), int64(len(b)), signing, tagExtents, n.ID.String(), n.Series, image); err != nil {
				return damaged("read", key, err)
			}
		}
		if l, err = format.DecodeExtents(bytes.NewReader(b), size); err != nil {
			return damaged("read", key, err)
		}
		return nil
	})
	return l, got, err
}

// listSegments lists the segments of an image of n. Keys outside the grammar,
// sizes or indexes outside the limits and, in a signed vault, names without the
// right tag are passed over and counted in the log.
func (v *Vault) listSegments(ctx context.Context, n format.Name, image string, shape format.TableShape) (*format.SegmentSet, error) {
	signing, err := v.signKey(ctx)
	if err != nil {
		return nil, err
	}
	prefix := v.dataKey(n, image)
	set, ignored := &format.SegmentSet{}, 0
	for o, err := range v.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		name, ok := format.ParseSegment(strings.TrimPrefix(o.Key, prefix))
		ok = ok && shape.Fits(name) && shape.Admits(name.Index, o.Size)
		if !ok || shape.Signed && (signing == nil || name.Tag != segmentTag(signing, n.Series, n.ID.String(), image, name)) {
			ignored++
			v.opts.Log.Debug("object ignored", "key", o.Key, "bytes", o.Size)
			continue
		}
		set.Put(name.Index, name.Sum, o.Size)
	}
	if ignored > 0 {
		v.opts.Log.Warn("foreign objects among the segments were passed over", "prefix", prefix, "objects", ignored)
	}
	return set, nil
}
