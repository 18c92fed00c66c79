package untar

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// holeSize is the unit in which a run of zeros becomes a hole, in bytes: small
// enough for the sparse files of databases, large enough not to shatter a file.
const holeSize = 64 << 10

// copySparse writes size bytes of r to the empty file f, and leaves out what is
// zero. buf is a multiple of holeSize.
func copySparse(f *os.File, r io.Reader, size int64, buf []byte) error {
	zeros := make([]byte, min(holeSize, size))
	for pos := int64(0); pos < size; {
		b := buf[:min(int64(len(buf)), size-pos)]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("read tar: %w", err)
		}
		for len(b) > 0 {
			n := dataRun(b, zeros)
			if n > 0 {
				if _, err := f.WriteAt(b[:n], pos); err != nil {
					return err
				}
			} else {
				n = holeSize
			}
			pos, b = pos+int64(n), b[n:]
		}
	}
	if size == 0 {
		return nil
	}
	return f.Truncate(size)
}

// dataRun is the length of the start of b up to the first full unit of zeros.
func dataRun(b, zeros []byte) int {
	n := 0
	for n < len(b) {
		end := min(n+holeSize, len(b))
		if end-n == holeSize && bytes.Equal(b[n:end], zeros) {
			return n
		}
		n = end
	}
	return n
}
