package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"strings"
	"sync"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/providers"
)

// VerifyOptions say how much of a backup is read.
type VerifyOptions struct {
	// Sample is the part of the segments that is read, hashed and decoded:
	// 0 none, 1 all. Names and sizes are compared for all of them anyway.
	Sample float64
	// Seed picks the segments of a sample.
	Seed uint64
}

// VerifyReport is what a verification found.
type VerifyReport struct {
	Objects int64    // objects that were looked at
	Read    int64    // segments that were read, hashed and decoded
	Bytes   int64    // stored bytes of those
	Damage  []Damage // the first maxDamage of what is wrong
	Damaged int64    // how much is wrong in all
}

// Damage is one object that is not what it should be.
type Damage struct {
	Key     string `json:"key"`
	Problem string `json:"problem"`
}

const maxDamage = 1000

// Verify checks every object of a backup: those of the catalog by content,
// the segments by name and size, and as many as asked for by content. If
// anything is wrong the report names it and the error wraps ErrDamaged; other
// errors mean that the check itself could not be done.
func (v *Vault) Verify(ctx context.Context, n format.Name, opts VerifyOptions) (*VerifyReport, error) {
	c := &checker{v: v, report: &VerifyReport{}}
	b, err := v.Open(ctx, n)
	if err == nil {
		c.report.Objects = 2 // capture.json and manifest.json
		err = c.backup(ctx, b, opts)
	}
	if err := c.note(err); err != nil {
		return c.report, err
	}
	if c.report.Damaged > 0 {
		return c.report, &Error{Op: "verify", Name: n.String(), Err: fmt.Errorf("%w: %d problems", ErrDamaged, c.report.Damaged),
			Hint: "Take another backup at once; older ones and other vaults may still be good."}
	}
	return c.report, nil
}

// checker collects what is wrong. It is used by several goroutines.
type checker struct {
	v      *Vault
	mu     sync.Mutex
	report *VerifyReport
}

// note records damage and returns every other error.
func (c *checker) note(err error) error {
	var e *Error
	if err == nil || !errors.Is(err, ErrDamaged) || !errors.As(err, &e) {
		return err
	}
	c.add(e.Name, e.Err)
	return nil
}

func (c *checker) add(key string, problem error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Damaged++
	if len(c.report.Damage) < maxDamage {
		text := strings.TrimPrefix(problem.Error(), ErrDamaged.Error()+": ")
		c.report.Damage = append(c.report.Damage, Damage{Key: key, Problem: text})
	}
}

func (c *checker) backup(ctx context.Context, b *Backup, opts VerifyOptions) error {
	if opts.Sample > 0 {
		if err := b.Unlock(ctx); err != nil {
			return err
		}
	}
	if b.Signature != nil {
		c.report.Objects++
	}
	key := c.v.catalogKey(b.Name, format.RestoreFile)
	err := c.v.getRight(ctx, key, format.MaxRestore, func(text []byte) error {
		if format.RefOf(text) != b.Manifest.Restore {
			return damaged("read", key, errNotNamed)
		}
		return nil
	})
	switch {
	case errors.Is(err, providers.ErrNotFound):
		c.add(key, errors.New("it is missing"))
	case err != nil:
		if err := c.note(err); err != nil {
			return err
		}
	}
	c.report.Objects++
	for i := range b.Manifest.Images {
		if err := c.note(c.image(ctx, b, i, opts)); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) image(ctx context.Context, b *Backup, i int, opts VerifyOptions) error {
	open := b.newPuller // which takes no key
	if opts.Sample > 0 {
		open = b.openPuller
	}
	p, err := open(ctx, i)
	if err != nil {
		return err
	}
	c.report.Objects++
	if p.im.Extents != nil {
		c.report.Objects++
	}
	missing := map[int64]bool{}
	rows := func(yield func(format.Row, error) bool) {
		for r, err := range p.rows() {
			c.report.Objects++
			if !yield(r, err) {
				return
			}
		}
	}
	err = c.v.compare(ctx, p.prefix, rows, func(key string, problem error) error {
		c.add(key, problem)
		if name, ok := format.ParseSegment(strings.TrimPrefix(key, p.prefix)); ok {
			missing[name.Index] = true
		}
		return nil
	})
	if err != nil || opts.Sample <= 0 {
		return err
	}
	pick := sampler(opts, p.im.Name)
	c.v.opts.Progress.Total.Add(int64(float64(p.layout.Data) * min(opts.Sample, 1)))
	p.excuse = c.note
	err = p.scatter(ctx, func(r format.Row) bool {
		read := !missing[r.Index] && pick(r.Index)
		if read {
			c.report.Read++
			c.report.Bytes += r.Stored
		}
		return read
	}, func(frameJob, []byte, bool) error { return nil })
	return err
}

// sampler picks the given part of all indexes, the same for one seed.
func sampler(opts VerifyOptions, image string) func(int64) bool {
	return func(index int64) bool {
		if opts.Sample >= 1 {
			return true
		}
		h := fnv.New64a()
		_ = binary.Write(h, binary.LittleEndian, []uint64{opts.Seed, uint64(index)})
		_, _ = h.Write([]byte(image))
		return float64(h.Sum64()>>11)/(1<<53) < opts.Sample
	}
}

// compare walks the rows of a table and the listing of its segments side by
// side and reports every segment that is missing or has another size. What
// the listing has besides is no problem: two objects may carry one index.
func (v *Vault) compare(ctx context.Context, prefix string, rows iter.Seq2[format.Row, error], report func(key string, problem error) error) error {
	next, stop := iter.Pull2(v.bucket.List(ctx, prefix))
	defer stop()
	o, err, more := next()
	for r, rerr := range rows {
		if rerr != nil {
			return rerr
		}
		key := prefix + r.String()
		for more && err == nil && o.Key < key {
			o, err, more = next()
		}
		if more && err != nil {
			return err
		}
		var problem error
		switch {
		case !more || o.Key != key:
			problem = errors.New("it is missing")
		case o.Size != r.Stored:
			problem = fmt.Errorf("it has %d bytes, the table says %d", o.Size, r.Stored)
		default:
			continue
		}
		if err := report(key, problem); err != nil {
			return err
		}
	}
	return nil
}
