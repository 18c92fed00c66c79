package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/config"
	"github.com/snapferry/snapferry/job"
)

// accessOptions are the flags that say how a vault is encrypted and signed. A
// SECRET is env:NAME, file:PATH, command:PROGRAM ARGUMENTS, or the path of a
// file.
type accessOptions struct {
	recipients     []string
	recipientsFile string
	passphrase     string
	identities     []string
	sign           string
	signers        []string
	versions       bool
}

const secretHelp = " (env:NAME, file:PATH, command:PROGRAM ARGUMENTS)"

// registerWrite adds the flags of commands that make backups.
func (o *accessOptions) registerWrite(c *cobra.Command) {
	f := c.Flags()
	o.registerRecipients(c)
	f.StringVar(&o.passphrase, "passphrase", "", "encrypt to this passphrase in place of recipients"+secretHelp)
	o.registerSign(c)
}

// registerRecipients adds the flags that say who may read.
func (o *accessOptions) registerRecipients(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt to this public key: age1…, ssh-ed25519 …, ssh-rsa …; repeat it for more")
	f.StringVar(&o.recipientsFile, "recipients-file", "", "encrypt to the public keys in this file, one a line")
}

// registerSign adds the flags of commands that write manifests.
func (o *accessOptions) registerSign(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.sign, "sign", "", "sign with this ssh-ed25519 private key, and build only upon what it signed"+secretHelp)
	f.StringArrayVar(&o.signers, "signer", nil, "demand a signature by this public key, a line ssh-ed25519 … or a file of them; repeat it for more")
}

// registerIdentities adds the flags that open encrypted backups.
func (o *accessOptions) registerIdentities(c *cobra.Command) {
	f := c.Flags()
	o.registerIdentity(c)
	f.StringVar(&o.passphrase, "passphrase", "", "open backups that are encrypted to this passphrase"+secretHelp)
}

// registerIdentity adds the flag of private keys.
func (o *accessOptions) registerIdentity(c *cobra.Command) {
	c.Flags().StringArrayVar(&o.identities, "identity", nil, "open encrypted backups with this private key, of age or SSH; repeat it for more"+secretHelp)
}

// registerRead adds the flags of commands that read backups.
func (o *accessOptions) registerRead(c *cobra.Command) {
	o.registerIdentities(c)
	o.registerTrust(c)
}

// registerTrust adds the flags of commands that read documents alone.
func (o *accessOptions) registerTrust(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.signers, "signer", nil, "demand a signature by this public key, a line ssh-ed25519 … or a file of them; repeat it for more")
	f.BoolVar(&o.versions, "versions", false, "read the oldest version that is right of what was overwritten or deleted")
}

// apply parses the flags into a. What a says already of another way stays.
func (o *accessOptions) apply(a *job.Access) error {
	a.Versions = a.Versions || o.versions
	if err := o.readRecipients(a); err != nil {
		return err
	}
	for _, s := range []struct {
		flag, text string
		into       *job.Secret
	}{{"--passphrase", o.passphrase, &a.Passphrase}, {"--sign", o.sign, &a.SignWith}} {
		if s.text == "" {
			continue
		}
		secret, err := parseSecret(s.flag, s.text)
		if err != nil {
			return err
		}
		*s.into = secret
	}
	for _, text := range o.identities {
		secret, err := parseSecret("--identity", text)
		if err != nil {
			return err
		}
		a.Identities = append(a.Identities, secret)
	}
	for _, text := range o.signers {
		if strings.HasPrefix(text, "ssh-") {
			a.Signers = append(a.Signers, text)
			continue
		}
		lines, err := readLines("--signer", text)
		if err != nil {
			return err
		}
		a.Signers = append(a.Signers, lines...)
	}
	return nil
}

func (o *accessOptions) readRecipients(a *job.Access) error {
	a.Recipients = append(a.Recipients, o.recipients...)
	if o.recipientsFile == "" {
		return nil
	}
	lines, err := readLines("--recipients-file", o.recipientsFile)
	a.Recipients = append(a.Recipients, lines...)
	return err
}

// parseSecret says where a secret is; it is fetched when it is needed.
func parseSecret(flag, text string) (job.Secret, error) {
	secret, err := config.ParseSecretOrPath(text)
	if err != nil {
		return nil, refused(flag, err, job.Hint(err))
	}
	return secret.Fetch, nil
}

// maxKeyLines bounds a file of public keys.
const maxKeyLines = 1000

// readLines reads the public keys in a file: one a line, without empty lines
// and those that begin with #.
func readLines(flag, path string) (lines []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, refused(flag, err, "name a file of public keys, one a line, or write the key itself")
	}
	defer func() { _ = f.Close() }() // it was only read
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		line := strings.TrimSpace(scan.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if lines = append(lines, line); len(lines) > maxKeyLines {
			return nil, refused(flag+" "+path, fmt.Errorf("it has more than %d lines", maxKeyLines), "name a file of public keys, one a line")
		}
	}
	if err := scan.Err(); err != nil {
		return nil, refused(flag+" "+path, err, "name a file of public keys, one a line")
	}
	if len(lines) == 0 {
		return nil, refused(flag+" "+path, errors.New("there is no key in it"), "name a file of public keys, one a line")
	}
	return lines, nil
}
