package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/internal/testenv"
)

func testKey(t testing.TB, seed byte) (*Key, []byte) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)), "")
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(block)
	key, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key, text
}

func TestSignAndVerify(t *testing.T) {
	one, _ := testKey(t, 1)
	two, _ := testKey(t, 2)
	message := []byte("manifest")
	sig, err := one.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		message []byte
		trusted []PublicKey
		want    error
	}{
		"trusted":  {message, []PublicKey{two.Public(), one.Public()}, nil},
		"anybody":  {message, nil, nil},
		"stranger": {message, []PublicKey{two.Public()}, ErrStranger},
		"other":    {[]byte("Manifest"), []PublicKey{one.Public()}, ErrWrong},
		"longer":   {[]byte("manifest\n"), nil, ErrWrong},
	} {
		by, err := Verify(c.message, sig, c.trusted)
		if !errors.Is(err, c.want) || c.want == nil && by.String() != one.Public().String() {
			t.Errorf("%s: by %v, %v", name, by, err)
		}
	}
	if again, err := one.Sign(message); err != nil || !bytes.Equal(again, sig) {
		t.Error("two signatures of the same bytes differ")
	}
}

// Signatures made for another purpose, or in another way, are none of ours.
func TestForeignSignatures(t *testing.T) {
	key, _ := testKey(t, 1)
	sign := func(hash sshsig.HashAlgorithm, namespace string) []byte {
		sig, err := sshsig.Sign(strings.NewReader("manifest"), key.signer, hash, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return sshsig.Armor(sig)
	}
	good := sign(sshsig.HashSHA512, Namespace)
	for name, armored := range map[string][]byte{
		"namespace": sign(sshsig.HashSHA512, "file"), "hash": sign(sshsig.HashSHA256, Namespace), "empty": nil, "noise": []byte("noise"),
		"too long": append(bytes.Clone(good), make([]byte, MaxSize)...), "cut": good[:len(good)/2],
	} {
		if _, err := Verify([]byte("manifest"), armored, []PublicKey{key.Public()}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	testenv.Tool(t, "ssh-keygen")
	dir := t.TempDir()
	generate := func(name, kind, words string) (private []byte, public string) {
		path := filepath.Join(dir, name)
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", words, "-C", "me@here", "-f", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		private, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line, err := os.ReadFile(path + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		return private, string(line)
	}
	private, public := generate("good", "ed25519", "")
	key, err := ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ParsePublicKey(public); err != nil || p.String() != key.Public().String() || p.Fingerprint() != key.Public().Fingerprint() {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := ParseKey(bytes.TrimSpace(private)); err != nil {
		t.Errorf("without the last line end: %v", err)
	}
	protected, _ := generate("protected", "ed25519", "secret")
	if _, err := ParseKey(protected); !errors.Is(err, ErrProtected) {
		t.Errorf("protected: %v", err)
	}
	ecdsa, ecdsaPublic := generate("ecdsa", "ecdsa", "")
	for name, text := range map[string][]byte{"ecdsa": ecdsa, "public": []byte(public), "empty": nil, "noise": []byte("noise")} {
		if _, err := ParseKey(text); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, line := range map[string]string{"ecdsa": ecdsaPublic, "private": string(private), "options": "no-pty " + public, "empty": "", "noise": "ssh-ed25519 noise"} {
		if _, err := ParsePublicKey(line); !errors.Is(err, ErrInvalidKey) || strings.Contains(err.Error(), "b3BlbnNza") {
			t.Errorf("public %s: %v", name, err)
		}
	}
}

// Different labels never make one tag, however they are cut, and another key
// makes another.
func TestTagsDiffer(t *testing.T) {
	one, _ := testKey(t, 1)
	two, _ := testKey(t, 2)
	label := rapid.StringMatching(`[ab]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(label, 0, 4).Draw(t, "a"), rapid.SliceOfN(label, 0, 4).Draw(t, "b")
		same := len(a) == len(b) && strings.Join(a, ",") == strings.Join(b, ",")
		if Equal(one.Tag(nil, a...), one.Tag(nil, b...)) != same {
			t.Fatalf("tags of %q and %q", a, b)
		}
		if Equal(one.Tag(nil, a...), two.Tag(nil, a...)) {
			t.Fatal("two keys make one tag")
		}
	})
}

// The tag key is a part of the format: a writer that derived another would not
// know its own objects again.
func TestTagIsFixed(t *testing.T) {
	key, _ := testKey(t, 1)
	const want = "e27e239441958177c76bf47b996b0474242d463b07ddd6952f919d599153eec1" // by HKDF and HMAC of another program
	if got := hexOf(key.Tag([]byte("content"), "segment", "id")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func hexOf(tag [sha256.Size]byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range tag {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func FuzzVerify(f *testing.F) {
	key, _ := testKey(f, 1)
	message := []byte("manifest")
	sig, err := key.Sign(message)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig)
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, armored []byte) {
		by, err := Verify(message, armored, []PublicKey{key.Public()})
		if err != nil {
			return
		}
		// The text may differ in its line ends; what it says may not.
		block, _ := pem.Decode(armored)
		good, _ := pem.Decode(sig)
		if by.String() != key.Public().String() || !bytes.Equal(block.Bytes, good.Bytes) {
			t.Fatalf("another signature was taken: %q", armored)
		}
	})
}
