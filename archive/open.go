package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// Backup is a complete backup, opened for reading. It is safe for concurrent
// use.
type Backup struct {
	Name     format.Name
	Manifest *format.Manifest
	Capture  *format.Capture
	// Signature is nil if there is none, or none was looked for: the vault is
	// not signed.
	Signature *Signature

	v   *Vault
	mu  sync.Mutex
	key *envelope.Key // once it was opened
}

// Open reads the manifest and the capture of n and checks that they belong
// together, and where the vault is signed that the signature is right. Missing
// or wrong ones are ErrDamaged; if there is no manifest, it is ErrNotFound.
func (v *Vault) Open(ctx context.Context, n format.Name) (*Backup, error) {
	m, by, err := v.readManifest(ctx, n, false)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, &Error{Op: "open", Name: n.String(), Err: ErrNotFound,
			Hint: "It was never completed, or is gone; `snapferry list --incomplete VAULT` shows what was begun."}
	}
	if err != nil {
		return nil, err
	}
	c, _, err := v.readCapture(ctx, n, &m.Capture)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, damaged("open", v.catalogKey(n, format.CaptureFile), errors.New("it is missing"))
	}
	if err != nil {
		return nil, err
	}
	if by == nil && c.Tag != "" { // nobody demands a signature, but there should be one
		if _, by, err = v.readManifest(ctx, n, true); err != nil {
			return nil, err
		}
	}
	return &Backup{Name: n, Manifest: m, Capture: c, Signature: by, v: v}, nil
}

// Image returns the number of the image with that name or title.
func (b *Backup) Image(name string) (int, bool) {
	for i, im := range b.Manifest.Images {
		if im.Name == name || im.Title == name {
			return i, true
		}
	}
	return 0, false
}

// layout returns where the data of image i lies.
func (b *Backup) layout(ctx context.Context, i int) (*format.Layout, error) {
	im := b.Manifest.Images[i]
	if im.Extents == nil {
		return format.WholeLayout(im.Size), nil
	}
	key := b.v.catalogKey(b.Name, im.Name+format.ExtentsSuffix)
	l, _, err := b.v.readExtents(ctx, b.Name, im.Name, im.Size, im.Extents)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, damaged("open", key, errors.New("it is missing"))
	}
	if err == nil && l.Data != im.Data {
		err = damaged("open", key, fmt.Errorf("it holds %d bytes of data, the manifest says %d", l.Data, im.Data))
	}
	return l, err
}

// fetchTries is how often an object is read before its content is called
// wrong: once the bytes were only wrong on the way, the second is right.
const fetchTries = 2

// fetch reads the whole object key of exactly size bytes whose SHA-256 is
// sum, in hexadecimal. Any other content is ErrDamaged. The memory must have
// been acquired.
func (v *Vault) fetch(ctx context.Context, budget *memory.Budget, key string, size int64, sum string) (*memory.Buffer, error) {
	older := func(cause error) (*memory.Buffer, error) {
		buf, err := v.fetchVersion(ctx, budget, key, size, sum)
		if buf == nil && err == nil {
			err = cause
		}
		return buf, err
	}
	var problem error
	for range fetchTries {
		buf := budget.NewBuffer()
		h := sha256.New()
		err := v.fill(ctx, buf, key, size, h)
		switch {
		case err == nil && hex.EncodeToString(h.Sum(nil)) == sum:
			return buf, nil
		case err == nil:
			problem = errors.New("its content does not match its hash")
		case errors.Is(err, memory.ErrSize):
			problem = err
		default:
			buf.Free()
			if errors.Is(err, providers.ErrNotFound) {
				return older(err)
			}
			return nil, err
		}
		buf.Free()
		v.opts.Log.Warn("object read with wrong content", "key", key, "problem", problem)
	}
	return older(damaged("read", key, problem))
}

// pulled is a segment that was read and found right.
type pulled struct {
	row    format.Row
	buf    *memory.Buffer // as it was before it was encrypted
	frames []frame.Entry
}

// pull reads the segment that a row of the table names. The memory, as rowMemory
// says, must have been acquired.
func (p *puller) pull(ctx context.Context, r format.Row) (*pulled, error) {
	key := p.prefix + r.String()
	buf, err := p.b.v.fetch(ctx, p.budget, key, r.Stored, hex.EncodeToString(r.Sum[:]))
	if errors.Is(err, providers.ErrNotFound) {
		return nil, damaged("read", key, errors.New("it is missing"))
	}
	if err != nil {
		return nil, err
	}
	if p.key != nil {
		if buf, err = p.decrypt(buf); err != nil {
			return nil, damaged("read", key, err)
		}
	}
	table := min(int64(frame.MaxSeekTable(int((r.Raw+p.shape.Chunk-1)/p.shape.Chunk))), buf.Size())
	tail := buf.Slice(buf.Size()-table, int(table), make([]byte, 0, table))
	frames, err := frame.ParseSeekTable(tail, frame.Layout{Stored: buf.Size(), Raw: r.Raw, Chunk: p.shape.Chunk})
	if err != nil {
		buf.Free()
		return nil, damaged("read", key, err)
	}
	p.b.v.opts.Progress.Stored.Add(r.Stored)
	p.b.v.opts.Progress.Objects.Add(1)
	return &pulled{row: r, buf: buf, frames: frames}, nil
}

// decrypt frees the stored form page by page while it makes the other.
func (p *puller) decrypt(stored *memory.Buffer) (*memory.Buffer, error) {
	defer stored.Free()
	plain := p.budget.NewBuffer()
	if err := p.key.Decrypt(plain, stored.Drain()); err != nil {
		plain.Free()
		return nil, err
	}
	return plain, nil
}
