package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type finishOptions struct {
	store   storeOptions
	lock    lockOptions
	request job.FinishRequest
	access  accessOptions
}

func newFinishCommand(d *deps) *cobra.Command {
	var o finishOptions
	c := &cobra.Command{
		Use:   "finish BACKUP",
		Short: "Write the manifest of a backup whose data is all stored",
		Long: `Finish completes a backup that was killed between its last segment and its manifest. It refuses what is not all there,
and what nobody can know to be whole: a stream without its end record, a source that was not checked after reading.

BACKUP is VAULT#SERIES/ID or VAULT#TIER/SERIES/ID as snapferry list --incomplete shows it; an ID may be cut short.`,
		Args: exactly("BACKUP"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Backup, o.request.Access, err = d.backupArg(c, args[0]); err != nil {
				return err
			}
			return runFinish(c.Context(), o, d)
		},
	}
	o.store.register(c)
	o.access.registerSign(c)
	o.lock.register(c)
	c.Flags().BoolVar(&o.request.Unchecked, "unchecked", false, "finish it also if nobody can tell whether its source stayed the same")
	return c
}

func runFinish(ctx context.Context, o finishOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	if err := o.lock.apply(&o.request.Access); err != nil {
		return err
	}
	report, err := d.runner(tuning).Finish(ctx, o.request)
	if err != nil {
		return ended(ctx, err)
	}
	return d.print(report, func(w io.Writer) { describe(w, &report.Backup) })
}
