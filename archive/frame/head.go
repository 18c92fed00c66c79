package frame

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// DecodeHead decodes up to n bytes from the beginning of frames of which the end
// may be missing. Blocks that are not there as a whole are left out; nothing at
// all is an error.
func DecodeHead(r io.Reader, n int) ([]byte, error) {
	dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxChunk))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	defer dec.Close()
	head := make([]byte, n)
	got, err := io.ReadFull(dec, head)
	if got == 0 && err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return head[:got], nil
}
