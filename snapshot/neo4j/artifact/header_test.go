package artifact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
)

// backupSpec is a .backup file made here, to the layout of Neo4j's source.
type backupSpec struct {
	format          string
	lowest, highest int64
	flags           byte
	script          string
	database        string
	dump            dumpSpec
	change          func(header []byte) []byte
}

func goodBackup(format string) backupSpec {
	d := goodSpec()
	return backupSpec{format: format, lowest: 1, highest: 42, flags: 7, script: "CREATE USER a", database: "neo4j", dump: d}
}

func (s backupSpec) header() []byte {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			switch v := v.(type) {
			case string:
				b.WriteString(v)
			default:
				if err := binary.Write(&b, binary.BigEndian, v); err != nil {
					panic(err)
				}
			}
		}
	}
	second := !strings.HasSuffix(s.format, "1")
	if second {
		put(byte(2))
	}
	put(byte(1), int64(1_700_000_000_000), int64(-5), byte(len("record")), "record", byte(len("aligned")), "aligned", int8(1), int8(-1))
	put(byte(16), "0123456789abcdef", byte(len(s.database)), s.database, int64(1_764_000_000), s.lowest, s.highest, byte(1), s.flags)
	if second {
		put(int32(2), int32(len("x")), "x", int32(0), int32(len(scriptKey)), scriptKey, int32(len(s.script)), s.script)
	}
	if s.change != nil {
		return s.change(b.Bytes())
	}
	return b.Bytes()
}

func (s backupSpec) encode(t testing.TB) []byte {
	t.Helper()
	out := bytes.NewBufferString(s.format)
	counters := binary.BigEndian.AppendUint32(nil, s.dump.version)
	counters = binary.BigEndian.AppendUint64(counters, uint64(s.dump.files))
	counters = binary.BigEndian.AppendUint64(counters, uint64(s.dump.bytes))
	var plain []byte
	switch {
	case s.format[1] == 'T':
		out.Write(s.header())
		out.Write(s.dump.tar(t))
		return out.Bytes()
	case s.format == FormatBackupZstd3:
		out.Write(s.header())
		plain = append([]byte(preambleMarker), counters...)
	default:
		plain = append(append([]byte(preambleMarker), s.header()...), counters...)
	}
	enc, err := zstd.NewWriter(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Write(append(plain, s.dump.tar(t)...)); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func backupFormats() []string {
	return []string{FormatBackupZstd1, FormatBackupZstd2, FormatBackupZstd3, FormatBackupTar1, FormatBackupTar2}
}

// What a header says is read, in every format, and what follows it is proved.
func TestBackups(t *testing.T) {
	for _, format := range backupFormats() {
		s := goodBackup(format)
		b := s.encode(t)
		h, err := ReadHeader(iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		want := Backup{Database: "neo4j", DatabaseID: "30313233-3435-3637-3839-616263646566", Store: StoreID{1_700_000_000_000, -5, "record", "aligned", 1, -1},
			Time: time.Unix(1_764_000_000, 0).UTC(), Lowest: 1, Highest: 42, Recovered: true, Compressed: true}
		if !strings.HasSuffix(format, "1") {
			want.Script = "CREATE USER a"
		}
		if h.Format != format || h.Kind != Full || *h.Backup != want || h.Counted != (format[1] == 'Z') || h.Counted && (h.Files != 2 || h.Bytes != 1300) {
			t.Errorf("%s: %+v, %+v", format, h, h.Backup)
		}
		info, err := Verify(bytes.NewReader(b))
		if err != nil || info.Files != 2 || info.Bytes != 1300 || *info.Backup != want {
			t.Errorf("%s: %+v, %v", format, info, err)
		}
		for n := range len(b) {
			if _, err := Verify(bytes.NewReader(b[:n])); !errors.Is(err, ErrBad) {
				t.Fatalf("%s cut to %d of %d bytes: %v", format, n, len(b), err)
			}
		}
		if _, err := Verify(bytes.NewReader(append(b, 'x'))); !errors.Is(err, ErrBad) {
			t.Errorf("%s with something behind it: %v", format, err)
		}
		s.flags, s.lowest, s.highest = 0, 0, 0
		if h, err := ReadHeader(bytes.NewReader(s.encode(t))); err != nil || h.Kind != Differential || !h.Backup.Empty() || h.Backup.Recovered || h.Backup.Compressed {
			t.Errorf("%s: %+v, %v", format, h, err)
		}
	}
}

// The files of testdata/neo4j were written by Neo4j's own classes.
func TestBackupsByNeo4j(t *testing.T) {
	const script = "CREATE ROLE `reader` IF NOT EXISTS;\n"
	paths, err := filepath.Glob("testdata/neo4j/*.backup")
	if err != nil || len(paths) != 11 {
		t.Fatalf("%q, %v", paths, err)
	}
	for _, path := range paths {
		_, rest, _ := strings.Cut(filepath.Base(path), "-")
		format, kind, _ := strings.Cut(strings.TrimSuffix(rest, ".backup"), "-")
		want := Backup{Database: "neo4j", DatabaseID: "6f1de29c-9b0f-4c3a-8a5e-2f4f3c1b7d90", Store: StoreID{1732000000123, -8765432109876543210, "record", "aligned", 1, 1},
			Time: time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC), Lowest: 1, Highest: 4, Recovered: true, Compressed: format[1] == 'Z'}
		of := Full
		switch {
		case kind == "diff":
			of, want.Recovered, want.Lowest, want.Highest, want.Time = Differential, false, 5, 9, want.Time.Add(time.Hour)
		case format[3] == '2':
			want.Script = script
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ReadHeader(iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil || h.Format != format || h.Kind != of || *h.Backup != want {
			t.Errorf("%s: %+v, %+v, %v", path, h, h.Backup, err)
		}
		if info, err := Verify(bytes.NewReader(b)); err != nil || info.Files == 0 || *info.Backup != want {
			t.Errorf("%s: %+v, %v", path, info, err)
		}
		if _, err := Verify(bytes.NewReader(b[:len(b)-1])); !errors.Is(err, ErrBad) {
			t.Errorf("%s, cut: %v", path, err)
		}
	}
}

// Of dumps the header tells as much as there is.
func TestReadHeaderOfDumps(t *testing.T) {
	for name, dump := range realDumps(t) {
		h, err := ReadHeader(bytes.NewReader(dump))
		info, verr := Verify(bytes.NewReader(dump))
		if err != nil || verr != nil || h != info.Header || h.Backup != nil || h.Kind != Dump {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
		if _, err := ReadHeader(bytes.NewReader(dump[:len(dump)-4])); err != nil {
			t.Errorf("the beginning of %s: %v", name, err)
		}
	}
	s := goodSpec()
	s.magic, s.marker = FormatGzip, ""
	if h, err := ReadHeader(bytes.NewReader(s.encode(t))); err != nil || h.Counted || h.Format != FormatGzip {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrBad, "DZ": ErrBad, "Hello, world": ErrUnknown, "DZV1 and no frame": ErrBad, "xMV1....": ErrSplit, "xDV1....": ErrSplit,
		"version https://git-lfs.github.com/spec/v1": ErrUnknown, "BTV1": ErrBad,
	} {
		if _, err := ReadHeader(strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	broken := errors.New("wire cut")
	if _, err := ReadHeader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	for name, change := range map[string]func(b []byte) []byte{
		"version of the header": func(b []byte) []byte { b[0] = 3; return b },
		"version of the store":  func(b []byte) []byte { b[1] = 2; return b },
		"length of the id":      func(b []byte) []byte { b[35] = 15; return b },
		"a text too long": func(b []byte) []byte {
			return bytes.Replace(b, []byte("\x00\x00\x00\x0dCREATE"), []byte("\x7f\xff\xff\xffCREATE"), 1)
		},
		"a negative text": func(b []byte) []byte {
			return bytes.Replace(b, []byte("\x00\x00\x00\x0dCREATE"), []byte("\xff\xff\xff\xffCREATE"), 1)
		},
		"too many texts": func(b []byte) []byte {
			return bytes.Replace(b, []byte("\x00\x00\x00\x02\x00\x00\x00\x01x"), []byte("\x00\x00\x00\x41\x00\x00\x00\x01x"), 1)
		},
	} {
		s := goodBackup(FormatBackupTar2)
		before := string(s.header())
		s.change = change
		if string(s.header()) == before {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := ReadHeader(bytes.NewReader(s.encode(t))); !errors.Is(err, ErrBad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []backupSpec{{lowest: 5, highest: 4}, {lowest: -1, highest: 4}} {
		bad := goodBackup(FormatBackupZstd1)
		bad.lowest, bad.highest = s.lowest, s.highest
		if _, err := ReadHeader(bytes.NewReader(bad.encode(t))); !errors.Is(err, ErrBad) {
			t.Errorf("%d to %d: %v", s.lowest, s.highest, err)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, format := range backupFormats() {
		f.Add(goodBackup(format).encode(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		if (h.Backup == nil) != (h.Kind == Dump) || h.Files < 0 || h.Bytes < 0 || h.Backup != nil && len(h.Backup.Script) > maxText {
			t.Fatalf("%+v", h)
		}
		if _, err := Verify(io.LimitReader(bytes.NewReader(b), 1<<20)); err != nil && !errors.Is(err, ErrBad) {
			t.Fatal(err)
		}
	})
}
