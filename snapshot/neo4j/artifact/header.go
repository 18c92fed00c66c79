package artifact

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The formats, named by what the first bytes say.
const (
	FormatZstd       = "DZV1" // dumps of Neo4j 4.4 and later
	FormatGzip       = "DGV1" // the same where the zstd library cannot be loaded
	FormatLegacyZstd = "zstd" // dumps of Neo4j 3.5 and 4.x
	FormatLegacyGzip = "gzip" // the fallback of those

	FormatBackupZstd1 = "BZV1" // backups: the header is within the zstd frame
	FormatBackupZstd2 = "BZV2" // the same, with more in the header
	FormatBackupZstd3 = "BZV3" // the header comes before the zstd frame
	FormatBackupTar1  = "BTV1" // backups that are not compressed
	FormatBackupTar2  = "BTV2"
)

var (
	// ErrBad says that bytes are not one whole artifact of Neo4j.
	ErrBad = errors.New("not a complete Neo4j dump or backup")
	// ErrUnknown says that bytes do not begin as any artifact does.
	ErrUnknown = errors.New("not a Neo4j dump or backup")
	// ErrSplit says that an artifact is one of the parts of a split one.
	ErrSplit = errors.New("it is part of a split archive, which cannot be read alone")
)

const (
	// maxWindow is the most history a zstd frame may ask a decoder to keep.
	// Neo4j compresses at the library's default level, whose window is 2 MiB;
	// 8 MiB is what RFC 8878 asks of every decoder.
	maxWindow = 8 << 20
	// maxText bounds one text of a header. The largest is the script of users and
	// roles, of which Neo4j writes no more than 1 MiB.
	maxText  = 1 << 20
	maxTexts = 64

	magicSize      = 4
	zstdMagic      = "\x28\xb5\x2f\xfd"
	gzipMagic      = "\x1f\x8b"
	preambleMarker = "zstd"
	scriptKey      = "metadataScript"
	scriptGzipKey  = "compressedMetadataScript" // the same since 2026, as gzip
)

// Kind is what an artifact is of.
type Kind string

// The kinds.
const (
	Dump         Kind = "dump"         // of neo4j-admin dump
	Full         Kind = "full"         // a full backup
	Differential Kind = "differential" // of what came after another backup
)

// Header is what an artifact says of itself.
type Header struct {
	Format string // one of the Format constants
	Kind   Kind
	// Counted says that it announces Files and Bytes: the gzip formats and plain
	// tars do not.
	Counted bool
	Files   int64 // regular files; directories are not among them
	Bytes   int64 // content of all files, uncompressed
	// Backup is nil of a dump.
	Backup *Backup
}

// Backup is what the header of a .backup file says.
type Backup struct {
	Database   string
	DatabaseID string // UUID
	Store      StoreID
	Time       time.Time // UTC, to the second
	// Lowest and Highest are the transactions that it holds, or append indexes in
	// newer versions; both 0: nothing has changed since the one before.
	Lowest, Highest int64
	Recovered       bool // it can be used as it is
	Compressed      bool
	// Script is the Cypher that makes its users and roles again; empty: it has
	// none.
	Script string
}

// Empty reports whether the backup says that nothing has changed.
func (b *Backup) Empty() bool { return b.Lowest == 0 && b.Highest == 0 }

// StoreID tells a store from others.
type StoreID struct {
	Created, Random int64
	Engine, Format  string // record, aligned
	Major, Minor    int8
}

// KnownMagic reports whether bytes begin as an artifact does.
func KnownMagic(head []byte) bool {
	text := string(head)
	return slices.ContainsFunc([]string{FormatZstd, FormatGzip, zstdMagic, gzipMagic, FormatBackupZstd1, FormatBackupZstd2, FormatBackupZstd3,
		FormatBackupTar1, FormatBackupTar2}, func(magic string) bool { return strings.HasPrefix(text, magic) })
}

// ReadHeader reads the beginning of an artifact and returns what it says: 192 KiB
// are enough, unless there is a long script of users. It proves nothing of what
// follows. Errors wrap ErrUnknown, ErrSplit or ErrBad; an error of r itself is
// passed on.
func ReadHeader(r io.Reader) (Header, error) {
	src := &errorReader{r: r}
	c, err := open(bufio.NewReaderSize(src, magicSize<<10))
	if errors.Is(err, ErrUnknown) && src.err == nil || errors.Is(err, ErrSplit) {
		return Header{}, err
	}
	if err = explain(src, err); err != nil {
		return Header{}, err
	}
	c.close()
	return c.info.Header, nil
}

// content is an artifact whose header was read.
type content struct {
	info  Info
	tar   io.Reader
	alone bool // what follows the end must be looked at beside tar
	close func()
}

func open(br *bufio.Reader) (*content, error) {
	magic, err := br.Peek(magicSize)
	if err != nil {
		return nil, err
	}
	format := string(magic)
	switch {
	case format == zstdMagic:
		return openZstd(br, FormatLegacyZstd)
	case strings.HasPrefix(format, gzipMagic):
		return openGzip(br, FormatLegacyGzip)
	case strings.HasSuffix(format, "MV1") || strings.HasSuffix(format, "DV1"):
		return nil, fmt.Errorf("%w: it begins with %q", ErrSplit, format)
	case !KnownMagic(magic):
		return nil, fmt.Errorf("%w: it begins with %q", ErrUnknown, format)
	}
	if _, err := br.Discard(magicSize); err != nil {
		return nil, err
	}
	switch format {
	case FormatGzip:
		return openGzip(br, format)
	case FormatBackupTar1, FormatBackupTar2:
		return openTar(br, format)
	}
	return openZstd(br, format)
}

func openTar(br *bufio.Reader, format string) (*content, error) {
	c := &content{tar: br, close: func() {}}
	return c, c.readBackup(br, format)
}

func openGzip(br *bufio.Reader, format string) (*content, error) {
	dec, err := gzip.NewReader(br)
	if err != nil {
		return nil, err
	}
	dec.Multistream(false)
	c := &content{tar: dec, alone: true, close: func() {}}
	c.info.Format, c.info.Kind, c.info.Checksum = format, Dump, true
	return c, nil
}

func openZstd(br *bufio.Reader, format string) (*content, error) {
	c := &content{}
	c.info.Format, c.info.Kind = format, Dump
	if format == FormatBackupZstd3 {
		if err := c.readBackup(br, format); err != nil {
			return nil, err
		}
	}
	var header zstd.Header
	head, err := br.Peek(zstd.HeaderMaxSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := header.Decode(head); err != nil {
		return nil, err
	}
	if header.Skippable {
		return nil, errors.New("it begins with a skippable frame")
	}
	c.info.Checksum, c.info.Window = header.HasCheckSum, header.WindowSize
	if header.SingleSegment {
		c.info.Window = header.FrameContentSize
	}
	// One goroutine: it is decoded while it passes, and the cores are needed for
	// what happens to it next.
	dec, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	c.tar, c.close = dec, dec.Close
	if err := c.readPreamble(dec, format); err != nil {
		dec.Close()
		return nil, err
	}
	return c, nil
}

// readPreamble reads what Neo4j puts before the tar: a marker, in the older
// backups their header, a version, the number of regular files and the sum of
// their sizes.
func (c *content) readPreamble(r io.Reader, format string) error {
	var marker [len(preambleMarker)]byte
	if _, err := io.ReadFull(r, marker[:]); err != nil {
		return err
	}
	if string(marker[:]) != preambleMarker {
		return fmt.Errorf("its header begins with %q", marker[:])
	}
	if format == FormatBackupZstd1 || format == FormatBackupZstd2 {
		if err := c.readBackup(r, format); err != nil {
			return err
		}
	}
	f := fields{r: r}
	version, files, size := f.int32(), f.int64(), f.int64()
	switch {
	case f.err != nil:
		return f.err
	case version != 1:
		return fmt.Errorf("its header has version %d, only 1 is known", version)
	case files < 0 || size < 0:
		return fmt.Errorf("its header announces %d files of %d bytes", files, size)
	}
	// Neo4j 5 writes zeros where nobody watches how far it is: a backup is never
	// empty, so they say nothing.
	c.info.Counted = c.info.Backup == nil || files > 0 || size > 0
	c.info.Files, c.info.Bytes = files, size
	return nil
}

// readBackup reads the header of a backup.
func (c *content) readBackup(r io.Reader, format string) error {
	f := fields{r: r}
	if second := format != FormatBackupZstd1 && format != FormatBackupTar1; second {
		f.expect(2, "version of its header")
	}
	b := &Backup{}
	f.expect(1, "version of its store id")
	b.Store.Created, b.Store.Random = f.int64(), f.int64()
	b.Store.Engine, b.Store.Format = f.short(), f.short()
	b.Store.Major, b.Store.Minor = int8(f.byte()), int8(f.byte()) //nolint:gosec // signed bytes they are
	f.expect(16, "length of its database id")
	id := f.bytes(16)
	b.Database = f.short()
	b.Time = time.Unix(f.int64(), 0).UTC()
	b.Lowest, b.Highest = f.int64(), f.int64()
	flags := f.bytes(int(f.byte()))
	if format != FormatBackupZstd1 && format != FormatBackupTar1 {
		b.Script = f.script()
	}
	if f.err != nil {
		return f.err
	}
	b.DatabaseID = fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	full := false
	if len(flags) > 0 {
		b.Recovered, b.Compressed, full = flags[0]&1 != 0, flags[0]&2 != 0, flags[0]&4 != 0
	}
	if b.Lowest < 0 || b.Highest < b.Lowest {
		return fmt.Errorf("its header announces transactions %d to %d", b.Lowest, b.Highest)
	}
	c.info.Format, c.info.Kind, c.info.Backup = format, Differential, b
	if full {
		c.info.Kind = Full
	}
	return nil
}

// fields reads a header, big-endian, and remembers the first error.
type fields struct {
	r   io.Reader
	err error
}

func (f *fields) bytes(n int) []byte {
	b := make([]byte, n)
	if f.err == nil {
		_, f.err = io.ReadFull(f.r, b)
	}
	return b
}

func (f *fields) byte() byte   { return f.bytes(1)[0] }
func (f *fields) int32() int32 { return int32(binary.BigEndian.Uint32(f.bytes(4))) } //nolint:gosec // signed it is
func (f *fields) int64() int64 { return int64(binary.BigEndian.Uint64(f.bytes(8))) } //nolint:gosec // signed it is

// expect reads a byte that has one known value.
func (f *fields) expect(want byte, what string) {
	if got := f.byte(); f.err == nil && got != want {
		f.err = fmt.Errorf("the %s is %d, only %d is known", what, got, want)
	}
}

// short reads a text with its length in a byte.
func (f *fields) short() string { return string(f.bytes(int(f.byte()))) }

// long reads a text with its length in four bytes, without taking more memory
// than there is text.
func (f *fields) long() string {
	n := f.int32()
	if f.err != nil {
		return ""
	}
	if n < 0 || n > maxText {
		f.err = fmt.Errorf("its header has a text of %d bytes", n)
		return ""
	}
	var b bytes.Buffer
	if _, f.err = io.CopyN(&b, f.r, int64(n)); f.err != nil {
		return ""
	}
	return b.String()
}

// script reads the texts of a header and returns the one that makes users and
// roles.
func (f *fields) script() string {
	all := f.texts()
	packed, ok := all[scriptGzipKey]
	if !ok || f.err != nil {
		return all[scriptKey]
	}
	dec, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		f.err = fmt.Errorf("its script: %w", err)
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(dec, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("it has more than %d bytes", maxText)
	}
	if err != nil {
		f.err = fmt.Errorf("its script: %w", err)
	}
	return string(text)
}

// texts reads texts by their names.
func (f *fields) texts() map[string]string {
	n := f.int32()
	if f.err == nil && (n < 0 || n > maxTexts) {
		f.err = fmt.Errorf("its header has %d texts", n)
	}
	all := map[string]string{}
	for i := int32(0); i < n && f.err == nil; i++ {
		name := f.long()
		all[name] = f.long()
	}
	return all
}
