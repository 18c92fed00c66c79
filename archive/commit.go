package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// Commit makes the backup real: tables, RESTORE.md, and last the manifest. It
// must be called only after the source was found unchanged, or the end of a
// stream true: a table is the record of that.
//
// If another process committed the same backup first, its manifest is
// compared with ours and returned.
func (w *Writer) Commit(ctx context.Context) (*format.Manifest, error) {
	if w.done != nil {
		return w.done, nil
	}
	c := &committer{v: w.v, budget: w.budget, name: w.name, capture: w.capture, sealed: w.sealed, key: w.key, checked: true}
	defer func() { w.floor = c.floor }()
	for i := range w.images {
		im := &w.images[i]
		part := committed{extents: im.extents, set: im.set, size: im.Size, data: im.Size}
		if im.layout != nil {
			part.data = im.layout.Data
		}
		c.images = append(c.images, part)
	}
	return c.commit(ctx)
}

// committer writes the end of a backup whose data is there.
type committer struct {
	v       *Vault
	budget  *memory.Budget
	name    format.Name
	capture *format.Capture
	sealed  []byte
	key     *signature.Key // nil: the vault is not signed
	checked bool
	images  []committed     // as in the capture
	floor   lifecycle.Floor // until when rules leave the backup whole
}

type committed struct {
	size, data int64
	extents    *format.ObjectRef
	set        *format.SegmentSet
}

func (c *committer) commit(ctx context.Context) (*format.Manifest, error) {
	m := &format.Manifest{Format: format.FormatVersion, ID: c.capture.ID, Series: c.capture.Series, Kind: c.capture.Kind,
		Time: c.capture.Time, Program: c.v.opts.Program, Source: c.capture.Source, Checked: c.checked,
		Segment: c.capture.Segment, Chunk: c.capture.Chunk, Facts: c.capture.Facts, Capture: format.RefOf(c.sealed)}
	for i := range c.images {
		im, err := c.putTable(ctx, i)
		if err != nil {
			return nil, err
		}
		m.RawBytes += im.Size
		m.StoredBytes += im.StoredBytes
		m.Images = append(m.Images, im)
	}
	var err error
	if m.Restore, err = c.putRestore(ctx); err != nil {
		return nil, err
	}
	if err := c.checkCapture(ctx); err != nil {
		return nil, err
	}
	m.Completed = c.v.opts.Now().UTC()
	return c.putManifest(ctx, m)
}

func (c *committer) putTable(ctx context.Context, i int) (format.ManifestImage, error) {
	ci, im := c.capture.Images[i], c.images[i]
	shape := c.capture.Shape(im.data)
	buf := c.budget.NewBuffer()
	defer func() { buf.Free() }()
	err := format.EncodeTable(im.set, shape, segmentNames(c.key, c.capture, ci.Name), buf)
	if err == nil && c.key != nil {
		plain := buf
		buf, err = withTag(c.budget, plain, c.key, tagTable, c.capture.ID, c.capture.Series, ci.Name)
		plain.Free()
	}
	if err != nil {
		return format.ManifestImage{}, fmt.Errorf("write table of %s: %w", ci.Name, err)
	}
	buf.Seal()
	sum := fmt.Sprintf("%x", buf.SHA256())
	err = c.v.bucket.Put(ctx, c.v.catalogKey(c.name, format.TableFile(ci.Name, sum)), buf)
	if err != nil && !errors.Is(err, providers.ErrExists) {
		return format.ManifestImage{}, err
	}
	return format.ManifestImage{Name: ci.Name, Title: ci.Title, Form: ci.Form, Size: im.size, Data: im.data,
		StoredBytes: im.set.Bytes, Segments: format.Segments(im.data, shape.Segment),
		Table: format.ObjectRef{SHA256: sum, Bytes: buf.Size()}, Extents: im.extents}, nil
}

// putRestore writes RESTORE.md. What another version of this program wrote
// there before is left, and pinned, as it is; but not in a signed vault, whose
// signature must not vouch for commands that anybody may have planted.
func (c *committer) putRestore(ctx context.Context) (format.ObjectRef, error) {
	text, err := format.RestoreText(c.capture)
	if err != nil {
		return format.ObjectRef{}, err
	}
	key := c.v.catalogKey(c.name, format.RestoreFile)
	created, err := c.v.putBytes(ctx, key, text)
	if err != nil {
		return format.ObjectRef{}, err
	}
	if !created {
		there, err := c.v.getBytes(ctx, key, format.MaxRestore)
		if err != nil {
			return format.ObjectRef{}, err
		}
		if !bytes.Equal(there, text) && c.key != nil {
			return format.ObjectRef{}, &Error{Op: "commit", Name: key, Err: fmt.Errorf("%w: another RESTORE.md was there before", ErrRefused),
				Hint: "Somebody planted it, or another version of this program wrote it. Run the backup again: it gets another id."}
		}
		if !bytes.Equal(there, text) {
			c.v.opts.Log.Warn("another RESTORE.md was there before", "key", key)
			text = there
		}
	}
	return format.RefOf(text), nil
}

// checkCapture makes sure that the backup has not expired meanwhile: a late
// manifest must not bring it back.
func (c *committer) checkCapture(ctx context.Context) error {
	b, err := c.v.getBytes(ctx, c.v.catalogKey(c.name, format.CaptureFile), format.MaxDocument)
	if errors.Is(err, providers.ErrNotFound) || err == nil && !bytes.Equal(b, c.sealed) {
		return &Error{Op: "commit", Name: c.name.String(),
			Err:  fmt.Errorf("%w: its capture.json was removed or replaced while it was written", ErrRefused),
			Hint: "A lifecycle rule or a person removed it. Run the backup again: it takes a new id."}
	}
	if err != nil {
		return err
	}
	c.floor, err = c.v.checkAge(ctx, c.name)
	return err
}

// checkAge refuses a manifest that comes so late that rules may have begun to
// remove what it names, and that of a differential whose base is gone. It returns
// until when they leave the backup whole.
func (v *Vault) checkAge(ctx context.Context, n format.Name) (floor lifecycle.Floor, err error) {
	if len(v.rotation.Rules) == 0 && n.ID.Parent == "" {
		return floor, nil
	}
	now, err := v.now(ctx)
	if err != nil {
		return floor, err
	}
	e, err := v.Entry(ctx, n)
	if err != nil {
		return floor, err
	}
	if e.Missing != "" {
		return floor, &Error{Op: "commit", Name: n.String(),
			Err:  fmt.Errorf("%w: %w: %s, which it builds on, is not in this vault", ErrRefused, ErrNoBase, e.Missing),
			Hint: "Copy the backups that it builds on first, oldest first; or take a full backup."}
	}
	if err := v.mayCommit(e, now); err != nil {
		return floor, &Error{Op: "commit", Name: n.String(), Err: fmt.Errorf("%w: %w", ErrRefused, err),
			Hint: "Run the backup again: it takes a new id; copy to another tier. If uploads are slow, let them take longer with max_upload, or keep more."}
	}
	return v.Floor(e), nil
}

func (c *committer) putManifest(ctx context.Context, m *format.Manifest) (*format.Manifest, error) {
	if err := m.Check(c.name); err != nil {
		return nil, &Error{Op: "commit", Name: c.name.String(), Err: fmt.Errorf("%w: %w", ErrChanged, err)}
	}
	b, err := format.Seal(m)
	if err != nil {
		return nil, &Error{Op: "commit", Name: c.name.String(), Err: err}
	}
	if err := c.sign(ctx, b); err != nil {
		return nil, err
	}
	created, err := c.v.putBytes(ctx, c.v.catalogKey(c.name, format.ManifestFile), b)
	if err != nil || created {
		return m, err
	}
	there, _, err := c.v.readManifest(ctx, c.name, false)
	if err != nil {
		return nil, err
	}
	if !m.Agrees(there) {
		return nil, damaged("commit", c.v.catalogKey(c.name, format.ManifestFile), errors.New("a manifest of other content was there before"))
	}
	return there, nil
}
