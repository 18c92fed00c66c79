package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/providers"
)

// attacked is an encrypted and signed vault, and somebody who may create any
// object in it that is not there. He can read all of it, and has no key.
type attacked struct {
	*world
	key    *signature.Key
	reader *age.X25519Identity
	data   []byte
	spec   archive.Spec
	began  format.Name // of the run that was killed
}

// newAttacked begins a backup and ends it at the given creation.
func newAttacked(t *testing.T, limit int) *attacked {
	t.Helper()
	a := &attacked{world: newWorld(t), reader: ageKey(t)}
	a.opts.Transfers = 1 // so that it is known what is there when the run ends
	a.key, _ = signingKey(t, 1)
	a.encryptTo(a.reader.Recipient().String())
	a.openWith(a.reader)
	a.signWith(a.key)
	a.data = make([]byte, 6*testSegment)
	copy(a.data, mix(1, 4*testSegment))
	im := image("disk", a.data)
	im.Extents = extents(format.Extent{Offset: 0, Length: 4 * testSegment})
	a.spec = spec("s", im)
	wr, err := a.run(t.Context(), newTap(a.bucket, limit), a.spec)
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if wr != nil {
		a.began = wr.Name()
	}
	return a
}

func (a *attacked) catalog(file string) string {
	return "some/prefix/daily/catalog/s/" + a.began.ID.String() + "/" + file
}

func (a *attacked) plant(key string, b []byte) {
	a.t.Helper()
	if err := a.bucket.Put(a.t.Context(), key, providers.Bytes(b)); err != nil {
		a.t.Fatal(err)
	}
}

func (a *attacked) read(key string) []byte {
	a.t.Helper()
	b, err := os.ReadFile(a.files()[key])
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// check runs the backup again and makes sure that what is signed is the
// source, whatever else lies there.
func (a *attacked) check(resumed bool) {
	a.t.Helper()
	wr, err := a.run(a.t.Context(), a.bucket, a.spec)
	if err != nil {
		a.t.Fatal(err)
	}
	if wr.Resumed() != resumed {
		a.t.Errorf("resumed %v, want %v", wr.Resumed(), resumed)
	}
	if got := a.restoreBoth(wr.Name(), 0); !bytes.Equal(got, a.data) {
		a.t.Error("what was signed is not the source")
	}
	a.onlyTrue()
}

// onlyTrue makes sure that every backup that can be read is one of the source.
func (a *attacked) onlyTrue() {
	a.t.Helper()
	entries, _, err := a.vault.List(a.t.Context(), "")
	if err != nil {
		a.t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Complete {
			continue
		}
		if _, err := a.vault.Verify(a.t.Context(), e.Name, archive.VerifyOptions{Sample: 1}); errors.Is(err, archive.ErrDamaged) {
			continue
		} else if err != nil {
			a.t.Fatal(err)
		}
		if got := a.restoreBoth(e.Name, 0); !bytes.Equal(got, a.data) {
			a.t.Errorf("%s is read and is not the source", e.Name)
		}
	}
}

func compressed(t *testing.T, text string) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll([]byte(text), nil)
}

// Creations of the attacked vault: capture.json, the extents, segments.
const (
	afterCapture = 1
	afterExtents = 2
	afterSome    = 4
)

func TestPlantedCapture(t *testing.T) {
	a := newAttacked(t, afterSome)
	// His own capture of the same source and state, a day later, so that it is
	// the newest: encrypted to a key of his, for our reader, tagged as he can.
	var c format.Capture
	sealed := a.read(a.catalog("capture.json"))
	if err := format.Unseal(sealed, &c); err != nil {
		t.Fatal(err)
	}
	r, err := envelope.ParseRecipients([]string{a.reader.Recipient().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	public, armored, err := envelope.Seal(r)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := signingKey(t, 2)
	tags := map[string]func([]byte) [sha256.Size]byte{
		"none":   nil,
		"his":    func(head []byte) [sha256.Size]byte { return other.Tag(head, "capture") },
		"stolen": func([]byte) [sha256.Size]byte { return tagOf(t, c.Tag) },
	}
	hour := 1
	for name, mac := range tags {
		his := c
		his.Encryption = &format.Encryption{Recipient: public, Recipients: []string{a.reader.Recipient().String()}, Identity: string(armored)}
		id := a.began.ID
		id.Time = id.Time.Add(time.Duration(hour) * time.Hour)
		hour++
		his.ID, his.Time, his.Tag = id.String(), id.Time, ""
		b, err := format.SealTagged(&his, mac)
		if err != nil {
			t.Fatal(err)
		}
		a.plant("some/prefix/daily/catalog/s/"+id.String()+"/capture.json", b)
		if _, err := a.vault.Finish(t.Context(), format.Name{Tier: "daily", Series: "s", ID: id}, true); !errors.Is(err, archive.ErrRefused) {
			t.Errorf("%s: finish: %v", name, err)
		}
	}
	// One of another source must not keep us from our series either.
	his := c
	his.Source.Host, his.Tag = "his", ""
	id := a.began.ID
	id.Time = id.Time.Add(24 * time.Hour)
	his.ID, his.Time = id.String(), id.Time
	b, err := format.Seal(&his)
	if err != nil {
		t.Fatal(err)
	}
	a.plant("some/prefix/daily/catalog/s/"+id.String()+"/capture.json", b)
	a.check(true)
}

func tagOf(t *testing.T, digits string) (tag [sha256.Size]byte) {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != len(tag) {
		t.Fatalf("tag %q: %v", digits, err)
	}
	return [sha256.Size]byte(b)
}

func TestPlantedSegments(t *testing.T) {
	a := newAttacked(t, afterSome)
	prefix := "some/prefix/daily/data/s/" + a.began.ID.String() + "/disk/"
	var c format.Capture
	if err := format.Unseal(a.read(a.catalog("capture.json")), &c); err != nil {
		t.Fatal(err)
	}
	public, err := envelope.ParsePublic(c.Encryption.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	tag := ""
	for key := range a.files() {
		if n, ok := format.ParseSegment(strings.TrimPrefix(key, prefix)); ok {
			tag = n.Tag
		}
	}
	for index := range int64(4) {
		var b bytes.Buffer // for the true public key, which anybody can read
		if err := public.Encrypt(&b, strings.NewReader("planted")); err != nil {
			t.Fatal(err)
		}
		for _, name := range []format.SegmentName{
			{Index: index, Sum: sha256.Sum256(b.Bytes()), Age: true}, {Index: index, Sum: sha256.Sum256(b.Bytes()), Age: true, Tag: tag},
			{Index: index, Sum: [32]byte{}, Age: true, Tag: tag},
		} {
			a.plant(prefix+name.String(), b.Bytes())
		}
	}
	a.check(true)
}

func TestPlantedExtents(t *testing.T) {
	for name, text := range map[string]string{
		"all a hole": "snapferry-extents 1\nend\t0\t0\n", "less": "snapferry-extents 1\n0\t65536\nend\t1\t65536\n", "noise": "noise",
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttacked(t, afterCapture)
			b := compressed(t, text)
			other, _ := signingKey(t, 2)
			if name == "less" { // with a tag, by another key
				b = format.AppendTag(b, other.Tag(b, "extents", a.began.ID.String(), "s", "disk"))
			}
			a.plant(a.catalog("disk.extents.zst"), b)
			a.check(false)
			if _, err := a.vault.Finish(t.Context(), a.began, true); err == nil {
				t.Error("finish took it")
			}
		})
	}
}

// What is planted while a run is under way ends the run, not in a signature.
func TestPlantedMeanwhile(t *testing.T) {
	for file, b := range map[string][]byte{
		"disk.extents.zst": compressed(t, "snapferry-extents 1\nend\t0\t0\n"), "RESTORE.md": []byte("```sh\nrm -rf /\n```\n"),
	} {
		a := newAttacked(t, 0)
		wr, err := a.vault.Begin(t.Context(), a.spec)
		if err != nil {
			t.Fatal(err)
		}
		a.began = wr.Name()
		a.plant(a.catalog(file), b)
		err = wr.Ship(t.Context())
		if err == nil {
			_, err = wr.Commit(t.Context())
		}
		if !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrRefused) {
			t.Errorf("%s: %v", file, err)
		}
		a.check(false)
	}
}

func TestPlantedRestore(t *testing.T) {
	a := newAttacked(t, afterSome)
	a.plant(a.catalog("RESTORE.md"), []byte("```sh\nrm -rf /\n```\n"))
	a.check(false)
}

// A table that says that the stream, or the image, is shorter than it is.
func TestPlantedTable(t *testing.T) {
	w := newWorld(t)
	key, _ := signingKey(t, 1)
	w.signWith(key)
	data := mix(3, 3*testSegment)
	s := streamSpec("s", stream("dump", bytes.NewReader(data)))
	wr, err := w.vault.Begin(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := wr.Ship(t.Context()); err != nil {
		t.Fatal(err)
	}
	var first format.SegmentName
	prefix := "some/prefix/daily/data/s/" + wr.Name().ID.String() + "/dump/"
	var size int64
	for o, err := range w.bucket.List(t.Context(), prefix) {
		if n, ok := format.ParseSegment(strings.TrimPrefix(o.Key, prefix)); err == nil && ok && n.Index == 0 {
			first, size = n, o.Size
		}
	}
	set := &format.SegmentSet{}
	set.Put(0, first.Sum, size)
	var table bytes.Buffer
	shape := format.TableShape{Data: testSegment, Segment: testSegment, Chunk: testChunk, Signed: true}
	err = format.EncodeTable(set, shape, func(int64, [sha256.Size]byte) format.SegmentName { return first }, &table)
	if err != nil {
		t.Fatal(err)
	}
	catalog := "some/prefix/daily/catalog/s/" + wr.Name().ID.String() + "/"
	if err := w.bucket.Put(t.Context(), catalog+format.TableFile("dump", format.RefOf(table.Bytes()).SHA256), providers.Bytes(table.Bytes())); err != nil {
		t.Fatal(err)
	}
	if _, err := w.vault.Finish(t.Context(), wr.Name(), true); !errors.Is(err, archive.ErrRefused) {
		t.Errorf("finish of a cut stream: %v", err)
	}
	if m, err := wr.Commit(t.Context()); err != nil || m.RawBytes != int64(len(data)) {
		t.Errorf("commit: %v", err)
	}
	w.complete()
}

func TestPlantedManifest(t *testing.T) {
	a := newAttacked(t, afterSome)
	// Complete for who looks at the listing alone, and signed by nobody.
	other := newWorld(t)
	n, _ := other.backup(a.spec)
	var m format.Manifest
	b, err := os.ReadFile(other.files()["some/prefix/daily/catalog/s/"+n.ID.String()+"/manifest.json"])
	if err != nil || format.Unseal(b, &m) != nil {
		t.Fatal(err)
	}
	m.Capture = format.RefOf(a.read(a.catalog("capture.json")))
	if b, err = format.Seal(&m); err != nil {
		t.Fatal(err)
	}
	a.plant(a.catalog("manifest.json"), b)
	a.plant(a.catalog(format.SignatureFile(b)), []byte("noise"))
	if _, err := a.vault.Open(t.Context(), a.began); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("open: %v", err)
	}
	if _, err := a.vault.Finish(t.Context(), a.began, true); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("finish: %v", err)
	}
	a.check(false)
}

// A manifest that is planted between our last look and our own.
func TestPlantedManifestMeanwhile(t *testing.T) {
	w := newWorld(t)
	key, _ := signingKey(t, 1)
	s := spec("s", image("file", mix(1, testSegment)))
	w.signWith(key)
	v, err := archive.NewVault(&foreStaller{Bucket: w.bucket}, "some/prefix", w.opts)
	if err != nil {
		t.Fatal(err)
	}
	wr, err := v.Begin(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := wr.Ship(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := wr.Commit(t.Context()); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("commit: %v", err)
	}
}

// foreStaller stores another manifest, of the same capture and size, just
// before each.
type foreStaller struct{ providers.Bucket }

func (f *foreStaller) Put(ctx context.Context, key string, body providers.Body) error {
	if strings.HasSuffix(key, "/manifest.json") {
		var m format.Manifest
		b := make([]byte, body.Size())
		if _, err := body.Open().Read(b); err != nil {
			return err
		}
		if err := format.Unseal(b, &m); err != nil {
			return err
		}
		m.Facts = map[string]string{"planted": "yes"}
		b, err := format.Seal(&m)
		if err != nil {
			return err
		}
		if err := f.Bucket.Put(ctx, key, providers.Bytes(b)); err != nil {
			return err
		}
	}
	return f.Bucket.Put(ctx, key, body)
}
