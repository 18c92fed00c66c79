package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// Spec says what is to be backed up.
type Spec struct {
	// Tier is where it is to stand; empty: the policy of each vault finds it,
	// without one it is Manual.
	Tier        lifecycle.Tier
	Series      string    // valid by CheckName
	Time        time.Time // the scheduled instant, or now
	Source      format.Identity
	Fingerprint [32]byte // of the source's state; random where it has none
	Resumable   bool     // equal fingerprints promise equal bytes
	Images      []Image  // 1 to MaxImages
	Facts       map[string]string
	// Parent is how the fingerprint of the backup begins that this one is a
	// differential of, FingerprintDigits of it; empty: it is a full one.
	Parent string
	// Adopt lets the series pass to another source.
	Adopt bool
}

// Image is one image to be backed up. Exactly one of Data and Stream is set.
type Image struct {
	Title   string // as the user knows it; FitName makes the name in keys of it
	Form    string // "raw", "tar" or "stream"
	Size    int64  // bytes; ignored for a stream
	Data    io.ReaderAt
	Extents func(ctx context.Context) iter.Seq2[format.Extent, error] // nil: no holes
	Stream  io.Reader
	// Compressed: compressing the bytes again would be a waste.
	Compressed bool
}

// Writer writes one backup. Its methods are called one after the other:
// Ship, then Commit.
type Writer struct {
	v       *Vault
	spec    Spec
	name    format.Name
	capture *format.Capture
	sealed  []byte // capture.json as it stands in the vault
	resumed bool
	done    *format.Manifest // set if the backup was complete already
	images  []imageState
	budget  *memory.Budget
	held    int64 // bytes of memory that layouts and segment sets take
	err     error // why Ship gave this backup up
	reused  int64 // raw bytes that Ship found in the vault
	levels  map[frame.Level]int64
	// wrapping replaces wrap and its like in tests; nil: the Writer itself.
	wrapping wrapper

	entries []Entry            // of the series, as Begin found them
	now     time.Time          // by the store's clock, once it was asked
	decided *lifecycle.Promise // with the tier of a new backup
	promise *lifecycle.Promise // nil: nothing is promised
	floor   lifecycle.Floor    // once it was committed

	recipients *envelope.Recipients // nil: new backups are not encrypted
	envelope   *format.Encryption   // of the capture, once there is one
	key        *signature.Key       // nil: the vault is not signed
}

// wrapper is what becomes of segments on their way into one vault: see wrap.
type wrapper interface {
	encrypts() bool
	wrapMemory(plain int64) int64
	wrap(plain *memory.Buffer) (*memory.Buffer, error)
}

// imageState is what is known of an image once it was shipped.
type imageState struct {
	Image
	name    string
	layout  *format.Layout
	extents *format.ObjectRef
	set     *format.SegmentSet
}

// Name returns the backup's full name.
func (w *Writer) Name() format.Name { return w.name }

// Capture returns what was begun.
func (w *Writer) Capture() *format.Capture { return w.capture }

// Signature returns how Commit signs; nil: not at all.
func (w *Writer) Signature() *Signature {
	if w.key == nil {
		return nil
	}
	return &Signature{By: w.key.Public(), Trusted: true} // a key that is none of the signers does not begin
}

// Promise returns what the backup stands for; nil: nothing is promised.
func (w *Writer) Promise() *lifecycle.Promise { return w.promise }

// Floor returns until when rules leave the committed backup whole.
func (w *Writer) Floor() lifecycle.Floor { return w.floor }

// Resumed reports whether an earlier run had begun this very backup.
func (w *Writer) Resumed() bool { return w.resumed }

// Reused returns the raw bytes that were in the vault before Ship.
func (w *Writer) Reused() int64 { return w.reused }

// Levels returns how many chunks Ship stored in the vault, by the level they
// were compressed at.
func (w *Writer) Levels() map[frame.Level]int64 { return w.levels }

// Begin decides which backup this is: the newest unfinished one of this very
// state of the source, in whatever tier it was begun, or a new one. It writes
// capture.json, which fixes all later choices.
//
// A series that belongs to another source is ErrRefused.
func (v *Vault) Begin(ctx context.Context, spec Spec) (*Writer, error) {
	w := &Writer{v: v, spec: spec, budget: v.newBudget()}
	err := w.prepare()
	if err != nil {
		return nil, &Error{Op: "begin", Name: spec.Series, Err: err}
	}
	if err := w.loadKeys(ctx); err != nil {
		return nil, err
	}
	if w.entries, _, err = v.List(ctx, spec.Series); err != nil {
		return nil, err
	}
	if err := w.checkIdentity(ctx, w.entries); err != nil {
		return nil, err
	}
	joined, err := w.join(ctx, w.entries, false)
	if err == nil && !joined {
		if err = w.create(ctx); err == nil {
			err = w.yield(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	return w, w.stand(ctx)
}

// prepare checks the spec and names the images.
func (w *Writer) prepare() error {
	s := &w.spec
	if s.Tier != "" {
		if _, err := lifecycle.ParseTier(string(s.Tier)); err != nil {
			return err
		}
	}
	if err := format.CheckName(s.Series); err != nil {
		return err
	}
	if s.Parent != "" && !format.IsHex(s.Parent, format.FingerprintDigits) {
		return fmt.Errorf("%w: parent %q is no fingerprint", ErrInvalid, s.Parent)
	}
	if len(s.Images) < 1 || len(s.Images) > format.MaxImages {
		return fmt.Errorf("%w: %d images, 1 to %d are allowed", ErrInvalid, len(s.Images), format.MaxImages)
	}
	seen := map[string]bool{}
	for _, im := range s.Images {
		name := format.FitName(im.Title)
		for i := 2; seen[name]; i++ {
			name = format.FitName(fmt.Sprintf("%.50s-%d", name, i))
		}
		seen[name] = true
		if (im.Data == nil) == (im.Stream == nil) {
			return fmt.Errorf("%w: image %q has not exactly one of data and stream", ErrInvalid, im.Title)
		}
		if im.Data != nil && format.Segments(im.Size, w.v.opts.Segment) > format.MaxSegments && im.Extents == nil {
			return fmt.Errorf("%w: image %q of %d bytes is larger than %d segments", ErrInvalid, im.Title, im.Size, format.MaxSegments)
		}
		if im.Stream != nil {
			im.Size = 0 // counted while it is read
		}
		w.images = append(w.images, imageState{Image: im, name: name})
	}
	return nil
}

// checkIdentity refuses a series whose newest readable capture is of another
// source.
func (w *Writer) checkIdentity(ctx context.Context, entries []Entry) error {
	if w.spec.Adopt {
		return nil
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if !entries[i].Begun {
			continue
		}
		c, sealed, err := w.v.readCapture(ctx, entries[i].Name, nil)
		if err == nil && w.key != nil && checkCaptureTag(w.key, sealed) != nil {
			continue // planted, or from before the vault was signed
		}
		if errors.Is(err, ErrDamaged) || errors.Is(err, providers.ErrNotFound) {
			w.v.opts.Log.Warn("capture passed over", "backup", entries[i].Name.String(), "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if c.Source != w.spec.Source {
			return &Error{Op: "begin", Name: w.spec.Series,
				Err:  fmt.Errorf("%w: the series belongs to %s, this is %s", ErrRefused, c.Source, w.spec.Source),
				Hint: "Give this source a series of its own with --job NAME, or hand the series over with --adopt."}
		}
		return nil
	}
	return nil
}

// join takes up an unfinished backup of the same state of the source: the
// newest, or with oldest set the oldest of those begun at the same time.
func (w *Writer) join(ctx context.Context, entries []Entry, oldest bool) (bool, error) {
	if !w.spec.Resumable {
		return false, nil
	}
	if err := w.loadKeys(ctx); err != nil {
		return false, err
	}
	short := hex.EncodeToString(w.spec.Fingerprint[:])[:format.FingerprintDigits]
	for i := range entries {
		e := entries[i]
		if !oldest {
			e = entries[len(entries)-1-i]
		}
		if id := e.Name.ID; !e.unfinished() || id.Fingerprint != short || id.Parent != w.spec.Parent {
			continue
		}
		if reason, err := w.alive(ctx, e); reason != nil || err != nil {
			if err != nil {
				return false, err
			}
			w.v.opts.Log.Warn("unfinished backup passed over", "backup", e.Name.String(), "reason", reason)
			continue
		}
		c, sealed, err := w.v.readCapture(ctx, e.Name, nil)
		if errors.Is(err, ErrDamaged) || errors.Is(err, providers.ErrNotFound) {
			w.v.opts.Log.Warn("unfinished backup passed over", "backup", e.Name.String(), "error", err)
			continue
		}
		if err != nil {
			return false, err
		}
		if err := w.matches(c); err != nil {
			w.v.opts.Log.Info("unfinished backup passed over", "backup", e.Name.String(), "reason", err)
			continue
		}
		var reason error
		if !bytes.Equal(sealed, w.sealed) { // our own
			reason, err = w.checkFit(ctx, e.Name, c, sealed)
		}
		if err != nil {
			return false, err
		}
		if reason != nil {
			w.v.opts.Log.Warn("unfinished backup passed over", "backup", e.Name.String(), "reason", reason)
			continue
		}
		w.name, w.capture, w.sealed, w.resumed = e.Name, c, sealed, true
		return true, nil
	}
	return false, nil
}

// matches reports why the capture is not of this very state of the source.
func (w *Writer) matches(c *format.Capture) error {
	if c.Fingerprint != hex.EncodeToString(w.spec.Fingerprint[:]) || c.Source != w.spec.Source || !c.Resumable {
		return errors.New("it is of another state of the source")
	}
	if len(c.Images) != len(w.images) {
		return errors.New("it has other images")
	}
	for i, im := range w.images {
		ci := c.Images[i]
		if ci.Name != im.name || ci.Form != im.Form || ci.Size == nil || im.Data == nil || *ci.Size != im.Size {
			return fmt.Errorf("its image %q differs", ci.Name)
		}
	}
	if w.v.segmentMemory(c.Segment, c.Chunk)+w.v.workerMemory(w.v.opts.Level, c.Chunk) > w.budget.Size() {
		return errors.New("its segments are too large for the memory limit")
	}
	return nil
}

// maxIDTries bounds the search for an id below which no data lies.
const maxIDTries = 100

// create writes capture.json under a new id: never one below which data lies
// already, since that would bring a dead backup's data back to life.
func (w *Writer) create(ctx context.Context) error {
	fp := hex.EncodeToString(w.spec.Fingerprint[:])
	w.name = format.Name{Series: w.spec.Series, ID: format.ID{
		Time: w.spec.Time.UTC().Truncate(time.Second), Kind: format.KindFull, Fingerprint: fp[:format.FingerprintDigits]}}
	if w.spec.Parent != "" {
		w.name.ID.Kind, w.name.ID.Parent = format.KindDiff, w.spec.Parent
	}
	if err := w.place(ctx); err != nil {
		return err
	}
	if err := w.base(ctx); err != nil {
		return err
	}
	w.name.Tier = w.spec.Tier
	for range maxIDTries {
		free, err := w.noData(ctx)
		if err != nil {
			return err
		}
		made := false
		if free {
			if made, err = w.putCapture(ctx, fp); err != nil {
				return err
			}
		}
		if !made {
			made, err = w.takeOver(ctx)
		}
		if err != nil || made {
			return err
		}
		w.name.ID.Time = w.name.ID.Time.Add(time.Second)
	}
	return &Error{Op: "begin", Name: w.name.String(), Err: errors.New("no free id found"),
		Hint: "The vault holds data of many lost backups of this series; remove what has no catalog entry."}
}

func (w *Writer) noData(ctx context.Context) (bool, error) {
	prefix := w.v.tierKey(w.name.Tier, "data") + w.name.Series + "/" + w.name.ID.String() + "/"
	for _, err := range w.v.bucket.List(ctx, prefix) {
		return false, err
	}
	return true, nil
}

// putCapture writes capture.json. made is false if there is one already.
func (w *Writer) putCapture(ctx context.Context, fp string) (made bool, err error) {
	c := &format.Capture{Format: format.FormatVersion, ID: w.name.ID.String(), Series: w.name.Series, Kind: w.name.ID.Kind,
		Time: w.name.ID.Time, Program: w.v.opts.Program, Fingerprint: fp, Source: w.spec.Source, Resumable: w.spec.Resumable,
		Compression: "zstd", Segment: w.v.opts.Segment, Chunk: w.v.opts.Chunk, Facts: w.spec.Facts}
	for _, im := range w.images {
		ci := format.CaptureImage{Name: im.name, Title: im.Title, Form: im.Form, Extents: im.Extents != nil}
		if im.Data != nil {
			ci.Size = &im.Size
		}
		c.Images = append(c.Images, ci)
	}
	sealed, err := w.seal(c)
	if err != nil {
		return false, &Error{Op: "begin", Name: w.name.String(), Err: err}
	}
	key := w.v.catalogKey(w.name, format.CaptureFile)
	made, err = w.v.putBytes(ctx, key, sealed)
	if err == nil && !made {
		// The answer to an earlier try may have been lost.
		there, err := w.v.getBytes(ctx, key, format.MaxDocument)
		made = err == nil && bytes.Equal(there, sealed)
	}
	if made {
		w.capture, w.sealed = c, sealed
	}
	return made, err
}

// seal gives a new capture its own key, where it is to be encrypted, and its
// tag, where the vault is signed, and encodes it.
func (w *Writer) seal(c *format.Capture) ([]byte, error) {
	if w.recipients != nil && w.envelope == nil { // once: a passphrase takes a second
		public, armored, err := envelope.Seal(w.recipients)
		if err != nil {
			return nil, err
		}
		w.envelope = &format.Encryption{Recipient: public, Recipients: w.recipients.Names(), Identity: string(armored)}
	}
	c.Encryption = w.envelope
	if w.key == nil {
		return format.Seal(c)
	}
	sealed, err := format.SealTagged(c, captureTag(w.key))
	if err != nil {
		return nil, err
	}
	return sealed, format.Unseal(sealed, c)
}

// takeOver takes up the backup that has the id already, if it is of the same
// capture: another process is at it, whom we help, or it is complete, and
// there is nothing left to do.
func (w *Writer) takeOver(ctx context.Context) (taken bool, err error) {
	there, sealed, err := w.v.readCapture(ctx, w.name, nil)
	if errors.Is(err, ErrDamaged) || errors.Is(err, providers.ErrNotFound) {
		return false, nil
	}
	if err != nil || !w.spec.Resumable || w.matches(there) != nil {
		return false, err
	}
	if reason, err := w.checkFit(ctx, w.name, there, sealed); reason != nil || err != nil {
		return false, err
	}
	if e := w.entry(w.name); e != nil {
		if reason, err := w.alive(ctx, *e); reason != nil || err != nil {
			return false, err
		}
	}
	m, _, err := w.v.readManifest(ctx, w.name, false)
	switch {
	case w.key != nil && errors.Is(err, ErrDamaged):
		return false, nil // planted
	case err != nil && !errors.Is(err, providers.ErrNotFound):
		return false, err
	}
	w.capture, w.sealed, w.resumed, w.done = there, sealed, true, m
	return true, nil
}

// yield settles which backup it is when several processes began the same at
// the same moment under different ids: all take the oldest. What is left of
// the others is a capture.json, which the next run or the tier's rule ends.
func (w *Writer) yield(ctx context.Context) error {
	if !w.spec.Resumable || w.resumed {
		return nil
	}
	entries, _, err := w.v.List(ctx, w.spec.Series)
	if err != nil {
		return err
	}
	mine := bytes.Clone(w.sealed)
	if _, err := w.join(ctx, entries, true); err != nil {
		return err
	}
	w.resumed = !bytes.Equal(mine, w.sealed)
	return nil
}
