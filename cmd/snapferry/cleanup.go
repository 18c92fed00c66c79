package main

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

func newCleanupCommand(d *deps) *cobra.Command {
	var (
		host    string
		confirm bool
	)
	c := &cobra.Command{
		Use:   "cleanup SOURCE | --job NAME [--confirm]",
		Short: "Find and remove snapshots of a file system that killed backups have left",
		Long: `Cleanup finds the snapshots of the database of a SOURCE that takes some, neo4j+snapshot, by their names: also those whose scratch folder is
gone, of which neither recover nor the next backup knows. Without --confirm it only tells. One that a server has open stays, and
the code is 3. Nothing is removed while a backup of SOURCE is under way; one with another scratch folder would lose its snapshot.`,
		Example: `  snapferry cleanup 'neo4j+snapshot:///neo4j?home=/opt/neo4j&via=btrfs&scratch=/var/tmp'
  snapferry cleanup --job graph --confirm`,
		Args: exactlyOrJob("SOURCE"),
		RunE: func(c *cobra.Command, args []string) error {
			source, err := d.sourceOrJob(c, args)
			if err != nil {
				return err
			}
			r := d.runner(job.Tuning{})
			r.Host = host
			report, err := r.Cleanup(c.Context(), source, confirm)
			if report == nil {
				return ended(c.Context(), err)
			}
			return errors.Join(ended(c.Context(), err), d.print(report, func(w io.Writer) { cleanupText(w, report) }))
		},
	}
	registerJob(c, "its source")
	c.Flags().StringVar(&host, "host", "", "name of this machine in the source's identity (default its host name)")
	c.Flags().BoolVar(&confirm, "confirm", false, "remove, and do not only tell")
	return c
}

func cleanupText(w io.Writer, report *job.CleanupReport) {
	if len(report.Snapshots) == 0 {
		line(w, "nothing to do\tno snapshot is left")
		return
	}
	line(w, "VERDICT\tSNAPSHOT\tMADE\tOPENED BY")
	removed, removable := 0, 0
	for _, s := range report.Snapshots {
		verdict, by := "remove", "nobody"
		switch {
		case s.Opened:
			verdict, by = "keep", "a server that cannot be seen"
			if s.Process != 0 {
				by = "process " + strconv.Itoa(s.Process)
			}
		case s.Removed:
			verdict = "removed"
			removed++
		default:
			removable++
		}
		line(w, "%s\t%s\t%s\t%s", verdict, s.Label, s.Made.Format(time.RFC3339), by)
	}
	if report.Confirmed {
		line(w, "removed %s", count(removed, "snapshot"))
	} else {
		line(w, "nothing was removed; --confirm removes %s", count(removable, "snapshot"))
	}
}
