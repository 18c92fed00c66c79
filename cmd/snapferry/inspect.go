package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type inspectOptions struct {
	store   storeOptions
	request job.InspectRequest
	access  accessOptions
}

func newInspectCommand(d *deps) *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect FILE | FOLDER | BACKUP | --job NAME [latest|ID]",
		Short: "Show what a dump or .backup file of Neo4j says of itself",
		Long: `Inspect reads the header of a dump or .backup file of Neo4j, without Java: of a file, of all in a folder, or of a backup in a vault,
of which it reads the beginning alone. Of .backup files it shows the chains: a full backup and the differentials that follow it.
A chain with a gap is code 3, a file that --verify finds cut off or damaged code 4.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Example: `  snapferry inspect neo4j.dump --verify
  snapferry inspect /backups --latest-chain
  snapferry inspect 's3://acme-offsite/graph?region=eu-west-1#graph/latest'`,
		Args: exactlyOrJob("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Place, o.request.Access, _, err = d.backupOrJob(c, args, 0); err != nil {
				return err
			}
			return runInspect(c.Context(), o, d)
		},
	}
	o.store.register(c)
	registerJob(c, "a backup of it")
	o.access.registerRead(c)
	c.Flags().BoolVar(&o.request.LatestChain, "latest-chain", false, "show of backups those of the latest chain of each database")
	c.Flags().BoolVar(&o.request.Verify, "verify", false, "decode files to their end, and tell whether they are whole")
	return c
}

func runInspect(ctx context.Context, o inspectOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	report, err := d.runner(tuning).Inspect(ctx, o.request)
	if report == nil {
		return ended(ctx, err)
	}
	return errors.Join(err, d.print(report, func(w io.Writer) { inspectText(w, report) }))
}

func inspectText(w io.Writer, report *job.InspectReport) {
	for i := range report.Artifacts {
		a := &report.Artifacts[i]
		line(w, "artifact\t%s", a.Name)
		line(w, "kind\t%s\tformat %s", a.Kind, a.Format)
		if a.Files > 0 {
			line(w, "holds\t%s\t%s", count(int(a.Files), "file"), formatBytes(a.Bytes))
		}
		if a.Database != "" {
			line(w, "database\t%s\t%s", a.Database, a.DatabaseID)
			line(w, "taken\t%s\tstore %s", a.Time.Format(time.RFC3339), a.StoreFormat)
			line(w, "holds\t%s\t%s", transactions(a), recovered(a))
		}
		if a.ScriptBytes > 0 {
			line(w, "script\tof users and roles, %s", formatBytes(int64(a.ScriptBytes)))
		}
		switch {
		case a.Problem != "":
			line(w, "DAMAGED\t%s", a.Problem)
		case a.Verified:
			line(w, "whole\tit was decoded to its end")
		}
	}
	for _, c := range report.Chains {
		line(w, "chain\t%s\t%s of %s", c.Database, count(len(c.Artifacts), "artifact"), c.DatabaseID)
		if c.Gap != "" {
			line(w, "GAP\t%s\t%s", c.Database, c.Gap)
		}
	}
}

func transactions(a *job.Artifact) string {
	if a.Highest == 0 {
		return "no transactions: nothing has changed"
	}
	return fmt.Sprintf("transactions %d to %d", a.Lowest, a.Highest)
}

func recovered(a *job.Artifact) string {
	if a.Recovered {
		return "recovered"
	}
	return "not recovered"
}
