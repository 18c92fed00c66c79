package envelope

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/archive/format"
)

func newKey(t testing.TB) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func recipients(t testing.TB, lines ...string) *Recipients {
	t.Helper()
	r, err := ParseRecipients(lines, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealAndOpen(t *testing.T) {
	one, two, three := newKey(t), newKey(t), newKey(t)
	public, armored, err := Seal(recipients(t, one.Recipient().String(), two.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []age.Identity{one, two} {
		if _, err := Open(armored, public, []age.Identity{three, i}); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		armored    []byte
		public     string
		identities []age.Identity
		want       error
	}{
		"stranger":    {armored, public, []age.Identity{three}, ErrNoMatch},
		"nobody":      {armored, public, nil, ErrNoMatch},
		"another key": {armored, one.Recipient().String(), []age.Identity{one}, ErrMalformed},
		"cut":         {armored[:len(armored)/2], public, []age.Identity{one}, ErrMalformed},
		"noise":       {[]byte("noise"), public, []age.Identity{one}, ErrMalformed},
		"empty":       {nil, public, []age.Identity{one}, ErrMalformed},
		"too long":    {bytes.Repeat([]byte("\n"), MaxArmored+1), public, []age.Identity{one}, ErrMalformed},
	} {
		if _, err := Open(c.armored, c.public, c.identities); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := Open(armored, public, []age.Identity{one})
	if err != nil {
		t.Fatal(err)
	}
	again, err := key.Rewrap(recipients(t, three.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(again, public, []age.Identity{three}); err != nil {
		t.Errorf("rewrapped: %v", err)
	}
}

// What is encrypted is decrypted, takes no more than the format says, and
// nothing of it can be cut off or changed.
func TestEncryptRoundTrip(t *testing.T) {
	reader := newKey(t)
	public, armored, err := Seal(recipients(t, reader.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	to, err := ParsePublic(public)
	if err != nil {
		t.Fatal(err)
	}
	key, err := Open(armored, public, []age.Identity{reader})
	if err != nil {
		t.Fatal(err)
	}
	sizes := rapid.OneOf(rapid.IntRange(0, 300<<10), rapid.SampledFrom([]int{0, 1, copySize - 1, copySize, copySize + 1, 2 * copySize}))
	rapid.Check(t, func(t *rapid.T) {
		plain := bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(t, "b"))}, sizes.Draw(t, "n"))
		var stored bytes.Buffer
		if err := to.Encrypt(&stored, bytes.NewReader(plain)); err != nil {
			t.Fatal(err)
		}
		if limit := format.AgeSize(int64(len(plain))); int64(stored.Len()) > limit {
			t.Fatalf("%d bytes for %d, the format allows %d", stored.Len(), len(plain), limit)
		}
		var got bytes.Buffer
		if err := key.Decrypt(&got, bytes.NewReader(stored.Bytes())); err != nil || !bytes.Equal(got.Bytes(), plain) {
			t.Fatalf("decrypt: %v", err)
		}
		bad := bytes.Clone(stored.Bytes())
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1
		if key.Decrypt(io.Discard, bytes.NewReader(bad)) == nil {
			t.Fatal("a changed byte went unnoticed")
		}
		if key.Decrypt(io.Discard, bytes.NewReader(bad[:len(bad)-1])) == nil {
			t.Fatal("a cut went unnoticed")
		}
	})
}

const (
	sshPublic = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"
	plugged   = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"
)

func TestParseRecipients(t *testing.T) {
	one := newKey(t).Recipient().String()
	r := recipients(t, "# readers", "", "  "+one+" ", sshPublic+" me@here", sshPublic, plugged)
	if want := []string{one, plugged, sshPublic}; !slices.Equal(r.Names(), slices.Sorted(slices.Values(want))) {
		t.Errorf("%q, want %q", r.Names(), want)
	}
	if !r.Sealed([]string{sshPublic, plugged, one}, "", nil) || r.Sealed([]string{sshPublic, one}, "", nil) {
		t.Error("the same recipients in another order, or fewer")
	}
	secret := newKey(t).String()
	changed := "q" // the last letter is one of the checksum
	if strings.HasSuffix(one, changed) {
		changed = "p"
	}
	for name, line := range map[string]string{
		"nobody": "", "name": "bob", "private": secret, "lower private": strings.ToLower(secret), "bad key": one[:len(one)-1] + changed, "short ssh": "ssh-ed25519",
		"ecdsa": "ecdsa-sha2-nistp256 AAAA", "bad ssh": "ssh-rsa AAAA", "bad post-quantum": "age1pq1qqqq", "private ssh": "-----BEGIN OPENSSH PRIVATE KEY-----",
		"private behind age": "age1 " + secret, "private behind post-quantum": "age1pq1 " + secret, "private behind ssh": "ssh-ed25519 " + secret,
	} {
		_, err := ParseRecipients([]string{line}, nil)
		if !errors.Is(err, ErrInvalid) || strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(secret)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A passphrase goes with no other recipient, and only the same one continues.
func TestPassphrase(t *testing.T) {
	r, err := PassphraseRecipient("open")
	if err != nil {
		t.Fatal(err)
	}
	public, armored, err := Seal(r)
	if err != nil {
		t.Fatal(err)
	}
	other, err := PassphraseRecipient("sesame")
	if err != nil {
		t.Fatal(err)
	}
	if !r.Sealed(r.Names(), public, armored) || other.Sealed(r.Names(), public, armored) {
		t.Error("another passphrase passes for the same, or the same for another")
	}
	if _, err := PassphraseRecipient(""); !errors.Is(err, ErrInvalid) {
		t.Errorf("empty: %v", err)
	}
}

func TestParseIdentities(t *testing.T) {
	secret := newKey(t).String()
	all, err := ParseIdentities([]byte("# created: today\n\n"+secret+"\r\n"+newKey(t).String()), nil)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d, %v", len(all), err)
	}
	var wrapped bytes.Buffer
	w := armor.NewWriter(&wrapped)
	_, err = io.WriteString(w, "age-encryption.org/v1\n")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty": {"", ErrInvalid}, "comment": {"# nothing\n", ErrInvalid}, "cut": {secret[:40], ErrInvalid}, "second line": {secret + "\nx" + secret, ErrInvalid},
		"public": {newKey(t).Recipient().String(), ErrInvalid}, "armored": {wrapped.String(), ErrEncrypted}, "encrypted": {"age-encryption.org/v1\n", ErrEncrypted},
		"bad pem": {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", ErrInvalid},
	} {
		_, err := ParseIdentities([]byte(c.text), nil)
		if !errors.Is(err, c.want) || strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	reader := newKey(f)
	public, armored, err := Seal(recipients(f, reader.Recipient().String()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(armored)
	f.Add([]byte(armor.Header + "\n" + armor.Footer + "\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := Open(b, public, []age.Identity{reader})
		if err == nil && key.identity.Recipient().String() != public {
			t.Fatal("another key was taken")
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(newKey(f).String())
	f.Add(newKey(f).Recipient().String())
	f.Add(sshPublic)
	f.Add(plugged)
	f.Add("AGE-PLUGIN-YUBIKEY-1QQPQYQSZQGPQYQSZQGPQ")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRecipients([]string{s}, nil); err == nil {
			if again, err := ParseRecipients(r.Names(), nil); err != nil || !slices.Equal(again.Names(), r.Names()) {
				t.Fatalf("the names of %q are read as others: %v", s, err)
			}
		}
		if all, err := ParseIdentities([]byte(s), nil); err == nil && len(all) == 0 {
			t.Fatal("no identity, and no error")
		}
	})
}
