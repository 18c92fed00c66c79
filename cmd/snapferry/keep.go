package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type keepOptions struct {
	engine  engineOptions
	request job.KeepRequest
	access  accessOptions
}

func newKeepCommand(d *deps) *cobra.Command {
	var o keepOptions
	c := &cobra.Command{
		Use:   "keep BACKUP --tier TIER",
		Short: "Keep a backup longer, by a copy in another tier of its vault",
		Long: `Keep copies BACKUP into another tier of its vault. Where the store can, it copies the data by itself, and no byte of it passes
this machine. The copy is as old as it is new: it lives as long as the tier's rules say, from now on, stands for the tier's period,
and is not seen before it is whole; after a failure the same command copies what is missing. The backup stays where it is, too.

From the tier manual nothing goes by itself. BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID.`,
		Example: `  snapferry keep 's3://acme-offsite/graph?region=eu-west-1#graph/latest' --tier yearly`,
		Args:    exactly("BACKUP"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Backup, o.request.Access, err = d.backupArg(c, args[0]); err != nil {
				return err
			}
			return runKeep(c.Context(), o, d)
		},
	}
	o.engine.register(c, "transfers")
	o.access.registerSign(c)
	c.Flags().StringVar(&o.request.Tier, "tier", "", "tier of the copy: hourly, daily, weekly, monthly, yearly, manual")
	_ = c.Flags().MarkHidden("workers") // it exists; nothing is compressed
	return c
}

func runKeep(ctx context.Context, o keepOptions, d *deps) error {
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	if o.request.Tier == "" {
		return refused("--tier", errors.New("it is missing"), "name the tier in which it is to be kept, or manual for what is to stay until a person removes it")
	}
	r := d.runner(tuning)
	stop := d.watch(r.Progress)
	report, err := r.Keep(ctx, o.request)
	stop()
	if report == nil {
		return ended(ctx, err)
	}
	perr := d.print(report, func(w io.Writer) {
		v := &report.Copies[0]
		describe(w, &v.Backup)
		line(w, "copy\t%s", vaultText(*v))
		line(w, "took\t%s", took(report.Duration))
	})
	return errors.Join(err, perr)
}
