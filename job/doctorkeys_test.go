package job

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

func secretOf(text string) Secret {
	return func(context.Context) ([]byte, error) { return []byte(text), nil }
}

// ageKey returns a public and a private key.
func ageKey(t *testing.T) (recipient, identity string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key.Recipient().String(), key.String()
}

// sshKey returns a public and a private key that signs.
func sshKey(t *testing.T) (line, private string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), string(pem.EncodeToMemory(block))
}

func TestDoctorTriesTheKeys(t *testing.T) {
	recipient, identity := ageKey(t)
	other, _ := ageKey(t)
	line, private := sshKey(t)
	otherLine, _ := sshKey(t)
	gone := Secret(func(context.Context) ([]byte, error) { return nil, errors.New("env:KEY: it is not set") })
	for _, c := range []struct {
		name    string
		access  Access
		check   string
		verdict Verdict
		says    string
	}{
		{"recipient alone", Access{Recipients: []string{recipient}}, "encrypt", Green, recipient + "; no private key is here"},
		{"pair", Access{Recipients: []string{other, recipient}, Identities: []Secret{secretOf(identity)}}, "encrypt", Green, "open with what is given"},
		{"mismatch", Access{Recipients: []string{other}, Identities: []Secret{secretOf(identity)}}, "encrypt", Red, "does not open"},
		{"identity alone", Access{Identities: []Secret{secretOf(identity)}}, "encrypt", Green, "not encrypted"},
		{"nonsense", Access{Identities: []Secret{secretOf("planted-secret")}}, "encrypt", Red, "an identity"},
		{"no secret", Access{Identities: []Secret{gone}}, "encrypt", Red, "it is not set"},
		{"passphrase", Access{Passphrase: secretOf("planted-secret")}, "encrypt", Green, "open with what is given"},
		{"signed", Access{SignWith: secretOf(private)}, "sign", Green, "SHA256:"},
		{"signed and trusted", Access{SignWith: secretOf(private), Signers: []string{otherLine, line}}, "sign", Green, "SHA256:"},
		{"signed and not trusted", Access{SignWith: secretOf(private), Signers: []string{otherLine}}, "sign", Red, "none of those that are demanded"},
		{"no key", Access{SignWith: secretOf("planted-secret")}, "sign", Red, "the signing key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := patient(t, healthy())
			report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x", Access: c.access}}, NoSpeed: true})
			if report == nil {
				t.Fatal(err)
			}
			got := check(t, report, c.check)
			if got.Verdict != c.verdict || !strings.Contains(got.Detail, c.says) || (got.Hint == "") != (c.verdict == Green) || report.Verdict != c.verdict {
				t.Errorf("%+v, want %s", got, c.verdict)
			}
			for _, secret := range []string{"planted-secret", identity, "PRIVATE KEY"} {
				if strings.Contains(got.Detail+got.Hint+Hint(err), secret) {
					t.Errorf("a secret is shown: %+v", got)
				}
			}
		})
	}
	// Without keys there is nothing to try.
	r, _ := patient(t, healthy())
	report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}, NoSpeed: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Vaults[0].Checks {
		if c.Name == "encrypt" || c.Name == "sign" {
			t.Errorf("%+v", c)
		}
	}
}
