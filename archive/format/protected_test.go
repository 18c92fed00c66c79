package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// protectedCapture is a capture of an encrypted and signed vault, without its
// tag. Its identity is an age file for the recipient, which nobody needs to
// open.
func protectedCapture() (*Capture, Name) {
	c, n := testCapture()
	c.Images[0].Extents = true
	c.Encryption = &Encryption{
		Recipient:  "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
		Recipients: []string{"age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"},
		Identity:   "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3Yx\n-----END AGE ENCRYPTED FILE-----\n",
	}
	return c, n
}

// testMAC stands for the tag of a key.
func testMAC(head []byte) [sha256.Size]byte { return sha256.Sum256(append([]byte("key"), head...)) }

func sealProtected(t testing.TB) (*Capture, Name, []byte) {
	t.Helper()
	c, n := protectedCapture()
	b, err := SealTagged(c, testMAC)
	if err != nil {
		t.Fatal(err)
	}
	if err := Unseal(b, c); err != nil {
		t.Fatal(err)
	}
	return c, n, b
}

func TestSealTagged(t *testing.T) {
	c, n, b := sealProtected(t)
	head, tag, ok := Tagged(b)
	if !ok || tag != testMAC(head) || c.Tag != hex.EncodeToString(tag[:]) || c.Check(n) != nil {
		t.Fatalf("%+v, %v", c, ok)
	}
	// Whatever is changed is sealed anew, and still seen.
	for i := range head {
		bad := bytes.Clone(head)
		bad[i] ^= 1
		if testMAC(bad) == tag {
			t.Fatalf("a change of byte %d went unnoticed", i)
		}
	}
	plain, _ := testCapture()
	if _, _, ok := Tagged(mustSeal(t, plain)); ok {
		t.Error("a document without a tag has one")
	}
}

func TestProtectedLimits(t *testing.T) {
	for name, bad := range map[string]func(*Capture){
		"recipient": func(c *Capture) { c.Encryption.Recipient = "bob" }, "nobody": func(c *Capture) { c.Encryption.Recipients = nil },
		"everybody": func(c *Capture) { c.Encryption.Recipients = make([]string, MaxRecipients+1) }, "identity": func(c *Capture) { c.Encryption.Identity = "" },
		"tag": func(c *Capture) { c.Tag = "abc" }, "commands": func(c *Capture) { c.Encryption.Recipient = "age1\"; rm -rf /; \"" },
		"lines": func(c *Capture) { c.Encryption.Recipients[0] = "age1\n```sh\nrm -rf /" },
	} {
		c, n, _ := sealProtected(t)
		if bad(c); c.Check(n) == nil {
			t.Errorf("%s passed", name)
		}
	}
	c, _, _ := sealProtected(t)
	s := c.Shape(1 << 20)
	if !s.Signed || !s.Age || s.MaxStored(1<<20) != AgeSize(MaxStored(1<<20, c.Chunk)) {
		t.Errorf("%+v", s)
	}
}

func TestProtectedSchema(t *testing.T) {
	_, _, b := sealProtected(t)
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", "capture.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	parse := func() (doc, encryption map[string]any) {
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		return doc, doc["encryption"].(map[string]any)
	}
	doc, encryption := parse()
	if err := schema.Validate(doc); err != nil {
		t.Error(err)
	}
	for key := range encryption {
		doc, one := parse()
		if delete(one, key); schema.Validate(doc) == nil {
			t.Errorf("encryption without %s passes the schema", key)
		}
	}
	for name, bad := range map[string]func(doc, encryption map[string]any){
		"tag": func(doc, _ map[string]any) { doc["tag"] = "abc" }, "recipient": func(_, e map[string]any) { e["recipient"] = "bob" },
		"nobody": func(_, e map[string]any) { e["recipients"] = []any{} }, "identity": func(_, e map[string]any) { e["identity"] = "AGE-SECRET-KEY-1" },
	} {
		doc, encryption := parse()
		if bad(doc, encryption); schema.Validate(doc) == nil {
			t.Errorf("%s passes the schema", name)
		}
	}
}

// The documents of encrypted and signed backups, as of those that are neither:
// what is written today must be them to the byte.
func TestGoldenProtected(t *testing.T) {
	c, n, sealed := sealProtected(t)
	text, err := RestoreText(c)
	if err != nil {
		t.Fatal(err)
	}
	l := &Layout{Size: 100}
	if err := l.Add(Extent{Offset: 10, Length: 50}); err != nil {
		t.Fatal(err)
	}
	extents := buffered(t, func(w io.Writer) error { return EncodeExtents(l, w) })
	extents = AppendTag(extents, testMAC(extents))
	dir := filepath.Join("testdata", "format-1-protected")
	for name, b := range map[string][]byte{"capture.json": sealed, "RESTORE.md": text, "file.extents.zst": extents} {
		path := filepath.Join(dir, name)
		if os.Getenv("SNAPFERRY_GOLDEN") == "write" {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if name == "file.extents.zst" && err == nil { // compressors may differ, what is in it not
			got, derr := DecodeExtents(bytes.NewReader(want), 100)
			mac, ok := ParseTag(want[int64(len(want))-TagFrame:])
			if derr != nil || got.Data != 50 || !ok || mac != testMAC(want[:int64(len(want))-TagFrame]) {
				t.Errorf("%s is not readable: %v", name, derr)
			}
			continue
		}
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s is not what the golden file holds: %v", name, err)
		}
	}
	var got Capture
	b, err := os.ReadFile(filepath.Join(dir, "capture.json"))
	if err != nil || Unseal(b, &got) != nil || got.Check(n) != nil || got.Encryption.Recipients[0] != c.Encryption.Recipients[0] {
		t.Errorf("the golden capture is not readable: %v", err)
	}
}

// Every decoder of zstd passes the tag over.
func TestTagIsSkipped(t *testing.T) {
	plain := text(t, "some\ttext\n")
	dec, err := zstd.NewReader(bytes.NewReader(AppendTag(bytes.Clone(plain), testMAC(plain))))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if got, err := io.ReadAll(dec); err != nil || string(got) != "some\ttext\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestKeyFiles(t *testing.T) {
	for _, n := range []int{1, 9, 10, MaxKeys} {
		if got, ok := ParseKeyFile(KeyFile(n)); !ok || got != n {
			t.Errorf("%s is read as %d, %v", KeyFile(n), got, ok)
		}
	}
	for _, s := range []string{"", "key.age", "key..age", "key.0.age", "key.01.age", "key.-1.age", "key.+1.age", "key.1001.age", "key.1", "1.age", "key.1.age.age", "key.99999999999999999999.age"} {
		if n, ok := ParseKeyFile(s); ok {
			t.Errorf("%q is read as %d", s, n)
		}
	}
}

func FuzzTags(f *testing.F) {
	_, _, sealed := sealProtected(f)
	f.Add(sealed)
	f.Add(AppendTag(nil, testMAC(nil)))
	f.Add([]byte(strings.Repeat("a", int(TagFrame))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if mac, ok := ParseTag(b); ok && !bytes.Equal(AppendTag(nil, mac), b) {
			t.Fatalf("%x is read as a tag that is written in another way", b)
		}
		if head, tag, ok := Tagged(b); ok {
			rest := tagOpen + hex.EncodeToString(tag[:]) + tagClose
			if !bytes.HasPrefix(b[len(head):], []byte(rest)) || len(b)-len(head) != len(rest)+sealSize {
				t.Fatalf("%q is read with another tag", b)
			}
		}
	})
}
