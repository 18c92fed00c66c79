package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type copyOptions struct {
	engine  engineOptions
	request job.CopyRequest
}

func newCopyCommand(d *deps) *cobra.Command {
	var o copyOptions
	c := &cobra.Command{
		Use:   "copy BACKUP VAULT [VAULT...]",
		Short: "Copy a backup into one or more other vaults",
		Long: `Copy brings the objects of BACKUP to VAULT as they are: nothing is compressed again, and no key is needed. Every hash is checked
on the way, and the copy is not seen before it is whole; after a failure the same command copies what is missing.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Example: `  snapferry copy '/mnt/backups#graph/latest' 's3://acme-offsite/graph?region=eu-west-1' --tier monthly`,
		Args:    atLeast("BACKUP", "VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Backup, o.request.Access, err = d.backupArg(c, args[0]); err != nil {
				return err
			}
			if o.request.Vaults, err = d.vaults(c, args[1:]); err != nil {
				return err
			}
			return runCopy(c.Context(), o, d)
		},
	}
	o.engine.register(c, "transfers")
	c.Flags().StringVar(&o.request.Tier, "tier", "", "shelf of the copy (default that of the backup)")
	_ = c.Flags().MarkHidden("workers") // it exists; nothing is compressed
	return c
}

func runCopy(ctx context.Context, o copyOptions, d *deps) error {
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	r := d.runner(tuning)
	stop := d.watch(r.Progress)
	report, err := r.Copy(ctx, o.request)
	stop()
	if report == nil {
		return ended(ctx, err)
	}
	perr := d.print(report, func(w io.Writer) {
		describe(w, &report.Backup)
		for _, v := range report.Copies {
			line(w, "copy\t%s\t%s\t%s", v.Vault, v.Name, vaultText(v))
		}
		line(w, "took\t%s", took(report.Duration))
	})
	return errors.Join(err, perr)
}
