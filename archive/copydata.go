package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// besideFile is one object of a backup's catalog entry beside capture.json and
// manifest.json.
type besideFile struct {
	file string
	size int64
	sum  string // of its bytes, where the manifest says so
	when when
}

// when is the moment at which a catalog object is copied.
type when int

const (
	beforeData when = iota
	afterData
)

// maxBeside is the largest of the objects that the manifest does not name.
const maxBeside = 1 << 20

// listBeside returns the catalog objects to be copied, in their order: what
// the manifest names, and what belongs to signatures and keys. Others, such as
// tables that no manifest names, stay behind.
func (c *copier) listBeside(ctx context.Context) ([]besideFile, error) {
	var files []besideFile
	add := func(ref format.ObjectRef, file string, w when) {
		files = append(files, besideFile{file: file, size: ref.Bytes, sum: ref.SHA256, when: w})
	}
	for _, im := range c.manifest.Images {
		if im.Extents != nil {
			add(*im.Extents, im.Name+format.ExtentsSuffix, beforeData)
		}
	}
	for _, im := range c.manifest.Images {
		add(im.Table, format.TableFile(im.Name, im.Table.SHA256), afterData)
	}
	add(c.manifest.Restore, format.RestoreFile, afterData)
	var keys []besideFile
	prefix := c.src.catalogKey(c.from, "")
	for o, err := range c.src.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		file := besideFile{file: strings.TrimPrefix(o.Key, prefix), size: o.Size, when: afterData}
		switch {
		case o.Size > maxBeside:
		case affixed(file.file, "manifest.", ".sig"):
			files = append(files, file)
		case affixed(file.file, "key.", ".age"):
			keys = append(keys, file)
		}
	}
	return append(files, keys...), nil
}

// affixed reports whether s is something between a prefix and a suffix.
func affixed(s, prefix, suffix string) bool {
	return len(s) > len(prefix)+len(suffix) && strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix)
}

// putBeside copies the catalog objects whose moment it is.
func (c *copier) putBeside(ctx context.Context, w when) error {
	for _, f := range c.beside {
		if f.when != w || len(c.living()) == 0 {
			continue
		}
		if err := c.putOne(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) putOne(ctx context.Context, f besideFile) error {
	taken := memory.RoundUp(f.size)
	if err := c.acquire(ctx, taken); err != nil {
		return err
	}
	defer c.budget.Release(taken)
	key := c.src.catalogKey(c.from, f.file)
	buf, err := c.fetch(ctx, key, f.size, f.sum)
	if err != nil {
		return err
	}
	defer buf.Free()
	buf.Seal()
	each(c.living(), func(l *landing) { l.Err = c.put(ctx, l, f.file, buf) })
	return nil
}

// fetch reads an object of the source. sum is empty where nobody knows it.
func (c *copier) fetch(ctx context.Context, key string, size int64, sum string) (buf *memory.Buffer, err error) {
	if sum == "" {
		buf = c.budget.NewBuffer()
		if err = c.src.fill(ctx, buf, key, size, sha256.New()); err != nil {
			buf.Free()
		}
	} else {
		buf, err = c.src.fetch(ctx, c.budget, key, size, sum)
	}
	switch {
	case errors.Is(err, providers.ErrNotFound):
		err = damaged("read", key, errors.New("it is missing"))
	case errors.Is(err, memory.ErrSize) && !errors.Is(err, ErrDamaged):
		err = damaged("read", key, err)
	}
	return buf, err
}

// put creates one catalog object. One that is there must be the same.
func (c *copier) put(ctx context.Context, l *landing, file string, buf *memory.Buffer) error {
	key := l.v.catalogKey(c.to, file)
	err := l.v.bucket.Put(ctx, key, buf)
	if !errors.Is(err, providers.ErrExists) {
		return err
	}
	r, err := l.v.bucket.Get(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if want := buf.SHA256(); err == nil && !bytes.Equal(h.Sum(nil), want[:]) {
		return c.conflict(key, "another object has the name")
	}
	return err
}

// acquire waits for memory.
func (c *copier) acquire(ctx context.Context, n int64) error {
	if n += c.held; n > c.budget.Size() {
		return &Error{Op: "copy", Name: c.from.String(), Err: fmt.Errorf("%w: it needs a memory limit of %d MiB", ErrInvalid,
			(n+runtimeMemory)>>20+1), Hint: "Raise --max-memory."}
	}
	return c.budget.Acquire(ctx, n-c.held)
}

// haul is the data of one image on its way.
type haul struct {
	im     *format.ManifestImage
	table  *memory.Buffer
	shape  format.TableShape
	routes []*route
}

// moving is a segment on its way from the source to the vaults that lack it.
type moving struct {
	row    format.Row
	image  string
	routes []*route
}

// route is the way of one image into one vault.
type route struct {
	*lane
	landing *landing
	prefix  string
	set     *format.SegmentSet
}

// shipData copies the segments of all images.
func (c *copier) shipData(ctx context.Context) error {
	for _, im := range c.manifest.Images {
		c.src.opts.Progress.Total.Add(im.Data)
	}
	for i := range c.manifest.Images {
		if len(c.living()) == 0 {
			break
		}
		if err := c.shipImage(ctx, &c.manifest.Images[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) shipImage(ctx context.Context, im *format.ManifestImage) error {
	held := memory.RoundUp(im.Table.Bytes) + int64(len(c.all))*im.Segments*format.SegmentSetBytes
	if err := c.acquire(ctx, held); err != nil {
		return err
	}
	c.held = held
	defer func() {
		c.held = 0
		c.budget.Release(held)
	}()
	table, err := c.src.fetchTable(ctx, c.budget, c.src.catalogKey(c.from, format.TableFile(im.Name, im.Table.SHA256)), im.Table.SHA256, im.Table.Bytes)
	if err != nil {
		return err
	}
	defer table.Free()
	h := &haul{im: im, table: table, shape: namedAs(table, format.TableShape{Data: im.Data, Segment: c.manifest.Segment, Chunk: c.manifest.Chunk})}
	c.list(ctx, h)
	if len(h.routes) == 0 {
		return nil
	}
	vaults := make([]*Vault, len(h.routes))
	for i, r := range h.routes {
		vaults[i] = r.landing.v
	}
	f := newFleet(ctx, c.budget, vaults)
	for i, r := range h.routes {
		r.lane = f.lanes[i]
	}
	c.move(f, h)
	err = f.wait()
	for _, r := range h.routes {
		r.landing.Err = r.outcome(err)
	}
	if errors.Is(err, errAllFailed) {
		return nil
	}
	return err
}

// namedAs returns the shape with what the first row of the table tells of the
// names of segments; the others must agree.
func namedAs(table *memory.Buffer, shape format.TableShape) format.TableShape {
	for i := range 4 {
		shape.Signed, shape.Age = i&1 != 0, i&2 != 0
		for _, err := range format.DecodeTable(table.Open(), shape) {
			if err == nil {
				return shape
			}
			break
		}
	}
	shape.Signed, shape.Age = false, false
	return shape
}

// list looks up, in every vault, which segments of an image are there. A vault
// that cannot be listed has failed.
func (c *copier) list(ctx context.Context, h *haul) {
	for _, l := range c.living() {
		h.routes = append(h.routes, &route{landing: l, prefix: l.v.dataKey(c.to, h.im.Name), set: &format.SegmentSet{}})
	}
	each(h.routes, func(r *route) {
		for o, err := range r.landing.v.bucket.List(ctx, r.prefix) {
			if err != nil {
				r.landing.Err = err
				return
			}
			if name, ok := format.ParseSegment(strings.TrimPrefix(o.Key, r.prefix)); ok && h.shape.Fits(name) && h.shape.Admits(name.Index, o.Size) {
				r.set.Put(name.Index, name.Sum, o.Size)
			}
		}
	})
	h.routes = slices.DeleteFunc(h.routes, func(r *route) bool { return r.landing.Err != nil })
}

// move starts what moves the segments of an image: one goroutine that looks
// for what is missing, as many that read as the source has transfers, and the
// uploads of the fleet.
func (c *copier) move(f *fleet, h *haul) {
	queue := make(chan moving)
	var reading sync.WaitGroup
	f.group.Go(func() error {
		defer close(queue)
		return c.feed(f, h, queue)
	})
	for range c.src.opts.Transfers {
		reading.Add(1)
		f.group.Go(func() error {
			defer reading.Done()
			for m := range queue {
				if err := c.read(f.ctx, m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	f.group.Go(func() error {
		reading.Wait()
		f.finish()
		return nil
	})
	f.start()
}

// feed queues every segment that a vault lacks, once there is memory for it.
func (c *copier) feed(f *fleet, h *haul, queue chan<- moving) error {
	progress := c.src.opts.Progress
	for row, err := range format.DecodeTable(h.table.Open(), h.shape) {
		if err != nil {
			return damaged("read", c.src.catalogKey(c.from, format.TableFile(h.im.Name, h.im.Table.SHA256)), err)
		}
		m := moving{row: row, image: h.im.Name}
		living := false
		for _, r := range h.routes {
			if !r.living() {
				continue
			}
			living = true
			if r.set.Holds(row) {
				r.landing.Reused += row.Raw
			} else {
				m.routes = append(m.routes, r)
			}
		}
		if !living {
			return f.ended()
		}
		if len(m.routes) == 0 {
			progress.Reused.Add(row.Raw)
			progress.Done.Add(row.Raw)
			continue
		}
		if err := c.acquire(f.ctx, memory.RoundUp(row.Stored)); err != nil {
			return err
		}
		select {
		case queue <- m:
		case <-f.ctx.Done():
			return f.ctx.Err()
		}
	}
	return nil
}

// read reads one segment, checks it, and queues it for the vaults that lack
// it.
func (c *copier) read(ctx context.Context, m moving) error {
	key := c.src.dataKey(c.from, m.image) + m.row.String()
	if c.within != nil {
		if err := c.copyWithin(ctx, key, m); !errors.Is(err, providers.ErrUnsupported) {
			return err
		}
	}
	buf, err := c.fetch(ctx, key, m.row.Stored, hex.EncodeToString(m.row.Sum[:]))
	if err != nil {
		return err
	}
	buf.SealAs(m.row.Sum)
	progress := c.src.opts.Progress
	var durable atomic.Bool // in one vault at least
	cg := &cargo{buf: buf, free: func() {
		buf.Free()
		if durable.Load() {
			progress.Done.Add(m.row.Raw)
		}
		c.budget.Release(memory.RoundUp(m.row.Stored))
	}}
	cg.holds.Store(int32(len(m.routes)))
	for _, r := range m.routes {
		to := r.prefix + m.row.String()
		r.queue <- parcel{cargo: cg,
			send: func(ctx context.Context) error {
				err := r.v.bucket.Put(ctx, to, buf)
				if errors.Is(err, providers.ErrExists) {
					return nil
				}
				return err
			},
			landed: func(stored bool) {
				if stored {
					durable.Store(true)
					progress.Stored.Add(m.row.Stored)
					progress.Objects.Add(1)
				}
			}}
	}
	return nil
}
