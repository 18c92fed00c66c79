package envelope

import (
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
)

// Passphrase is how the recipient of a passphrase is called.
const Passphrase = "scrypt"

// Recipients are those who may read a backup.
type Recipients struct {
	all        []age.Recipient
	names      []string // sorted
	passphrase *age.ScryptIdentity
}

// ParseRecipients reads public keys: age1… of age or one of its plugins,
// ssh-ed25519 or ssh-rsa lines, whose comments do not count. Empty strings and
// those that begin with # are passed over. ui is how plugins talk to the user;
// nil: not at all. Errors wrap ErrInvalid and repeat nothing that could be a
// private key.
func ParseRecipients(lines []string, ui *plugin.ClientUI) (*Recipients, error) {
	r := &Recipients{}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, one, err := parseRecipient(line, ui)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(r.names, name) {
			r.names, r.all = append(r.names, name), append(r.all, one)
		}
	}
	if len(r.all) == 0 {
		return nil, fmt.Errorf("%w: no recipient is named", ErrInvalid)
	}
	slices.Sort(r.names)
	return r, nil
}

func parseRecipient(line string, ui *plugin.ClientUI) (name string, r age.Recipient, err error) {
	switch {
	case strings.HasPrefix(line, "ssh-"):
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return "", nil, fmt.Errorf("%w: an SSH key is a type and a key, as in a file that ends in .pub", ErrInvalid)
		}
		name = fields[0] + " " + fields[1]
		r, err = agessh.ParseRecipient(name)
	case strings.HasPrefix(line, "age1pq1"):
		name = line
		r, err = age.ParseHybridRecipient(line)
	case strings.HasPrefix(line, "age1") && strings.Count(line, "1") > 1 && isPlugin(line):
		name = line
		r, err = plugin.NewRecipient(line, orQuiet(ui))
	case strings.HasPrefix(line, "age1"):
		name = line
		r, err = age.ParseX25519Recipient(line)
	case looksPrivate(line):
		return "", nil, fmt.Errorf("%w: it is a private key, and a recipient is a public one", ErrInvalid)
	default:
		return "", nil, fmt.Errorf("%w: a recipient begins with age1, ssh-ed25519 or ssh-rsa", ErrInvalid)
	}
	if err != nil && looksPrivate(line) { // which the error would repeat
		return "", nil, fmt.Errorf("%w: it holds a private key, and a recipient is a public one", ErrInvalid)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	return name, r, nil
}

// isPlugin tells age1name1… from the key of age itself, whose digits after the
// first 1 never hold another.
func isPlugin(s string) bool {
	_, _, err := plugin.ParseRecipient(s)
	return err == nil
}

func looksPrivate(s string) bool {
	upper := strings.ToUpper(s)
	return strings.Contains(upper, "AGE-SECRET-KEY-") || strings.Contains(upper, "AGE-PLUGIN-") || strings.Contains(upper, "PRIVATE KEY")
}

// PassphraseRecipient is the recipient of whoever knows the passphrase. There
// can be no other beside it.
func PassphraseRecipient(passphrase string) (*Recipients, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	i, err := passphraseIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	return &Recipients{all: []age.Recipient{r}, names: []string{Passphrase}, passphrase: i}, nil
}

// Names returns the recipients as they were written, sorted; a passphrase is
// "scrypt".
func (r *Recipients) Names() []string { return slices.Clone(r.names) }

// Sealed reports whether an envelope for those names, as of the capture with
// that public key, is for these very recipients.
func (r *Recipients) Sealed(names []string, public string, armored []byte) bool {
	other := slices.Clone(names)
	slices.Sort(other)
	if !slices.Equal(r.names, other) {
		return false
	}
	if r.passphrase == nil {
		return true
	}
	_, err := Open(armored, public, []age.Identity{r.passphrase})
	return err == nil
}

// orQuiet returns ui, or one that talks to nobody.
func orQuiet(ui *plugin.ClientUI) *plugin.ClientUI {
	if ui != nil {
		return ui
	}
	return &plugin.ClientUI{DisplayMessage: func(string, string) error { return nil }}
}
