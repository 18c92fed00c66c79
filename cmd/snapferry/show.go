package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type showOptions struct {
	store   storeOptions
	request job.ShowRequest
	access  accessOptions
}

func newShowCommand(d *deps) *cobra.Command {
	var o showOptions
	c := &cobra.Command{
		Use:   "show BACKUP | --job NAME [latest|ID]",
		Short: "Show what a backup holds",
		Long: `Show tells what a backup holds and where it comes from.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Args: exactlyOrJob("BACKUP"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Backup, o.request.Access, _, err = d.backupOrJob(c, args, 0); err != nil {
				return err
			}
			return runShow(c.Context(), o, d)
		},
	}
	o.store.register(c)
	registerJob(c, "a backup of it")
	o.access.registerTrust(c)
	return c
}

func runShow(ctx context.Context, o showOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	report, err := d.runner(tuning).Show(ctx, o.request)
	if err != nil {
		return ended(ctx, err)
	}
	return d.print(report, func(w io.Writer) {
		describe(w, &report.Backup)
		for _, k := range sortedKeys(report.Facts) {
			line(w, "%s\t%s", k, report.Facts[k])
		}
		line(w, "program\t%s", report.Program)
		if report.Drilled != nil || report.DrillFailed != nil {
			line(w, "drilled\t%s", drillState(&report.Backup))
		}
		if report.Lock != nil {
			line(w, "locked\t%s until %s", report.Lock.Mode, report.Lock.Until.Format(time.RFC3339))
		}
		if report.Held {
			line(w, "held\tuntil it is released")
		}
	})
}
