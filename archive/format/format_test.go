package format

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
)

func TestCheckName(t *testing.T) {
	for _, s := range []string{"a", "0", "neo4j.dump", "graph.neo4j", "vol-0abc.img", "a_b", strings.Repeat("a", 63), "company", "com", "com10", "nully"} {
		if err := CheckName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "A", ".a", "-a", "_a", "a.", "a..b", "a/b", "a b", "ä", "a\x00", "con", "nul.txt", "com1", "lpt9.log", "aux", strings.Repeat("a", 64)} {
		if CheckName(s) == nil {
			t.Errorf("%q passed", s)
		}
	}
}

func TestFitNameIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9._/ -]{0,90}`), rapid.SampledFrom([]string{"CON", "nul.dump", "..", "../..", "COM1.x", "._-"})).Draw(t, "s")
		if err := CheckName(FitName(s)); err != nil {
			t.Fatalf("FitName(%q): %v", s, err)
		}
		if CheckName(s) == nil && FitName(s) != s && !strings.HasSuffix(s, "-") && !strings.HasSuffix(s, "_") {
			t.Fatalf("FitName(%q) = %q", s, FitName(s))
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("20261122T030000Z-full-1f3a9c0b5d7e2468")
	f.Add("20261122T030000Z-diff-1f3a9c0b5d7e2468-0011223344556677")
	f.Add("20260230T030000Z-full-1f3a9c0b5d7e2468")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err == nil && id.String() != s {
			t.Fatalf("%q is read as %q", s, id)
		}
	})
}

func FuzzParseSegment(f *testing.F) {
	sum := strings.Repeat("0f", 32)
	for _, s := range []string{"00000000." + sum + ".zst", "00000007." + sum + "." + sum[:32] + ".zst.age", "1." + sum + ".zst", "." + sum + ".zst"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := ParseSegment(s)
		if ok && n.String() != s {
			t.Fatalf("%q is read as %+v", s, n)
		}
	})
}

func testCapture() (*Capture, Name) {
	size := int64(100)
	fp := strings.Repeat("ab", 32)
	n := Name{Tier: lifecycle.Daily, Series: "s", ID: ID{Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), Kind: KindFull, Fingerprint: fp[:16]}}
	return &Capture{Format: 1, ID: n.ID.String(), Series: "s", Kind: KindFull, Time: n.ID.Time, Program: "snapferry 0.1.0", Fingerprint: fp,
		Source: Identity{Type: "file", Host: "h", Path: "/p"}, Resumable: true, Compression: "zstd", Segment: DefaultSegment, Chunk: DefaultChunk,
		Images: []CaptureImage{{Name: "file", Title: "File", Form: "raw", Size: &size}, {Name: "dump", Title: "dump", Form: "stream"}}}, n
}

func testManifest() (*Manifest, Name) {
	c, n := testCapture()
	ref := ObjectRef{SHA256: strings.Repeat("cd", 32), Bytes: 10}
	return &Manifest{Format: 1, ID: c.ID, Series: "s", Kind: KindFull, Time: c.Time, Completed: c.Time.Add(time.Minute), Program: c.Program,
		Source: c.Source, Checked: true, RawBytes: 150, StoredBytes: 60, Segment: c.Segment, Chunk: c.Chunk, Capture: ref, Restore: ref,
		Facts: map[string]string{"version": "5.26.31"}, Images: []ManifestImage{
			{Name: "file", Title: "File", Form: "raw", Size: 100, Data: 50, StoredBytes: 40, Segments: 1, Table: ref, Extents: &ref},
			{Name: "dump", Title: "dump", Form: "stream", Size: 50, Data: 50, StoredBytes: 20, Segments: 1, Table: ref}}}, n
}

func mustSeal(t testing.TB, doc any) []byte {
	t.Helper()
	b, err := Seal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSeal(t *testing.T) {
	c, n := testCapture()
	b := mustSeal(t, c)
	var got Capture
	if err := Unseal(b, &got); err != nil || got.Check(n) != nil || *got.Images[0].Size != 100 || got.Images[1].Size != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range b {
		for _, bad := range [][]byte{append(bytes.Clone(b[:i]), b[i+1:]...), append(append(bytes.Clone(b[:i]), b[i]^1), b[i+1:]...), b[:i]} {
			if Unseal(bad, &Capture{}) == nil {
				t.Fatalf("a change of byte %d went unnoticed", i)
			}
		}
	}
	if Unseal(append(bytes.Clone(b), '\n'), &Capture{}) == nil {
		t.Fatal("an added byte went unnoticed")
	}
	c.Facts = map[string]string{"long": strings.Repeat("x", MaxDocument)}
	if _, err := Seal(c); err == nil {
		t.Fatal("a document over the limit was sealed")
	}
}

// Every number of a document that is out of its limits is refused.
func TestDocumentLimits(t *testing.T) {
	for name, bad := range map[string]func(*Capture){
		"version": func(c *Capture) { c.Format = 2 }, "version 0": func(c *Capture) { c.Format = 0 }, "series": func(c *Capture) { c.Series = "other" },
		"kind": func(c *Capture) { c.Kind = KindDiff }, "fingerprint": func(c *Capture) { c.Fingerprint = strings.Repeat("00", 32) },
		"compression": func(c *Capture) { c.Compression = "lz4" }, "no image": func(c *Capture) { c.Images = nil },
		"images":       func(c *Capture) { c.Images = slices.Repeat(c.Images, 40) },
		"chunk":        func(c *Capture) { c.Chunk = 32 << 20 },
		"chunk 0":      func(c *Capture) { c.Chunk = 0 },
		"segment":      func(c *Capture) { c.Segment = 512 << 20 },
		"odd":          func(c *Capture) { c.Segment++ },
		"negative":     func(c *Capture) { *c.Images[0].Size = -1 },
		"too large":    func(c *Capture) { *c.Images[0].Size = math.MaxInt64 },
		"same name":    func(c *Capture) { c.Images[1].Name = "file" },
		"path":         func(c *Capture) { c.Images[1].Name = "../x" },
		"stream holes": func(c *Capture) { c.Images[1].Extents = true },
	} {
		c, n := testCapture()
		if bad(c); c.Check(n) == nil {
			t.Errorf("capture: %s passed", name)
		}
	}
	for name, bad := range map[string]func(*Manifest){
		"version": func(m *Manifest) { m.Format = 2 }, "id": func(m *Manifest) { m.ID = "x" }, "no image": func(m *Manifest) { m.Images = nil },
		"sum":            func(m *Manifest) { m.RawBytes++ },
		"stored sum":     func(m *Manifest) { m.StoredBytes++ },
		"overflow":       func(m *Manifest) { m.Images[0].Size, m.Images[1].Size = math.MaxInt64, math.MaxInt64 },
		"data":           func(m *Manifest) { m.Images[0].Data = 101 },
		"data no holes":  func(m *Manifest) { m.Images[1].Data = 49 },
		"segments":       func(m *Manifest) { m.Images[0].Segments = 2 },
		"stored":         func(m *Manifest) { m.Images[0].StoredBytes = 1 << 40 },
		"hash":           func(m *Manifest) { m.Images[0].Table.SHA256 = "zz" },
		"table size":     func(m *Manifest) { m.Images[0].Table.Bytes = 1 << 40 },
		"extents size":   func(m *Manifest) { m.Images[0].Extents = &ObjectRef{SHA256: strings.Repeat("ab", 32)} },
		"capture":        func(m *Manifest) { m.Capture.Bytes = 0 },
		"restore":        func(m *Manifest) { m.Restore.Bytes = 1 << 30 },
		"same name":      func(m *Manifest) { m.Images[1].Name = "file" },
		"chunk":          func(m *Manifest) { m.Chunk = 5 },
		"negative sizes": func(m *Manifest) { m.Images[1].Size, m.Images[1].Data = -1, -1 },
	} {
		m, n := testManifest()
		if bad(m); m.Check(n) == nil {
			t.Errorf("manifest: %s passed", name)
		}
	}
}

func TestSchemas(t *testing.T) {
	c, _ := testCapture()
	m, n := testManifest()
	if err := m.Check(n); err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string][]byte{"capture": mustSeal(t, c), "manifest": mustSeal(t, m)} {
		schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", name+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key := range v.(map[string]any) {
			one := map[string]any{}
			for k, x := range v.(map[string]any) {
				if k != key {
					one[k] = x
				}
			}
			if err := schema.Validate(one); err == nil && key != "facts" {
				t.Errorf("%s without %s passes the schema", name, key)
			}
		}
	}
}

func FuzzUnseal(f *testing.F) {
	c, n := testCapture()
	m, _ := testManifest()
	f.Add(mustSeal(f, c))
	f.Add(mustSeal(f, m))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Seal again what the fuzzer made of the inside, so that it gets past the seal.
		for _, doc := range [][]byte{b, reseal(b)} {
			var c Capture
			if Unseal(doc, &c) == nil {
				_ = c.Check(n)
			}
			var m Manifest
			if Unseal(doc, &m) == nil && m.Check(n) == nil && m.RawBytes < 0 {
				t.Fatal("negative size passed")
			}
		}
	})
}

func reseal(b []byte) []byte {
	var raw map[string]json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	delete(raw, "seal")
	out, err := Seal(raw)
	if err != nil {
		return nil
	}
	return out
}

func buffered(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestExtentsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := &Layout{Size: 1 << 40}
		at := int64(0)
		for range rapid.IntRange(0, 50).Draw(rt, "n") {
			at += rapid.Int64Range(0, 1<<20).Draw(rt, "gap")
			n := rapid.Int64Range(1, 1<<20).Draw(rt, "length")
			if err := l.Add(Extent{Offset: at, Length: n}); err != nil {
				rt.Fatal(err)
			}
			at += n
		}
		b := buffered(t, func(buf io.Writer) error { return EncodeExtents(l, buf) })
		got, err := DecodeExtents(bytes.NewReader(b), l.Size)
		if err != nil || got.Data != l.Data || !slices.Equal(got.ranges, l.ranges) {
			rt.Fatalf("%v: %+v, want %+v", err, got, l)
		}
		// Pieces of any range of the data lie in extents and add up.
		if l.Data > 0 {
			off := rapid.Int64Range(0, l.Data-1).Draw(rt, "off")
			n := rapid.Int64Range(1, l.Data-off).Draw(rt, "n")
			sum := int64(0)
			for at, p := range l.Pieces(off, n) {
				if at != sum || p.Length <= 0 {
					rt.Fatalf("piece %v at %d, want %d", p, at, sum)
				}
				sum += p.Length
			}
			if sum != n {
				rt.Fatalf("pieces of %d bytes add up to %d", n, sum)
			}
		}
		holes := int64(0)
		for h := range l.Holes() {
			holes += h.Length
		}
		if holes+l.Data != l.Size {
			rt.Fatalf("%d bytes of holes and %d of data in %d", holes, l.Data, l.Size)
		}
	})
}

func TestTooManyExtents(t *testing.T) {
	_, err := CollectExtents(context.Background(), math.MaxInt64, func(yield func(Extent, error) bool) {
		for i := int64(0); yield(Extent{Offset: 2 * i, Length: 1}, nil); i++ {
		}
	})
	if err == nil {
		t.Fatal("an endless list of extents passed")
	}
}

// text compresses the lines as writeLines does.
func text(t testing.TB, lines string) []byte {
	return buffered(t, func(buf io.Writer) error {
		return writeLines(buf, func(w *bufio.Writer) error { _, err := w.WriteString(lines); return err })
	})
}

func TestBadLines(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	good := fmt.Sprintf("%s\n00000000\t32768\t100\t%s\t00000000.%s.zst\nend\t1\t32768\t100\n", tableHeader, sum, sum)
	shape := TableShape{Data: 32768, Segment: 65536, Chunk: 4096}
	count := func(b []byte) (n int, err error) {
		for _, e := range DecodeTable(bytes.NewReader(b), shape) {
			if e != nil {
				return n, e
			}
			n++
		}
		return n, nil
	}
	if n, err := count(text(t, good)); n != 1 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	for name, bad := range map[string]string{
		"header": strings.Replace(good, "table 1", "table 2", 1), "index": strings.Replace(good, "\n00000000\t", "\n00000001\t", 1),
		"both indexes": strings.ReplaceAll(good, "00000000", "00000001"),
		"raw":          strings.Replace(good, "\t32768\t1", "\t32769\t1", 1), "negative": strings.Replace(good, "\t100\t", "\t-100\t", 1),
		"zero": strings.Replace(good, "\t100\t", "\t0\t", 1), "huge": strings.Replace(good, "\t100\t", "\t9223372036854775808\t", 1),
		"large": strings.Replace(good, "\t100\t", "\t99999\t", 1), "hash": strings.Replace(good, sum, strings.Repeat("00", 32), 1),
		"name": strings.Replace(good, ".zst", ".zst.age", 1), "no end": strings.SplitAfter(good, ".zst\n")[0], "end count": strings.Replace(good, "end\t1", "end\t2", 1),
		"end raw": strings.Replace(good, "32768\t100\n", "32767\t100\n", 1), "after the end": good + "x\n", "no newline": good[:len(good)-1],
		"long line": strings.Replace(good, ".zst\n", ".zst\t"+strings.Repeat("d", maxLine)+"\n", 1), "twice": strings.Replace(good, "end", strings.Split(good, "\n")[1]+"\nend", 1),
		"few fields": strings.Replace(good, "\t00000000."+sum+".zst", "", 1), "empty": "",
	} {
		if _, err := count(text(t, bad)); err == nil {
			t.Errorf("table: %s passed", name)
		}
	}
	room := strings.Replace(good, ".zst\n", ".zst\tdigests,of,chunks\n", 1)
	if n, err := count(text(t, room)); n != 1 || err != nil {
		t.Errorf("a sixth field: %d rows, %v", n, err)
	}
	ext := extentsHeader + "\n5\t10\n20\t1\nend\t2\t11\n"
	if l, err := DecodeExtents(bytes.NewReader(text(t, ext)), 21); err != nil || l.Data != 11 {
		t.Fatalf("extents: %v", err)
	}
	for name, bad := range map[string]string{
		"outside": strings.Replace(ext, "20\t1", "21\t1", 1), "overlap": strings.Replace(ext, "20\t", "14\t", 1), "empty": strings.Replace(ext, "20\t1", "20\t0", 1),
		"negative": strings.Replace(ext, "5\t10", "-5\t10", 1), "2^63": strings.Replace(ext, "20\t1", "9223372036854775808\t1", 1),
		"leading zero": strings.Replace(ext, "5\t10", "05\t10", 1), "fields": strings.Replace(ext, "5\t10", "5\t10\t3", 1), "end": strings.Replace(ext, "end\t2\t11", "end\t2\t12", 1),
		"no end": extentsHeader + "\n5\t10\n",
	} {
		if _, err := DecodeExtents(bytes.NewReader(text(t, bad)), 21); err == nil {
			t.Errorf("extents: %s passed", name)
		}
	}
}

func FuzzTable(f *testing.F) {
	sum := strings.Repeat("ab", 32)
	f.Add(fmt.Sprintf("%s\n00000000\t32768\t100\t%s\t00000000.%s.zst\nend\t1\t32768\t100\n", tableHeader, sum, sum), int64(32768))
	f.Add(extentsHeader+"\n5\t10\nend\t1\t10\n", int64(20))
	f.Fuzz(func(t *testing.T, lines string, size int64) {
		b := text(t, lines)
		rows, raw := int64(0), int64(0)
		failed := false
		for r, err := range DecodeTable(bytes.NewReader(b), TableShape{Data: size, Segment: 65536, Chunk: 4096}) {
			if err != nil {
				failed = true
				break
			}
			rows, raw = rows+1, raw+r.Raw
		}
		if !failed && size >= 0 && (raw != size || rows != Segments(size, 65536)) {
			t.Fatalf("%d rows with %d bytes for an image of %d", rows, raw, size)
		}
		if l, err := DecodeExtents(bytes.NewReader(b), size); err == nil && l.Data > size {
			t.Fatalf("%d bytes of data in an image of %d", l.Data, size)
		}
		for range DecodeTable(strings.NewReader(lines), TableShape{Data: -1, Segment: 65536, Chunk: 4096}) {
			break // raw bytes in place of compressed ones
		}
	})
}

// The golden documents are those of released versions: they must stay
// readable, and what is written today must be them to the byte.
func TestGolden(t *testing.T) {
	c, n := testCapture()
	m, _ := testManifest()
	text, err := RestoreText(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"capture.json": mustSeal(t, c), "manifest.json": mustSeal(t, m), "RESTORE.md": text} {
		path := filepath.Join("testdata", "format-1", name)
		if os.Getenv("SNAPFERRY_GOLDEN") == "write" {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s is not what the golden file holds: %v", name, err)
		}
	}
	var got Manifest
	b, err := os.ReadFile(filepath.Join("testdata", "format-1", "manifest.json"))
	if err != nil || Unseal(b, &got) != nil || got.Check(n) != nil {
		t.Errorf("the golden manifest is not readable: %v", err)
	}
}

// The text of a differential says what it builds on, and where that is.
func TestRestoreTextOfDifferential(t *testing.T) {
	c, _ := testCapture()
	full, err := RestoreText(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Kind, c.ID = KindDiff, strings.Replace(c.ID, "-full-", "-diff-", 1)+"-0123456789abcdef"
	diff, err := RestoreText(c)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(full, []byte("differential")) || !bytes.Contains(diff, []byte("has `-0123456789abcdef` in it")) || c.Base() != "0123456789abcdef" {
		t.Errorf("%s", diff)
	}
}
