// Package artifacttest writes .backup files of Neo4j, for tests: no server that
// makes them can be fetched freely.
package artifacttest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Backup is what the header of a file says. Its format is BZV2.
type Backup struct {
	Database        string
	ID              string // 32 hexadecimal digits
	Time            time.Time
	Lowest, Highest int64
	Full, Recovered bool
	Script          string // of users and roles; empty: there is none
}

// Write writes a backup whose store is the tar, which has so many regular files
// of so many bytes.
func (b *Backup) Write(w io.Writer, files, size int64, store io.Reader) error {
	if _, err := io.WriteString(w, "BZV2"); err != nil {
		return err
	}
	enc, err := zstd.NewWriter(w, zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	head, err := b.head(files, size)
	if err == nil {
		_, err = enc.Write(head)
	}
	if err == nil {
		_, err = io.Copy(enc, store)
	}
	return errors.Join(err, enc.Close())
}

// WriteFile is Write of a store that is one file with that content.
func (b *Backup) WriteFile(w io.Writer, name, content string) error {
	var store bytes.Buffer
	t := tar.NewWriter(&store)
	err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.WriteString(t, content)
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return err
	}
	return b.Write(w, 1, int64(len(content)), &store)
}

// WriteDump is Write of the store in a dump of 4.4 or later.
func (b *Backup) WriteDump(w io.Writer, dump io.Reader) error {
	magic := make([]byte, 4)
	if _, err := io.ReadFull(dump, magic); err != nil {
		return err
	}
	dec, err := zstd.NewReader(dump)
	if err != nil {
		return err
	}
	defer dec.Close()
	var head struct {
		Marker      [4]byte
		Version     int32
		Files, Size int64
	}
	if err := binary.Read(dec, binary.BigEndian, &head); err != nil {
		return err
	}
	if string(magic) != "DZV1" || string(head.Marker[:]) != "zstd" {
		return errors.New("it is no dump of 4.4 or later")
	}
	return b.Write(w, head.Files, head.Size, dec)
}

// head is what comes before the tar: a marker, the header, and the counters.
func (b *Backup) head(files, size int64) ([]byte, error) {
	id, err := hex.DecodeString(strings.ReplaceAll(b.ID, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, errors.New("the id has not 32 hexadecimal digits")
	}
	const recovered, compressed, full = 1, 2, 4
	flags := uint8(compressed)
	if b.Recovered {
		flags |= recovered
	}
	if b.Full {
		flags |= full
	}
	var h bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&h, binary.BigEndian, v) // to memory
		}
	}
	short := func(s string) { put(uint8(len(s)), []byte(s)) } //nolint:gosec // they are short
	long := func(s string) { put(int32(len(s)), []byte(s)) }  //nolint:gosec // likewise
	h.WriteString("zstd")
	put(uint8(2), uint8(1), int64(1_700_000_000_000), int64(42)) // versions, and a store id
	short("record")
	short("aligned")
	put(int8(1), int8(1), uint8(len(id)), id)
	short(b.Database)
	put(b.Time.Unix(), b.Lowest, b.Highest, uint8(1), flags)
	if b.Script == "" {
		put(int32(0))
	} else {
		put(int32(1))
		long("metadataScript")
		long(b.Script)
	}
	put(int32(1), files, size)
	return h.Bytes(), nil
}
