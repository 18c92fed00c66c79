package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// parseCount reads a decimal number of at most 18 digits, without sign and
// without leading zeros.
func parseCount(s string) (int64, error) {
	if len(s) == 0 || len(s) > 18 || len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("%q is not a count", s)
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%q is not a count", s)
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, nil
}

// writeLines compresses the lines that write produces into out.
func writeLines(out io.Writer, write func(*bufio.Writer) error) error {
	enc, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return fmt.Errorf("make zstd encoder: %w", err)
	}
	w := bufio.NewWriterSize(enc, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return enc.Close()
}

// maxLine is the longest line of a table or an extents object, in bytes. It
// leaves room for the digests of 64 raw chunks in a table's row.
const maxLine = 8 << 10

// lineReader reads compressed lines of tab-separated fields.
type lineReader struct {
	dec    *zstd.Decoder
	scan   *bufio.Scanner
	number int
}

// readLines begins to read compressed lines, the first of which must be the
// header. The caller closes the lineReader.
func readLines(r io.Reader, header string) (*lineReader, error) {
	dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	l := &lineReader{dec: dec, scan: bufio.NewScanner(dec)}
	l.scan.Buffer(make([]byte, 0, maxLine), maxLine)
	l.scan.Split(scanWholeLines)
	if !l.scan.Scan() || l.scan.Text() != header {
		l.close()
		if err := l.scan.Err(); err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return nil, fmt.Errorf("the first line is not %q", header)
	}
	l.number = 1
	return l, nil
}

// next returns the fields of the next line, at most limit and a rest. There
// must be one: an object without its end record is cut short.
func (l *lineReader) next(limit int) ([]string, error) {
	if !l.scan.Scan() {
		if err := l.scan.Err(); err != nil {
			return nil, fmt.Errorf("after line %d: %w", l.number, err)
		}
		return nil, fmt.Errorf("after line %d: the end record is missing", l.number)
	}
	l.number++
	return strings.SplitN(l.scan.Text(), "\t", limit+1), nil
}

// end checks that nothing follows the end record.
func (l *lineReader) end() error {
	if l.scan.Scan() {
		return fmt.Errorf("line %d: something follows the end record", l.number+1)
	}
	if err := l.scan.Err(); err != nil {
		return fmt.Errorf("after line %d: %w", l.number, err)
	}
	return nil
}

func (l *lineReader) close() { l.dec.Close() }

// scanWholeLines is a bufio.SplitFunc for lines that each end in a newline:
// a last line without one is an error, not a line.
func scanWholeLines(data []byte, atEOF bool) (int, []byte, error) {
	for i, c := range data {
		if c == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errors.New("the last line is cut short")
	}
	return 0, nil, nil
}
