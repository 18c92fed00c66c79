package job

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

var quiet = slog.New(slog.DiscardHandler)

func entry(series string, created time.Time) archive.Entry {
	return archive.Entry{Complete: true, Begun: true, ManifestCreated: created, ManifestBytes: 1000, Name: format.Name{Tier: lifecycle.Daily, Series: series,
		ID: format.ID{Time: time.Unix(1e9, 0).UTC(), Kind: format.KindFull, Fingerprint: "0123456789abcdef"}}}
}

func TestCache(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(2e9, 5).In(time.FixedZone("somewhere", 3600))
	c := openCache(dir, "vault", quiet)
	if _, ok := known(c, entry("a", at)); ok {
		t.Error("an empty cache knows something")
	}
	c.put(entry("a", at), &format.Manifest{Series: "a", RawBytes: 7}, &Backup{})
	c.put(entry("b", at), &format.Manifest{Series: "b"}, &Backup{})
	c.save(true)

	c = openCache(dir, "vault", quiet)
	if m, ok := known(c, entry("a", at.UTC())); !ok || m.RawBytes != 7 {
		t.Errorf("%+v, %v", m, ok)
	}
	if _, ok := known(c, entry("a", at.Add(1))); ok {
		t.Error("a backup that was made anew is taken for the old one")
	}
	other := entry("a", at)
	other.ManifestBytes++
	if _, ok := known(c, other); ok {
		t.Error("a manifest of another size is taken for the old one")
	}
	// A look at one series forgets nothing, one at all does.
	c.save(false)
	c.save(true)
	if _, ok := known(openCache(dir, "vault", quiet), entry("b", at)); ok {
		t.Error("what is gone is still remembered")
	}
	if _, ok := known(openCache(dir, "vault", quiet), entry("a", at)); !ok {
		t.Error("what is there was forgotten")
	}
	if _, ok := known(openCache(dir, "another", quiet), entry("a", at)); ok {
		t.Error("two vaults share a cache")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "new-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// Every byte of the file is covered: none can be changed without its line
// being forgotten.
func TestDamagedCache(t *testing.T) {
	dir, at := t.TempDir(), time.Unix(2e9, 0)
	c := openCache(dir, "vault", quiet)
	c.put(entry("a", at), &format.Manifest{Series: "a", RawBytes: 7}, &Backup{})
	c.save(true)
	good, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good[:len(good)-1] {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(c.path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, ok := known(openCache(dir, "vault", quiet), entry("a", at)); ok {
			t.Fatalf("byte %d was changed and %+v was read", i, m)
		}
	}
}

func FuzzCache(f *testing.F) {
	dir, at := f.TempDir(), time.Unix(2e9, 0)
	c := openCache(dir, "vault", quiet)
	c.put(entry("a", at), &format.Manifest{Series: "a"}, &Backup{})
	c.save(true)
	good, err := os.ReadFile(c.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("0123456789abcdef {}\n"))
	f.Add([]byte("\n\n \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(c.path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, ok := known(openCache(dir, "vault", quiet), entry("a", at))
		if ok && !bytes.Contains(text, bytes.TrimSpace(good)) {
			t.Errorf("%+v was read from %q", m, text)
		}
	})
}

// known returns what the cache knows of an entry.
func known(c *cache, e archive.Entry, demanded ...string) (Backup, bool) {
	var b Backup
	ok := c.get(e, demanded, &b)
	return b, ok
}

// Where signatures are demanded, only what was signed by the right key is
// known.
func TestCacheAndSignatures(t *testing.T) {
	c := openCache(t.TempDir(), "vault", quiet)
	at := time.Unix(1, 0)
	signed, plain := entry("a", at), entry("b", at)
	c.put(signed, &format.Manifest{}, &Backup{Signature: &Signature{Key: "SHA256:one"}, Encryption: &Encryption{Recipients: []string{"age1x"}}})
	c.put(plain, &format.Manifest{}, &Backup{})
	if b, ok := known(c, signed); !ok || b.Signature == nil || b.Signature.Trusted || b.Encryption == nil {
		t.Errorf("nothing demanded: %+v", b)
	}
	if b, ok := known(c, signed, "SHA256:two", "SHA256:one"); !ok || !b.Signature.Trusted {
		t.Errorf("the right key demanded: %+v", b)
	}
	if _, ok := known(c, signed, "SHA256:two"); ok {
		t.Error("another key was taken")
	}
	if _, ok := known(c, plain, "SHA256:one"); ok {
		t.Error("no signature was taken")
	}
}
