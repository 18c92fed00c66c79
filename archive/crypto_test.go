package archive_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

// encryptTo makes the world's vault one whose new backups are encrypted.
func (w *world) encryptTo(recipients ...string) {
	w.t.Helper()
	w.opts.Keys.Recipients = nil
	if len(recipients) > 0 {
		r, err := envelope.ParseRecipients(recipients, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		w.opts.Keys.Recipients = func(context.Context) (*envelope.Recipients, error) { return r, nil }
	}
	w.reopen()
}

// openWith gives the world's vault identities.
func (w *world) openWith(all ...age.Identity) {
	w.t.Helper()
	w.opts.Keys.Identities = nil
	if len(all) > 0 {
		w.opts.Keys.Identities = func(context.Context) ([]age.Identity, error) { return all, nil }
	}
	w.reopen()
}

func ageKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// signingKey returns the key of a seed, as a program reads it, and its PEM.
func signingKey(t *testing.T, seed byte) (*signature.Key, []byte) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)), "")
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(block)
	key, err := signature.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key, text
}

// signWith makes the world's vault a signed one, or with nil a plain one.
func (w *world) signWith(key *signature.Key) {
	w.t.Helper()
	w.opts.Keys.SignWith = nil
	if key != nil {
		w.opts.Keys.SignWith = func(context.Context) (*signature.Key, error) { return key, nil }
	}
	w.reopen()
}

// trust demands signatures by the keys.
func (w *world) trust(keys ...*signature.Key) {
	w.t.Helper()
	w.opts.Keys.Signers = nil
	for _, k := range keys {
		w.opts.Keys.Signers = append(w.opts.Keys.Signers, k.Public())
	}
	w.reopen()
}

// mixedSpec has an image with holes, a plain one and an empty one.
func mixedSpec(seed uint64) archive.Spec {
	sparse := make([]byte, 6*testSegment)
	copy(sparse[testSegment+3:], mix(seed, 2*testSegment))
	disk := image("disk", sparse)
	disk.Extents = extents(format.Extent{Offset: testSegment + 3, Length: 2 * testSegment})
	return spec("s", image("file", mix(seed+1, 5*testSegment+99)), disk, image("empty", nil))
}

func TestEncrypted(t *testing.T) {
	w := newWorld(t)
	one, two := ageKey(t), ageKey(t)
	w.encryptTo(one.Recipient().String(), two.Recipient().String())
	s := mixedSpec(1)
	n, m := w.backup(s)
	for key, path := range w.files() {
		if strings.Contains(key, "/data/") != strings.HasSuffix(key, ".zst.age") {
			t.Errorf("%s is not called what it is", key)
		}
		if b, err := os.ReadFile(path); strings.Contains(key, "/data/") && (err != nil || !bytes.HasPrefix(b, []byte("age-encryption.org/v1\n"))) {
			t.Errorf("%s is no age file: %v", key, err)
		}
	}
	for _, identity := range []*age.X25519Identity{one, two} {
		w.openWith(ageKey(t), identity)
		for i, im := range s.Images {
			want := make([]byte, im.Size)
			_, _ = im.Data.ReadAt(want, 0)
			if got := w.restoreBoth(n, i); !bytes.Equal(got, want) {
				t.Errorf("image %d differs", i)
			}
		}
		if r, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 1}); err != nil || r.Read != m.Images[0].Segments+m.Images[1].Segments {
			t.Errorf("verify: %+v, %v", r, err)
		}
	}
}

// Without a key, or with another, nothing is read that was to be read, and
// what needs none works.
func TestWrongIdentity(t *testing.T) {
	w := newWorld(t)
	reader := ageKey(t)
	w.encryptTo(reader.Recipient().String())
	n, _ := w.backup(spec("s", image("file", mix(1, testSegment))))
	for name, c := range map[string]struct {
		identities []age.Identity
		says       string
	}{
		"none": {nil, "it is encrypted for recipients " + reader.Recipient().String() + ", and no identity is given"},
		"one":  {[]age.Identity{ageKey(t)}, "the identity does not open a backup for recipients " + reader.Recipient().String()},
		"two":  {[]age.Identity{ageKey(t), ageKey(t)}, "none of the 2 identities opens a backup for recipients " + reader.Recipient().String()},
	} {
		w.openWith(c.identities...)
		b, err := w.vault.Open(t.Context(), n)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var out bytes.Buffer
		_, verr := w.vault.Verify(t.Context(), n, archive.VerifyOptions{Sample: 0.5})
		for _, err := range []error{b.Unlock(t.Context()), b.RestoreStream(t.Context(), 0, &out), b.RestoreAt(t.Context(), 0, make(memTarget, testSegment)), verr} {
			e, ok := errors.AsType[*archive.Error](err)
			if !errors.Is(err, archive.ErrKey) || errors.Is(err, archive.ErrDamaged) || !ok || e.Hint == "" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{}); err != nil || out.Len() > 0 {
			t.Errorf("%s: verify without a look inside: %v", name, err)
		}
	}
}

// countingIdentity tells how often it was asked.
type countingIdentity struct {
	age.Identity
	asked int
}

func (c *countingIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	c.asked++
	return c.Identity.Unwrap(stanzas)
}

// A key that must be touched is asked once for a backup, however many segments
// it has.
func TestIdentityIsAskedOnce(t *testing.T) {
	w := newWorld(t)
	touch := ageKey(t)
	w.encryptTo(touch.Recipient().String())
	s := mixedSpec(2)
	n, _ := w.backup(s)
	counting := &countingIdentity{Identity: touch}
	w.openWith(counting)
	b, err := w.vault.Open(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for i, im := range s.Images {
		if err := b.RestoreAt(t.Context(), i, make(memTarget, im.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if counting.asked != 1 {
		t.Errorf("it was asked %d times", counting.asked)
	}
}

// A run is continued only by one that encrypts to the same recipients.
func TestResumeEncrypted(t *testing.T) {
	one, two := ageKey(t), ageKey(t)
	a, b := one.Recipient().String(), two.Recipient().String()
	passphrase := func(text string) func(context.Context) (*envelope.Recipients, error) {
		return func(context.Context) (*envelope.Recipients, error) { return envelope.PassphraseRecipient(text) }
	}
	for name, c := range map[string]struct {
		first, second []string
		words         []string // passphrases instead
		resumed       bool
	}{
		"same":       {first: []string{a, b}, second: []string{b, a, b}, resumed: true},
		"other":      {first: []string{a}, second: []string{b}},
		"more":       {first: []string{a}, second: []string{a, b}},
		"plain":      {first: []string{a}},
		"now":        {second: []string{a}},
		"words":      {words: []string{"open", "open"}, resumed: true},
		"new words":  {words: []string{"open", "sesame"}},
		"never both": {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			data := mix(3, 6*testSegment)
			s := spec("s", image("file", data))
			w.encryptTo(c.first...)
			if c.words != nil {
				w.opts.Keys.Recipients = passphrase(c.words[0])
			}
			first, err := w.run(t.Context(), newTap(w.bucket, 4), s)
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			w.encryptTo(c.second...)
			if c.words != nil {
				w.opts.Keys.Recipients = passphrase(c.words[1])
			}
			second, err := w.run(t.Context(), w.bucket, s)
			if err != nil {
				t.Fatal(err)
			}
			resumed := c.resumed || c.first == nil && c.second == nil && c.words == nil
			if second.Resumed() != resumed || (second.Name() == first.Name()) != resumed {
				t.Errorf("resumed %v, want %v: %s, then %s", second.Resumed(), resumed, first.Name(), second.Name())
			}
			identities := []age.Identity{one, two}
			if c.words != nil {
				i, err := envelope.PassphraseIdentity(c.words[1])
				if err != nil {
					t.Fatal(err)
				}
				identities = []age.Identity{i}
			}
			w.openWith(identities...)
			if got := w.restoreBoth(second.Name(), 0); !bytes.Equal(got, data) {
				t.Error("restored bytes differ")
			}
		})
	}
}

// Finish needs no key that reads.
func TestFinishEncrypted(t *testing.T) {
	w := newWorld(t)
	reader := ageKey(t)
	w.encryptTo(reader.Recipient().String())
	s := mixedSpec(4)
	n, m := w.backup(s)
	for _, suffix := range []string{"/manifest.json", ".table.zst"} {
		w.remove(suffix)
		w.encryptTo()
		got, err := w.vault.Finish(t.Context(), n, true)
		if err != nil || got.StoredBytes != m.StoredBytes {
			t.Fatalf("finish: %+v, %v", got, err)
		}
		if suffix == "/manifest.json" {
			w.remove("/manifest.json")
		}
	}
	w.openWith(reader)
	w.complete()
}

func (w *world) remove(suffix string) {
	w.t.Helper()
	removed := 0
	for key, path := range w.files() {
		if strings.HasSuffix(key, suffix) {
			removed++
			if err := os.Remove(path); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if removed == 0 {
		w.t.Fatalf("nothing ends in %s", suffix)
	}
}

// Bytes that are what their name says and no age file for the backup are
// damage: a hash proves only what was stored.
func TestForeignAgeFile(t *testing.T) {
	w := newWorld(t)
	reader := ageKey(t)
	w.encryptTo(reader.Recipient().String())
	w.openWith(reader)
	data := mix(5, 3*testSegment)
	s := spec("s", image("file", data))
	wr, err := w.run(t.Context(), newTap(w.bucket, 1), s)
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	var foreign bytes.Buffer
	out, err := age.Encrypt(&foreign, ageKey(t).Recipient())
	if err == nil {
		_, err = out.Write(make([]byte, 100))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	name := format.SegmentName{Index: 1, Sum: sha256.Sum256(foreign.Bytes()), Age: true}
	key := "some/prefix/daily/data/s/" + wr.Name().ID.String() + "/file/" + name.String()
	if err := w.bucket.Put(t.Context(), key, providers.Bytes(foreign.Bytes())); err != nil {
		t.Fatal(err)
	}
	// Nobody signs: it is believed, and found when it is read.
	again, err := w.run(t.Context(), w.bucket, s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.vault.Verify(t.Context(), again.Name(), archive.VerifyOptions{Sample: 1})
	if !errors.Is(err, archive.ErrDamaged) || len(r.Damage) != 1 || r.Damage[0].Key != key {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDamageOfEncrypted(t *testing.T) {
	w := newWorld(t)
	reader := ageKey(t)
	w.encryptTo(reader.Recipient().String())
	w.openWith(reader)
	s := mixedSpec(6)
	n, _ := w.backup(s)
	want := make([][]byte, 2)
	for i := range want {
		want[i] = make([]byte, s.Images[i].Size)
		_, _ = s.Images[i].Data.ReadAt(want[i], 0)
	}
	for key, path := range w.files() {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(key, "/empty") {
			continue // of which no byte is restored
		}
		for name, bad := range map[string][]byte{"flipped": flip(good, len(good)/2), "cut": good[:len(good)-1]} {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			w.checkDamage(n, key, name, want...)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRewrap(t *testing.T) {
	w := newWorld(t)
	first, second, third := ageKey(t), ageKey(t), ageKey(t)
	w.encryptTo(first.Recipient().String())
	data := mix(7, 2*testSegment)
	n, _ := w.backup(spec("s", image("file", data)))
	catalog := "some/prefix/daily/catalog/s/" + n.ID.String() + "/"
	// Keys that others planted change nothing: neither one that is for us, of
	// another backup, nor noise.
	recipients := func(i *age.X25519Identity) *envelope.Recipients {
		r, err := envelope.ParseRecipients([]string{i.Recipient().String()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	_, foreign, err := envelope.Seal(recipients(second))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"key.1.age": foreign, "key.2.age": []byte("noise"), "key.0.age": foreign, "key.x.age": foreign, "key.03.age": foreign} {
		if err := w.bucket.Put(t.Context(), catalog+name, providers.Bytes(b)); err != nil {
			t.Fatal(err)
		}
	}
	w.openWith(second)
	if _, err := w.vault.Rewrap(t.Context(), n, recipients(second)); !errors.Is(err, archive.ErrKey) {
		t.Fatalf("somebody let himself in: %v", err)
	}
	w.openWith(first)
	if file, err := w.vault.Rewrap(t.Context(), n, recipients(second)); err != nil || file != "key.3.age" {
		t.Fatalf("%s, %v", file, err)
	}
	w.openWith(second)
	if file, err := w.vault.Rewrap(t.Context(), n, recipients(third)); err != nil || file != "key.4.age" {
		t.Fatalf("%s, %v", file, err)
	}
	for _, i := range []age.Identity{first, second, third} {
		w.openWith(i)
		if got := w.restoreBoth(n, 0); !bytes.Equal(got, data) {
			t.Error("restored bytes differ")
		}
	}
	w.encryptTo()
	s := spec("plain", image("file", data))
	plain, _ := w.backup(s)
	if _, err := w.vault.Rewrap(t.Context(), plain, recipients(third)); !errors.Is(err, archive.ErrInvalid) {
		t.Errorf("rewrap of a backup that is not encrypted: %v", err)
	}
}

// The commands of RESTORE.md open an encrypted and signed backup with age and
// ssh-keygen alone, with the first key and with one that was added.
func TestEncryptedByHand(t *testing.T) {
	for _, tool := range []string{"age", "age-keygen", "ssh-keygen"} {
		testenv.Tool(t, tool)
	}
	w := newWorld(t)
	first, second := ageKey(t), ageKey(t)
	key, _ := signingKey(t, 1)
	w.encryptTo(first.Recipient().String())
	w.signWith(key)
	w.openWith(first)
	s := mixedSpec(8)
	n, m := w.backup(s)
	r, err := envelope.ParseRecipients([]string{second.Recipient().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.vault.Rewrap(t.Context(), n, r); err != nil {
		t.Fatal(err)
	}
	other, _ := signingKey(t, 2)
	files := t.TempDir()
	for name, text := range map[string]string{"first": first.String(), "second": "# added\n" + second.String() + "\n", "stranger": ageKey(t).String(),
		"signers": "snapferry " + key.Public().String() + "\n", "other": "snapferry " + other.Public().String() + "\n"} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	try := func(identity, signers string) (string, error) {
		t.Setenv("identity", filepath.Join(files, identity))
		t.Setenv("signers", filepath.Join(files, signers))
		return w.restoreByHand(n)
	}
	for _, identity := range []string{"first", "second"} {
		out, err := try(identity, "signers")
		if err != nil {
			t.Fatal(err)
		}
		for i, im := range m.Images {
			got, err := os.ReadFile(filepath.Join(out, im.Name))
			if err != nil || !bytes.Equal(got, w.restoreBoth(n, i)) {
				t.Errorf("%s differs: %v", im.Name, err)
			}
		}
		if left, err := os.ReadDir(out); err != nil || len(left) != len(m.Images) {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	if _, err := try("stranger", "signers"); err == nil {
		t.Error("a stranger's key opened it")
	}
	if _, err := try("first", "other"); err == nil {
		t.Error("a signature by another key was taken")
	}
}

// What is signed is what ssh-keygen says is signed.
func TestSignatureByHand(t *testing.T) {
	testenv.Tool(t, "ssh-keygen")
	w := newWorld(t)
	key, _ := signingKey(t, 1)
	w.signWith(key)
	n, _ := w.backup(spec("s", image("file", mix(1, 100))))
	dir := filepath.Join(w.dir, "some/prefix/daily/catalog/s", n.ID.String())
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "allowed_signers")
	if err := os.WriteFile(signers, []byte("snapferry "+key.Public().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(text []byte) error {
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "snapferry", "-n", "snapferry", "-s", format.SignatureFile(manifest))
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(text)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		return err
	}
	if err := verify(manifest); err != nil {
		t.Error(err)
	}
	if verify(append(manifest, ' ')) == nil {
		t.Error("a changed manifest passes")
	}
}

// A backup that is signed is taken by whoever trusts the key, and by nobody
// who trusts another; every way to forge one is seen.
func TestSigned(t *testing.T) {
	key, _ := signingKey(t, 1)
	stranger, _ := signingKey(t, 2)
	w := newWorld(t)
	w.signWith(key)
	n, _ := w.backup(mixedSpec(9))
	s2 := mixedSpec(10)
	s2.Time = s2.Time.Add(time.Hour)
	n2, _ := w.backup(s2)
	for key := range w.files() {
		if name, ok := format.ParseSegment(key[strings.LastIndex(key, "/")+1:]); strings.Contains(key, "/data/") && (!ok || name.Tag == "") {
			t.Errorf("%s has no tag", key)
		}
	}
	w.signWith(nil)
	if b, err := w.vault.Open(t.Context(), n); err != nil || b.Signature == nil || b.Signature.Trusted || b.Signature.By.String() != key.Public().String() {
		t.Errorf("without anybody to trust: %+v, %v", b, err)
	}
	w.trust(stranger, key)
	if b, err := w.vault.Open(t.Context(), n); err != nil || b.Signature == nil || !b.Signature.Trusted {
		t.Errorf("%+v, %v", b, err)
	}
	w.complete()
	w.trust(stranger)
	if _, err := w.vault.Open(t.Context(), n); !errors.Is(err, archive.ErrDamaged) || !errors.Is(err, signature.ErrStranger) {
		t.Errorf("a stranger's signature: %v", err)
	}
	w.trust(key)
	catalog := func(n format.Name) string { return filepath.Join(w.dir, "some/prefix/daily/catalog/s", n.ID.String()) }
	read := func(n format.Name, name string) []byte {
		b, err := os.ReadFile(filepath.Join(catalog(n), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m1, m2 := read(n, "manifest.json"), read(n2, "manifest.json")
	sig1, sig2 := read(n, format.SignatureFile(m1)), read(n2, format.SignatureFile(m2))
	var forged format.Manifest
	if err := format.Unseal(m1, &forged); err != nil {
		t.Fatal(err)
	}
	forged.Facts = map[string]string{"forged": "yes"}
	f, err := format.Seal(&forged)
	if err != nil {
		t.Fatal(err)
	}
	by, err := stranger.Sign(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		says  string
	}{
		"unsigned":        {map[string][]byte{format.SignatureFile(m1): nil}, "it is not signed"},
		"forged":          {map[string][]byte{"manifest.json": f}, "it is not signed, another manifest was"},
		"signature moved": {map[string][]byte{"manifest.json": f, format.SignatureFile(f): sig1}, "the signature is of other bytes"},
		"by a stranger":   {map[string][]byte{"manifest.json": f, format.SignatureFile(f): by}, stranger.Public().Fingerprint()},
		"noise":           {map[string][]byte{format.SignatureFile(m1): []byte("noise")}, "malformed signature"},
		"other signature": {map[string][]byte{format.SignatureFile(m1): sig2}, "the signature is of other bytes"},
		"swapped":         {map[string][]byte{"manifest.json": m2, format.SignatureFile(m2): sig2}, "it belongs to"},
		"swapped capture": {map[string][]byte{"manifest.json": m2, format.SignatureFile(m2): sig2, "capture.json": read(n2, "capture.json")}, "it belongs to"},
	} {
		saved := map[string][]byte{}
		for file, b := range c.files {
			path := filepath.Join(catalog(n), file)
			saved[path], _ = os.ReadFile(path)
			if b == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.vault.Open(t.Context(), n)
		if !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if r, err := w.vault.Verify(t.Context(), n, archive.VerifyOptions{}); !errors.Is(err, archive.ErrDamaged) || len(r.Damage) != 1 {
			t.Errorf("%s: verify: %+v, %v", name, r, err)
		}
		for path, b := range saved {
			if b == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	w.complete()
	// Replayed whole, under another id and in another series.
	for key, path := range w.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(key, n.ID.String()) {
			for _, to := range []string{strings.Replace(key, "T03", "T07", 1), strings.Replace(key, "/s/", "/t/", 1)} {
				if err := w.bucket.Put(t.Context(), to, providers.Bytes(b)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	entries, _, err := w.vault.List(t.Context(), "")
	if err != nil || len(entries) != 4 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		_, err := w.vault.Open(t.Context(), e.Name)
		if replayed := e.Name != n && e.Name != n2; replayed != errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	others := slices.DeleteFunc(entries, func(e archive.Entry) bool { return e.Name == n || e.Name == n2 })
	if len(others) != 2 {
		t.Errorf("%d replays", len(others))
	}
}

// Whoever may sign and is not trusted does not write what nobody would read.
func TestSignerMustBeTrusted(t *testing.T) {
	w := newWorld(t)
	key, _ := signingKey(t, 1)
	other, _ := signingKey(t, 2)
	w.signWith(key)
	w.trust(other)
	if _, err := w.vault.Begin(t.Context(), spec("s", image("file", nil))); !errors.Is(err, archive.ErrInvalid) {
		t.Errorf("begin: %v", err)
	}
	w.trust(other, key)
	w.backup(spec("s", image("file", nil)))
}
