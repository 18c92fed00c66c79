package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type holdOptions struct {
	store   storeOptions
	request job.HoldRequest
	access  accessOptions
}

func newHoldCommand(d *deps) *cobra.Command {
	return newHoldOrRelease(d, false, &cobra.Command{
		Use:   "hold BACKUP",
		Short: "Hold a backup: nothing removes it until it is released",
		Long: `Hold puts a hold of the store on every object of BACKUP: a legal hold on S3 and Azure, a temporary hold on GCS. While it is on,
nobody removes or replaces them, whatever rules and locks say. It ends with a look at whether everything is there. In a bucket that
keeps versions, rules may still hide a held object behind a marker; --versions of the other commands finds it.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Example: `  snapferry hold 's3://acme-offsite/graph?region=eu-west-1#graph/latest'`,
	})
}

func newReleaseCommand(d *deps) *cobra.Command {
	return newHoldOrRelease(d, true, &cobra.Command{
		Use:   "release BACKUP",
		Short: "Release a backup that is held",
		Long: `Release takes the hold off every object of BACKUP. From then on it lives as long as rules and locks say, which count from when it
was made: one that was held for long may go at once.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Example: `  snapferry release 's3://acme-offsite/graph?region=eu-west-1#graph/20261101T030000Z'`,
	})
}

func newHoldOrRelease(d *deps, release bool, c *cobra.Command) *cobra.Command {
	o := holdOptions{request: job.HoldRequest{Release: release}}
	c.Args = exactly("BACKUP")
	c.RunE = func(c *cobra.Command, args []string) error {
		var err error
		if o.request.Backup, o.request.Access, err = d.backupArg(c, args[0]); err != nil {
			return err
		}
		return runHold(c.Context(), o, d)
	}
	o.store.register(c)
	o.access.registerTrust(c)
	return c
}

func runHold(ctx context.Context, o holdOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	report, err := d.runner(tuning).Hold(ctx, o.request)
	if report == nil {
		return ended(ctx, err)
	}
	perr := d.print(report, func(w io.Writer) {
		word := "released"
		if report.Held {
			word = "held"
		}
		line(w, "%s\t%s\t%s", word, report.Name, count(report.Objects, "object"))
	})
	return errors.Join(err, perr)
}
