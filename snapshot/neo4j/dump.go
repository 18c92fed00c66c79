package neo4j

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The formats of a dump, named by what its first bytes say.
const (
	FormatZstd       = "DZV1" // Neo4j 4.4 and later
	FormatGzip       = "DGV1" // the same where the zstd library cannot be loaded
	FormatLegacyZstd = "zstd" // Neo4j 3.5 and 4.x
	FormatLegacyGzip = "gzip" // the fallback of those
)

// ErrBadDump says that bytes are not one whole Neo4j dump.
var ErrBadDump = errors.New("not a complete Neo4j dump")

const (
	// maxWindow is the most history a zstd frame may ask a decoder to keep.
	// Neo4j compresses at the library's default level, whose window is 2 MiB;
	// 8 MiB is what RFC 8878 asks of every decoder.
	maxWindow = 8 << 20
	// maxPadding bounds the zeros after the end of the tar. Neo4j writes none;
	// tar programs fill a record of 10 KiB.
	maxPadding = 64 << 10

	zstdMagic      = "\x28\xb5\x2f\xfd"
	gzipMagic      = "\x1f\x8b"
	tarBlock       = 512
	preambleMarker = "zstd"
)

// DumpInfo is what a verified dump holds.
type DumpInfo struct {
	Format string // one of the Format constants
	// Counted says that the dump announced Files and Bytes itself. The gzip
	// formats do not; what is told of them was merely counted.
	Counted     bool
	Files       int64  // regular files; directories are not among them
	Directories int64  // directory entries
	Bytes       int64  // content of all files, uncompressed
	Window      uint64 // bytes of history the zstd frame needs; 0 for gzip
	Checksum    bool   // the compressed stream ends in a checksum of its content
}

// VerifyDump reads a dump to its end and proves it whole: it decompresses all
// of it, walks the tar inside, and compares the number of files and bytes with
// those in the dump's own header. Any disagreement, and anything after the end,
// is an error that wraps ErrBadDump; an error of r itself is passed on. It
// keeps less than 16 MiB in memory, whatever the dump.
func VerifyDump(r io.Reader) (DumpInfo, error) {
	src := &errorReader{r: r}
	info, err := verifyDump(bufio.NewReaderSize(src, 64<<10))
	switch {
	case src.err != nil:
		return DumpInfo{}, fmt.Errorf("read dump: %w", src.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return DumpInfo{}, fmt.Errorf("%w: it is cut off", ErrBadDump)
	case err != nil:
		return DumpInfo{}, fmt.Errorf("%w: %w", ErrBadDump, err)
	}
	return info, nil
}

func verifyDump(br *bufio.Reader) (DumpInfo, error) {
	magic, err := br.Peek(len(FormatZstd))
	if err != nil {
		return DumpInfo{}, err
	}
	switch string(magic) {
	case FormatZstd:
		if _, err := br.Discard(len(FormatZstd)); err != nil {
			return DumpInfo{}, err
		}
		return verifyZstd(br, FormatZstd)
	case zstdMagic:
		return verifyZstd(br, FormatLegacyZstd)
	case FormatGzip:
		if _, err := br.Discard(len(FormatGzip)); err != nil {
			return DumpInfo{}, err
		}
		return verifyGzip(br, FormatGzip)
	}
	if strings.HasPrefix(string(magic), gzipMagic) {
		return verifyGzip(br, FormatLegacyGzip)
	}
	return DumpInfo{}, fmt.Errorf("it begins with %q", magic)
}

func verifyZstd(br *bufio.Reader, format string) (DumpInfo, error) {
	var header zstd.Header
	head, err := br.Peek(zstd.HeaderMaxSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return DumpInfo{}, err
	}
	if err := header.Decode(head); err != nil {
		return DumpInfo{}, err
	}
	if header.Skippable {
		return DumpInfo{}, errors.New("it begins with a skippable frame")
	}
	// One goroutine: the dump is decoded while it passes, and the cores are
	// needed for what happens to it next.
	dec, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return DumpInfo{}, err
	}
	defer dec.Close()
	info := DumpInfo{Format: format, Counted: true, Checksum: header.HasCheckSum, Window: header.WindowSize}
	if header.SingleSegment {
		info.Window = header.FrameContentSize
	}
	files, bytes, err := readPreamble(dec)
	if err != nil {
		return DumpInfo{}, err
	}
	if err := walkTar(dec, &info, bytes); err != nil {
		return DumpInfo{}, err
	}
	if info.Files != files || info.Bytes != bytes {
		return DumpInfo{}, fmt.Errorf("its header announces %d files of %d bytes, it holds %d of %d",
			files, bytes, info.Files, info.Bytes)
	}
	return info, nil
}

func verifyGzip(br *bufio.Reader, format string) (DumpInfo, error) {
	dec, err := gzip.NewReader(br)
	if err != nil {
		return DumpInfo{}, err
	}
	dec.Multistream(false)
	info := DumpInfo{Format: format, Checksum: true}
	if err := walkTar(dec, &info, -1); err != nil {
		return DumpInfo{}, err
	}
	if _, err := br.ReadByte(); err == nil {
		return DumpInfo{}, errors.New("something follows its end")
	} else if !errors.Is(err, io.EOF) {
		return DumpInfo{}, err
	}
	return info, nil
}

// readPreamble reads what Neo4j puts before the tar: a marker, a format
// version, the number of regular files and the sum of their sizes.
func readPreamble(r io.Reader) (files, bytes int64, err error) {
	var raw [4 + 4 + 8 + 8]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return 0, 0, err
	}
	if marker := string(raw[:4]); marker != preambleMarker {
		return 0, 0, fmt.Errorf("its header begins with %q", marker)
	}
	if version := binary.BigEndian.Uint32(raw[4:]); version != 1 {
		return 0, 0, fmt.Errorf("its header has version %d, only 1 is known", version)
	}
	files = int64(binary.BigEndian.Uint64(raw[8:]))
	bytes = int64(binary.BigEndian.Uint64(raw[16:]))
	if files < 0 || bytes < 0 {
		return 0, 0, fmt.Errorf("its header announces %d files of %d bytes", files, bytes)
	}
	return files, bytes, nil
}

// walkTar reads the tar and all that follows it in r, and counts into info.
// With limit >= 0 it refuses the first entry that goes beyond so many bytes.
func walkTar(r io.Reader, info *DumpInfo, limit int64) error {
	counter := &countingReader{r: r}
	tr := tar.NewReader(counter)
	var padding int64 // between the last entry's content and the next header
	for {
		start := counter.n + padding
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			// archive/tar takes a bare end of input for the end of the
			// archive; a whole one ends in two blocks of zeros.
			if counter.n < start+2*tarBlock || counter.tail != [2 * tarBlock]byte{} {
				return io.ErrUnexpectedEOF
			}
			return drainPadding(r)
		}
		if err != nil {
			return err
		}
		if err := countEntry(tr, header, info, limit); err != nil {
			return fmt.Errorf("entry %.200q: %w", header.Name, err)
		}
		padding = (tarBlock - header.Size%tarBlock) % tarBlock
	}
}

// countEntry accepts what Neo4j writes, files and directories with names that
// stay inside, and reads the content of a file.
func countEntry(tr *tar.Reader, header *tar.Header, info *DumpInfo, limit int64) error {
	if !filepath.IsLocal(filepath.FromSlash(header.Name)) {
		return errors.New("its name leads out of the archive")
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return errors.New("it is sparse")
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		info.Directories++
		return nil
	case tar.TypeReg:
	default:
		return fmt.Errorf("its type is %q", header.Typeflag)
	}
	if limit >= 0 && header.Size > limit-info.Bytes {
		return errors.New("it exceeds the size that the header announces")
	}
	n, err := io.Copy(io.Discard, tr)
	info.Files++
	info.Bytes += n
	return err
}

// drainPadding reads to the end and accepts a few zeros alone.
func drainPadding(r io.Reader) error {
	buf := make([]byte, 4096)
	total := 0
	for {
		n, err := r.Read(buf)
		total += n
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("something follows its end")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if total > maxPadding {
			return errors.New("too many zeros follow its end")
		}
	}
}

// countingReader counts what passes and keeps the last two blocks of it.
type countingReader struct {
	r    io.Reader
	n    int64
	tail [2 * tarBlock]byte
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	last := p[max(0, n-len(c.tail)):n]
	copy(c.tail[:], c.tail[len(last):])
	copy(c.tail[len(c.tail)-len(last):], last)
	return n, err
}

// errorReader remembers an error of the source, so that it can be told from a
// fault of what was read.
type errorReader struct {
	r   io.Reader
	err error
}

func (e *errorReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}
	return n, err
}
