package job

import (
	"context"

	"github.com/snapferry/snapferry/lifecycle"
)

// Vault is a place for backups, and how it is used.
type Vault struct {
	Name string // as the configuration calls it; may be empty
	URL  string // or a path
	Access
}

// Access is what using a vault takes beyond reaching it: keys and policy. Its
// zero value is a vault that is neither encrypted, signed nor locked.
type Access struct {
	// Recipients may read new backups: age1…, ssh-ed25519 …, ssh-rsa …, or of
	// an age plugin. With any of them, or a Passphrase, new backups are
	// encrypted.
	Recipients []string
	// Passphrase encrypts new backups, and reads those it encrypted.
	Passphrase Secret
	// Identities open encrypted backups: each holds one or more age or SSH
	// private keys.
	Identities []Secret
	// SignWith is the Ed25519 private key, in OpenSSH's form, that signs new
	// backups. A vault with one is a signed vault.
	SignWith Secret
	// Signers are the public keys, as ssh-ed25519 lines, of whose signatures
	// one is demanded from every backup that is read.
	Signers []string
	// Locks say, by the name of a tier, how new objects of it are locked.
	Locks map[string]LockPolicy
	// Retention is what the vault keeps. A lock that is longer than the
	// objects of its tier live is refused; zero: they live for ever.
	Retention lifecycle.Policy
	// Versions reads the oldest version that is right of what was overwritten
	// or deleted, in stores that keep them.
	Versions bool
}

// LockPolicy is the lock of the new objects of one tier.
type LockPolicy struct {
	Mode string // "governance" or "compliance"
	Days int    // from the moment of the PUT
}

// Secret fetches a secret, at most once for each vault, when it is first
// needed. Errors name where it comes from and never hold any of it.
type Secret func(context.Context) ([]byte, error)
