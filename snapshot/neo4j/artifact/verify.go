package artifact

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

const (
	// maxPadding bounds the zeros after the end of the tar. Neo4j writes none;
	// tar programs fill a record of 10 KiB.
	maxPadding = 64 << 10

	tarBlock = 512
)

// Info is what a verified artifact holds.
type Info struct {
	Header
	Directories int64  // directory entries
	Window      uint64 // bytes of history the zstd frame needs; 0 for other formats
	Checksum    bool   // the compressed stream ends in a checksum of its content
}

// Verify reads an artifact to its end and proves it whole: it decompresses all
// of it, walks the tar inside, and compares the number of files and bytes with
// those in its own header, where it has them. Any disagreement, and anything
// after the end, is an error that wraps ErrBad; an error of r itself is passed
// on. Where nothing was announced, Files and Bytes are what was counted. It keeps
// less than 16 MiB in memory, whatever the artifact.
func Verify(r io.Reader) (Info, error) {
	src := &errorReader{r: r}
	info, err := verify(bufio.NewReaderSize(src, 64<<10))
	if err = explain(src, err); err != nil {
		return Info{}, err
	}
	return info, nil
}

// explain tells an error of the source from a fault of what was read.
func explain(src *errorReader, err error) error {
	switch {
	case err == nil:
		return nil
	case src.err != nil:
		return fmt.Errorf("read artifact: %w", src.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it is cut off", ErrBad)
	}
	return fmt.Errorf("%w: %w", ErrBad, err)
}

func verify(br *bufio.Reader) (Info, error) {
	c, err := open(br)
	if err != nil {
		return Info{}, err
	}
	defer c.close()
	announced := c.info
	limit := int64(-1)
	if announced.Counted {
		limit = announced.Bytes
	}
	info := announced
	info.Files, info.Bytes = 0, 0
	if err := walkTar(c.tar, &info, limit); err != nil {
		return Info{}, err
	}
	if announced.Counted && (info.Files != announced.Files || info.Bytes != announced.Bytes) {
		return Info{}, fmt.Errorf("its header announces %d files of %d bytes, it holds %d of %d",
			announced.Files, announced.Bytes, info.Files, info.Bytes)
	}
	if !c.alone {
		return info, nil
	}
	if _, err := br.ReadByte(); err == nil {
		return Info{}, errors.New("something follows its end")
	} else if !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	return info, nil
}

// walkTar reads the tar and all that follows it in r, and counts into info.
// With limit >= 0 it refuses the first entry that goes beyond so many bytes.
func walkTar(r io.Reader, info *Info, limit int64) error {
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
func countEntry(tr *tar.Reader, header *tar.Header, info *Info, limit int64) error {
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
