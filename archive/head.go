package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/providers"
)

// headSpare is read beyond what is asked for: blocks are decoded whole, and
// encryption has a header of its own.
const headSpare = 256 << 10

// Head reads up to n bytes from the beginning of image i, by one request for a
// range of its first segment. There may be less: the image is shorter, or a block
// did not come as a whole. A range has no hash, so that nothing but decoding it
// has checked these bytes; Verify does. Of an encrypted backup it needs the key.
func (b *Backup) Head(ctx context.Context, i int, n int) ([]byte, error) {
	p, err := b.openPuller(ctx, i)
	if err != nil {
		return nil, err
	}
	for _, piece := range p.layout.Pieces(0, min(int64(n), p.layout.Data)) {
		if piece.Offset != 0 {
			return make([]byte, min(int64(n), piece.Offset)), nil
		}
		break
	}
	for row, err := range p.rows() {
		if err != nil {
			return nil, err
		}
		key := p.prefix + row.String()
		head, err := p.head(ctx, key, min(row.Stored, int64(n)+headSpare), n)
		if errors.Is(err, providers.ErrNotFound) {
			err = damaged("read", key, errors.New("it is missing"))
		}
		return head, err
	}
	return nil, nil // the image is empty
}

// head reads the beginning of a segment.
func (p *puller) head(ctx context.Context, key string, stored int64, n int) ([]byte, error) {
	r, err := p.b.v.bucket.Get(ctx, key, 0, stored)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, stored))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if p.key != nil {
		var plain bytes.Buffer
		// That the end is missing is an error, after all that is there.
		if err := p.key.Decrypt(&plain, bytes.NewReader(raw)); err != nil && plain.Len() == 0 {
			return nil, damaged("read", key, err)
		}
		raw = plain.Bytes()
	}
	head, err := frame.DecodeHead(bytes.NewReader(raw), n)
	if err != nil {
		return nil, damaged("read", key, fmt.Errorf("its beginning: %w", err))
	}
	return head, nil
}
