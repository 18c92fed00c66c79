package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/envelope"
	"github.com/snapferry/snapferry/archive/signature"
	"github.com/snapferry/snapferry/providers"
)

const recipientHint = "write age1…, or a line such as those in files that end in .pub: ssh-ed25519 … or ssh-rsa …; age-keygen makes a key pair"

// keys turns what a request says of keys into what the archive takes. Public
// keys are checked at once, secrets fetched when they are first needed.
func (s *session) keys(a *Access) (archive.Keys, error) {
	var k archive.Keys
	if len(a.Recipients) > 0 && a.Passphrase != nil {
		return k, usage("a passphrase", errors.New("there can be no recipient beside it"),
			"leave out the passphrase, or the recipients; age encrypts to one or the others")
	}
	switch {
	case len(a.Recipients) > 0:
		r, err := s.recipients(a.Recipients)
		if err != nil {
			return k, err
		}
		k.Recipients = func(context.Context) (*envelope.Recipients, error) { return r, nil }
	case a.Passphrase != nil:
		k.Recipients = once(func(ctx context.Context) (*envelope.Recipients, error) { return passphraseRecipient(ctx, a.Passphrase) })
	}
	if len(a.Identities) > 0 || a.Passphrase != nil {
		k.Identities = once(func(ctx context.Context) ([]age.Identity, error) { return s.identities(ctx, a) })
	}
	if a.SignWith != nil {
		k.SignWith = once(func(ctx context.Context) (*signature.Key, error) { return signingKey(ctx, a.SignWith) })
	}
	for _, line := range a.Signers {
		key, err := signature.ParsePublicKey(line)
		if err != nil {
			return k, usage("a signer", err, "write the line of the file that ends in .pub: ssh-ed25519 and the key; ssh-keygen -t ed25519 makes a pair")
		}
		k.Signers = append(k.Signers, key)
	}
	return k, nil
}

func (s *session) recipients(lines []string) (*envelope.Recipients, error) {
	r, err := envelope.ParseRecipients(lines, s.pluginUI())
	if err != nil {
		return nil, usage("a recipient", err, recipientHint)
	}
	return r, nil
}

func passphraseRecipient(ctx context.Context, secret Secret) (*envelope.Recipients, error) {
	text, err := secret(ctx)
	if err != nil {
		return nil, err
	}
	r, err := envelope.PassphraseRecipient(string(text))
	if err != nil {
		return nil, usage("the passphrase", err, "it must not be empty")
	}
	return r, nil
}

// identities fetches all private keys that open backups.
func (s *session) identities(ctx context.Context, a *Access) ([]age.Identity, error) {
	var all []age.Identity
	for _, secret := range a.Identities {
		text, err := secret(ctx)
		if err != nil {
			return nil, err
		}
		some, err := envelope.ParseIdentities(text, s.pluginUI())
		if err != nil {
			return nil, usage("an identity", err, identityHint(err))
		}
		all = append(all, some...)
	}
	if a.Passphrase != nil {
		text, err := a.Passphrase(ctx)
		if err != nil {
			return nil, err
		}
		one, err := envelope.PassphraseIdentity(string(text))
		if err != nil {
			return nil, usage("the passphrase", err, "it must not be empty")
		}
		all = append(all, one)
	}
	return all, nil
}

func identityHint(err error) string {
	switch {
	case errors.Is(err, envelope.ErrProtected):
		return "give a copy without a passphrase (ssh-keygen -p), kept where secrets are, or a key that age-keygen made"
	case errors.Is(err, envelope.ErrEncrypted):
		return "let age decrypt it: --identity 'command:age -d FILE'"
	}
	return "give what age-keygen wrote, or an SSH private key of type ed25519 or rsa"
}

func signingKey(ctx context.Context, secret Secret) (*signature.Key, error) {
	text, err := secret(ctx)
	if err != nil {
		return nil, err
	}
	key, err := signature.ParseKey(text)
	if errors.Is(err, signature.ErrProtected) {
		return nil, usage("the signing key", err, "give a key without a passphrase, kept where secrets are: ssh-keygen -t ed25519 -N ''")
	}
	if err != nil {
		return nil, usage("the signing key", err, "ssh-keygen -t ed25519 makes one; the file without .pub is it")
	}
	return key, nil
}

// once remembers what fetch returned, unless that was an error.
func once[T any](fetch func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var value T
	done := false
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return value, nil
		}
		v, err := fetch(ctx)
		if err == nil {
			value, done = v, true
		}
		return v, err
	}
}

// pluginUI is how age plugins talk to the user: at the terminal, or without
// one through the log, where nothing can be answered.
func (s *session) pluginUI() *plugin.ClientUI {
	tell := func(format string, args ...any) { s.Log.Warn(strings.TrimSpace(fmt.Sprintf(format, args...))) }
	if s.Terminal {
		return plugin.NewTerminalUI(tell, tell)
	}
	unanswered := func(name, prompt string) error {
		s.Log.Warn("age plugin asks, and there is no terminal to answer at", "plugin", name, "prompt", prompt)
		return errors.New("no terminal")
	}
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error {
			s.Log.Warn("age plugin", "plugin", name, "message", message)
			return nil
		},
		RequestValue: func(name, prompt string, _ bool) (string, error) { return "", unanswered(name, prompt) },
		Confirm:      func(name, prompt, _, _ string) (bool, error) { return false, unanswered(name, prompt) },
		WaitTimer: func(name string) {
			s.Log.Warn("waiting for an age plugin; touch the device if it blinks", "plugin", name)
		},
	}
}

// history returns what reads older versions, nil if none are asked for.
func (o *opened) history(a *Access) (providers.Versioner, error) {
	if !a.Versions {
		return nil, nil //nolint:nilnil // none, and no error
	}
	v, ok := providers.Feature[providers.Versioner](o.bucket)
	if !ok {
		return nil, usage("--versions", fmt.Errorf("%s keeps no older versions", o.shown),
			"leave it out; only a bucket with versioning has what was overwritten or deleted")
	}
	return v, nil
}
