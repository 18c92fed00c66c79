package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type rewrapOptions struct {
	store         storeOptions
	access        accessOptions
	newPassphrase string
	request       job.RewrapRequest
}

func newRewrapCommand(d *deps) *cobra.Command {
	var o rewrapOptions
	c := &cobra.Command{
		Use:   "rewrap BACKUP",
		Short: "Let more readers into encrypted backups, without touching their data",
		Long: `Rewrap opens the key of an encrypted backup with --identity or --passphrase and encrypts it to each --recipient, too. No data is read
or written. It cannot be taken back: who could read the backup before still can, and so can who gets in now. To shut somebody out,
make new backups without them and let the old ones expire.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID, or VAULT for all encrypted backups in it.`,
		Example: `  snapferry rewrap 's3://acme-backups/graph?region=eu-west-1' --identity file:old.key --recipient age1…`,
		Args:    exactly("BACKUP"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Backup, o.request.Access, err = d.backupsArg(c, args[0]); err != nil {
				return err
			}
			return runRewrap(c.Context(), o, d)
		},
	}
	o.store.register(c)
	o.access.registerRecipients(c)
	o.access.registerRead(c)
	c.Flags().StringVar(&o.newPassphrase, "new-passphrase", "", "let in who knows this passphrase"+secretHelp)
	return c
}

func runRewrap(ctx context.Context, o rewrapOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	if o.newPassphrase != "" {
		if o.request.NewPassphrase, err = parseSecret("--new-passphrase", o.newPassphrase); err != nil {
			return err
		}
	}
	report, err := d.runner(tuning).Rewrap(ctx, o.request)
	if report == nil {
		return ended(ctx, err)
	}
	perr := d.print(report, func(w io.Writer) {
		for _, b := range report.Backups {
			if b.Problem != "" {
				line(w, "failed\t%s\t%s", b.Name, b.Problem)
			} else {
				line(w, "rewrapped\t%s\t%s", b.Name, b.Key)
			}
		}
	})
	return errors.Join(err, perr)
}
