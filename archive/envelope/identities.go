package envelope

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"
)

// The kinds of identities that cannot be used as they are.
var (
	// ErrProtected: an SSH key that takes a passphrase.
	ErrProtected = errors.New("the SSH key is protected by a passphrase")
	// ErrEncrypted: a file of identities that is encrypted itself.
	ErrEncrypted = errors.New("the identities are encrypted themselves")
)

// maxWork bounds how long an envelope may keep us busy with a passphrase: as
// the exponent of scrypt, some 4 s.
const maxWork = 20

// ParseIdentities reads private keys: lines AGE-SECRET-KEY-1…,
// AGE-SECRET-KEY-PQ-1… and AGE-PLUGIN-…, or one OpenSSH private key. ui is how
// plugins talk to the user; nil: not at all. Errors wrap ErrInvalid,
// ErrProtected or ErrEncrypted and repeat nothing of the text.
func ParseIdentities(text []byte, ui *plugin.ClientUI) ([]age.Identity, error) {
	s := string(text)
	switch {
	case strings.HasPrefix(s, "age-encryption.org/"), strings.HasPrefix(strings.TrimSpace(s), armor.Header):
		return nil, ErrEncrypted
	case strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN "):
		return sshIdentity(text)
	}
	var all []age.Identity
	number := 0
	for line := range strings.Lines(s) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		i, err := parseIdentity(line, ui)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d is no private key of age", ErrInvalid, number)
		}
		all = append(all, i)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: there is no private key", ErrInvalid)
	}
	return all, nil
}

func parseIdentity(line string, ui *plugin.ClientUI) (age.Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		return age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return plugin.NewIdentity(line, orQuiet(ui))
	}
	return age.ParseX25519Identity(line)
}

func sshIdentity(text []byte) ([]age.Identity, error) {
	i, err := agessh.ParseIdentity(text)
	if _, missing := errors.AsType[*ssh.PassphraseMissingError](err); missing {
		return nil, ErrProtected
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it is no SSH private key of type ed25519 or rsa", ErrInvalid)
	}
	return []age.Identity{i}, nil
}

// PassphraseIdentity opens what PassphraseRecipient sealed.
func PassphraseIdentity(passphrase string) (age.Identity, error) {
	return passphraseIdentity(passphrase)
}

func passphraseIdentity(passphrase string) (*age.ScryptIdentity, error) {
	i, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	i.SetMaxWorkFactor(maxWork)
	return i, nil
}
