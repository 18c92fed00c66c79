package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// Ship makes all data of the backup durable: extents, then the segments that
// are not there yet. It returns once nothing of it is running any more,
// except that a read of a stream that was under way when ctx ended may still
// have to return.
func (w *Writer) Ship(ctx context.Context) error { return Ship(ctx, w)[0] }

// Ship makes the data of one capture durable in several vaults: what more than
// one of them lack is read and compressed once, and uploaded to each at the
// same time. The writers must be of the same capture of the source, which
// Begin returned one for each vault; memory, workers, level, log and progress
// are those of the first, while every vault has the transfers of its own.
//
// The result has one error for each writer. A vault that fails does not stop
// the others; an error of the source, or the end of ctx, stops them all. A
// vault that is slow holds the others back once the segments that wait for it
// fill the memory.
func Ship(ctx context.Context, writers ...*Writer) []error {
	c := &convoy{}
	for _, w := range writers {
		if w.done == nil {
			w.err, w.held, w.reused, w.levels = nil, 0, 0, nil
			c.all = append(c.all, w)
		}
	}
	if len(c.all) > 0 {
		c.ship(ctx)
	}
	errs := make([]error, len(writers))
	for i, w := range writers {
		errs[i] = w.err
	}
	return errs
}

// convoy is the writers that Ship serves. A writer whose err is set takes no
// part any more.
type convoy struct{ all []*Writer }

func (c *convoy) lead() *Vault           { return c.all[0].v }
func (c *convoy) budget() *memory.Budget { return c.all[0].budget }

func (c *convoy) ship(ctx context.Context) {
	for _, w := range c.all {
		w.budget = c.budget()
	}
	images := len(c.all[0].images)
	for i := range images {
		c.place(ctx, i)
	}
	for i := range images {
		for _, group := range c.groups(i) {
			if l := group[0].images[i].layout; l != nil {
				c.lead().opts.Progress.Total.Add(l.Data)
			}
		}
	}
	for i := range images {
		for n, group := range c.groups(i) {
			if n > 0 && group[0].images[i].Stream != nil {
				fail(group, fmt.Errorf("%w: a stream can be read once, and this vault cuts it into other segments", ErrInvalid))
				continue
			}
			if err := newShipment(c, group, i).ship(ctx); err != nil {
				fail(c.living(), err)
			}
		}
	}
}

// living returns the writers that still take part.
func (c *convoy) living() []*Writer {
	var living []*Writer
	for _, w := range c.all {
		if w.err == nil {
			living = append(living, w)
		}
	}
	return living
}

func fail(writers []*Writer, err error) {
	for _, w := range writers {
		if w.err == nil {
			w.err = err
		}
	}
}

// groups returns the living writers in groups that cut image i alike.
func (c *convoy) groups(i int) [][]*Writer {
	var groups [][]*Writer
next:
	for _, w := range c.living() {
		for g := range groups {
			if cutsAlike(groups[g][0], w, i) {
				groups[g] = append(groups[g], w)
				continue next
			}
		}
		groups = append(groups, []*Writer{w})
	}
	return groups
}

func cutsAlike(a, b *Writer, i int) bool {
	la, lb := a.images[i].layout, b.images[i].layout
	return a.capture.Segment == b.capture.Segment && a.capture.Chunk == b.capture.Chunk &&
		(la == nil) == (lb == nil) && (la == nil || la.Equal(lb))
}

// held is the memory that layouts and sets of segments take, in bytes.
func (c *convoy) held() int64 {
	var held int64
	for _, w := range c.all {
		held += w.held
	}
	return held
}

// place settles in every vault where the data of an image lies in it, once
// and for all who work on the backup. Where a vault does not know yet, it is
// looked up in the source, once for all of them.
func (c *convoy) place(ctx context.Context, i int) {
	lead := &c.all[0].images[i]
	if lead.Stream != nil {
		return
	}
	found := c.budget().NewBuffer()
	defer found.Free()
	var broken error
	find := sync.OnceValue(func() error {
		broken = findExtents(ctx, lead, found)
		return broken
	})
	each(c.living(), func(w *Writer) {
		w.err = w.placeImage(ctx, i, func() (*memory.Buffer, error) { return found, find() })
	})
	if broken != nil {
		fail(c.living(), broken)
	}
	for n, w := range c.living() {
		c.share(w, c.living()[:n], i)
	}
}

// share lets a writer use the layout of another where they are the same.
func (c *convoy) share(w *Writer, others []*Writer, i int) {
	im := &w.images[i]
	for _, other := range others {
		if im.layout.Equal(other.images[i].layout) {
			im.layout = other.images[i].layout
			return
		}
	}
	w.held += im.layout.Memory()
}

// findExtents asks the source where the data of an image lies, and encodes it.
func findExtents(ctx context.Context, im *imageState, buf *memory.Buffer) error {
	l := format.WholeLayout(im.Size)
	if im.Extents != nil {
		var err error
		if l, err = format.CollectExtents(ctx, im.Size, im.Extents(ctx)); err != nil {
			if errors.Is(err, format.ErrInvalid) {
				err = fmt.Errorf("%w: %w", ErrChanged, err)
			}
			return fmt.Errorf("find the data of %s: %w", im.Title, err)
		}
	}
	if err := format.EncodeExtents(l, buf); err != nil {
		return fmt.Errorf("encode extents of %s: %w", im.Title, err)
	}
	buf.Seal()
	return nil
}

// placeImage reads from the vault where the data of an image lies. If the
// vault does not know yet, it is told what find returns.
func (w *Writer) placeImage(ctx context.Context, i int, find func() (*memory.Buffer, error)) error {
	im := &w.images[i]
	if !w.capture.Images[i].Extents {
		im.layout = format.WholeLayout(im.Size)
		return nil
	}
	l, ref, err := w.v.readExtents(ctx, w.name, im.name, im.Size, nil)
	if errors.Is(err, providers.ErrNotFound) {
		var found *memory.Buffer
		if found, err = find(); err == nil {
			err = w.writeExtents(ctx, im, found)
		}
		if err == nil {
			l, ref, err = w.v.readExtents(ctx, w.name, im.name, im.Size, nil)
		}
	}
	if err != nil {
		return err
	}
	im.layout, im.extents = l, &ref
	return nil
}

func (w *Writer) writeExtents(ctx context.Context, im *imageState, found *memory.Buffer) error {
	stored, err := w.wrapExtents(im.name, found)
	if err != nil {
		return err
	}
	if stored != found {
		defer stored.Free()
	}
	err = w.v.bucket.Put(ctx, w.v.catalogKey(w.name, im.name+format.ExtentsSuffix), stored)
	if errors.Is(err, providers.ErrExists) {
		return nil // another worker was first; all read what it wrote
	}
	return err
}
