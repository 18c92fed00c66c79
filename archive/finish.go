package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/providers"
)

// Finish writes the manifest of a backup whose data is all there, from what a
// listing tells. It is ErrRefused where segments are missing, for a stream
// without its table (nobody else knows where it ended), and, unless unchecked
// is set, for any image without its table: the writer stores that only once
// the source was found unchanged, and nobody can look that up later.
func (v *Vault) Finish(ctx context.Context, n format.Name, unchecked bool) (*format.Manifest, error) {
	m, _, err := v.readManifest(ctx, n, false)
	if err == nil || !errors.Is(err, providers.ErrNotFound) {
		return m, err
	}
	capture, sealed, err := v.readCapture(ctx, n, nil)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, &Error{Op: "finish", Name: n.String(), Err: fmt.Errorf("%w: its capture.json is gone", ErrRefused),
			Hint: "Without it nothing says what the data is. Run the backup again."}
	}
	if err != nil {
		return nil, err
	}
	key, err := v.signKey(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkFinish(n, capture, sealed, key); err != nil {
		return nil, err
	}
	c := &committer{v: v, budget: v.newBudget(), name: n, capture: capture, sealed: sealed, key: key, checked: true}
	tables, err := v.listTables(ctx, n)
	if err != nil {
		return nil, err
	}
	for i := range capture.Images {
		part, fromTable, err := c.recover(ctx, &capture.Images[i], tables[capture.Images[i].Name])
		if err != nil {
			return nil, err
		}
		if !fromTable && !unchecked {
			return nil, &Error{Op: "finish", Name: n.String(),
				Err:  fmt.Errorf("%w: %s has no table, so nobody checked that its source stayed the same", ErrRefused, capture.Images[i].Name),
				Hint: "Run the same backup again: nothing that is durable is sent twice. Or accept the risk with --unchecked."}
		}
		c.checked = c.checked && fromTable
		c.images = append(c.images, part)
	}
	if err := c.stand(ctx); err != nil {
		return nil, err
	}
	return c.commit(ctx)
}

// stand writes down what the backup stands for, if whoever began it did not.
func (c *committer) stand(ctx context.Context) error {
	if c.v.rotation.Policy.IsZero() {
		return nil
	}
	entries, _, err := c.v.List(ctx, c.name.Series)
	if err != nil {
		return err
	}
	created := time.Time{}
	for _, e := range entries {
		if e.Name == c.name {
			created = e.Created
		}
	}
	p := promiser{v: c.v, key: c.key, entries: entries}
	_, err = p.stand(ctx, c.name, nil, created)
	return err
}

// checkFinish refuses a capture that is signed in another way than the vault.
func checkFinish(n format.Name, c *format.Capture, sealed []byte, key *signature.Key) error {
	switch {
	case key == nil && c.Tag != "":
		return &Error{Op: "finish", Name: n.String(), Err: fmt.Errorf("%w: it belongs to a signed vault", ErrRefused), Hint: "Name the signing key with --sign."}
	case key == nil:
		return nil
	}
	if err := checkCaptureTag(key, sealed); err != nil {
		return &Error{Op: "finish", Name: n.String(), Err: fmt.Errorf("%w: %w", ErrRefused, err),
			Hint: "Somebody planted it, or it was begun with another signing key or none. Run the backup again: it gets another id."}
	}
	return nil
}

// listTables returns the hashes of the tables of n, by image.
func (v *Vault) listTables(ctx context.Context, n format.Name) (map[string][]string, error) {
	prefix := v.catalogKey(n, "")
	tables := map[string][]string{}
	for o, err := range v.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		stem, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), format.TableSuffix)
		if image, sum, cut := cutLast(stem, "."); ok && cut && format.IsHex(sum, 64) && o.Size <= format.MaxTable {
			tables[image] = append(tables[image], sum)
		}
	}
	return tables, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// recover finds out what is there of an image: by one of its tables if all
// segments that it names exist, else by the listing alone.
func (c *committer) recover(ctx context.Context, ci *format.CaptureImage, tables []string) (part committed, fromTable bool, err error) {
	shape := c.capture.Shape(-1)
	if ci.Size != nil {
		part.size, part.data = *ci.Size, *ci.Size
		if ci.Extents {
			l, ref, err := c.v.readExtents(ctx, c.name, ci.Name, part.size, nil)
			if errors.Is(err, providers.ErrNotFound) {
				return part, false, c.refuse(ci, "its extents object is missing")
			}
			if err != nil {
				return part, false, err
			}
			part.extents, part.data = &ref, l.Data
		}
		shape.Data = part.data
	}
	for _, sum := range tables {
		set, data, err := c.readTable(ctx, ci.Name, sum, shape)
		if errors.Is(err, ErrDamaged) {
			c.v.opts.Log.Warn("table passed over", "image", ci.Name, "error", err)
			continue
		}
		if err != nil {
			return part, false, err
		}
		if part.set = set; ci.Size == nil {
			part.size, part.data = data, data
		}
		return part, true, nil
	}
	if ci.Size == nil {
		return part, false, c.refuse(ci, "it is a stream, and no table says where it ended")
	}
	listed, err := c.v.listSegments(ctx, c.name, ci.Name, shape)
	if err != nil {
		return part, false, err
	}
	want := format.Segments(shape.Data, shape.Segment)
	if listed.Present < want {
		return part, false, c.refuse(ci, fmt.Sprintf("%d of %d segments are missing", want-listed.Present, want))
	}
	part.set = listed
	return part, false, nil
}

func (c *committer) refuse(ci *format.CaptureImage, why string) error {
	return &Error{Op: "finish", Name: c.name.String(), Err: fmt.Errorf("%w: image %s: %s", ErrRefused, ci.Name, why),
		Hint: "Run the same backup again; what is durable of a file, folder or snapshot is not sent twice."}
}

// readTable reads a table into a set, with the raw bytes that it names. A
// table that names segments which are not there is ErrDamaged.
func (c *committer) readTable(ctx context.Context, image, sum string, shape format.TableShape) (*format.SegmentSet, int64, error) {
	key := c.v.catalogKey(c.name, format.TableFile(image, sum))
	buf, err := c.v.fetchTable(ctx, c.budget, key, sum, -1)
	if err != nil {
		return nil, 0, err
	}
	defer buf.Free()
	if c.key != nil {
		if err := checkTag(buf.Open(), buf.Size(), c.key, tagTable, c.capture.ID, c.capture.Series, image); err != nil {
			return nil, 0, damaged("read", key, err)
		}
	}
	set, data := &format.SegmentSet{}, int64(0)
	rows := func(yield func(format.Row, error) bool) {
		for r, err := range format.DecodeTable(buf.Open(), shape) {
			if err != nil {
				yield(r, damaged("read", key, err))
				return
			}
			set.Put(r.Index, r.Sum, r.Stored)
			data += r.Raw
			if !yield(r, nil) {
				return
			}
		}
	}
	err = c.v.compare(ctx, c.v.dataKey(c.name, image), rows, func(key string, problem error) error {
		return damaged("finish", key, problem)
	})
	return set, data, err
}

// fetchTable reads a table whole and checks its hash. size < 0 means that it
// is not known.
func (v *Vault) fetchTable(ctx context.Context, budget *memory.Budget, key, sum string, size int64) (*memory.Buffer, error) {
	if size < 0 {
		for o, err := range v.bucket.List(ctx, key) {
			if err != nil {
				return nil, err
			}
			if o.Key == key && o.Size <= format.MaxTable {
				size = o.Size
			}
		}
	}
	buf, err := v.fetch(ctx, budget, key, size, sum)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, damaged("read", key, errors.New("it is missing"))
	}
	return buf, err
}
