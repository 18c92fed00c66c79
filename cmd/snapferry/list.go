package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

// listMemory is what listing may take, in bytes: many backups are much text
// and nothing else.
const listMemory = 128 << 20

type listOptions struct {
	store   storeOptions
	request job.ListRequest
	access  accessOptions
	all     bool
}

func newListCommand(d *deps) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use:   "list VAULT | --job NAME",
		Short: "List the backups of a vault",
		Long: `List shows what can be restored from VAULT, oldest first. A backup without a manifest is none, and shows only with --incomplete;
one of which rules may have removed something, only with --all.`,
		Args: exactlyOrJob("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.choose(c, args, d); err != nil {
				return err
			}
			return runList(c.Context(), o, d)
		},
	}
	o.store.register(c)
	registerJob(c, "its first vault and its series")
	o.access.registerTrust(c)
	c.Flags().StringVar(&o.request.Series, "series", "", "this series alone")
	c.Flags().StringVar(&o.request.Tier, "tier", "", "this tier alone")
	c.Flags().BoolVar(&o.request.Incomplete, "incomplete", false, "show also what was begun and not finished")
	c.Flags().BoolVar(&o.all, "all", false, "show also what was not finished, and what rules may have removed in part")
	return c
}

// choose says what is listed: the vault of the argument, or that of the job.
func (o *listOptions) choose(c *cobra.Command, args []string, d *deps) error {
	name := jobName(c)
	if name == "" {
		var err error
		o.request.Vault, err = d.vault(c, args[0])
		return err
	}
	if len(args) > 0 {
		return refused("--job "+name, errors.New("VAULT is that of the job"), "leave out one of VAULT and --job")
	}
	j, vaults, err := d.jobOf(c, name)
	if err != nil {
		return err
	}
	o.request.Vault = vaults[0]
	switch {
	case c.Flag("series").Changed:
	case job.Several(j.Source):
		o.request.Of = job.OwnSeries(j.Source, j.Series)
	default:
		o.request.Series = j.Series
	}
	return nil
}

func runList(ctx context.Context, o listOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Vault.Access); err != nil {
		return err
	}
	o.request.Incomplete, o.request.Expiring = o.request.Incomplete || o.all, o.all
	limitMemory(listMemory)
	report, err := d.runner(tuning).List(ctx, o.request)
	if report == nil {
		return ended(ctx, err)
	}
	var perr error
	if d.global.json {
		perr = writeList(d.stdout, report)
	} else {
		perr = writeText(d.stdout, func(w io.Writer) { listText(w, report, d.now()) })
		if report.Expiring > 0 && !d.global.quiet {
			_, _ = fmt.Fprintf(d.stderr, "note: rules may have removed some of %s, which --all shows\n", count(report.Expiring, "backup")) // a courtesy
		}
		if len(report.Backups) == 0 && !d.global.quiet {
			_, _ = fmt.Fprintln(d.stderr, "note: no backups are there") // a courtesy
		}
	}
	return errors.Join(err, perr)
}

func listText(w io.Writer, report *job.ListReport, now time.Time) {
	if len(report.Backups) == 0 {
		return
	}
	has := func(what func(b *job.Backup) bool) bool {
		return slices.ContainsFunc(report.Backups, func(b job.Backup) bool { return what(&b) })
	}
	rotated := has(func(b *job.Backup) bool { return len(b.Stands) > 0 || b.RestorableUntil != nil })
	drilled := has(func(b *job.Backup) bool { return b.Drilled != nil || b.DrillFailed != nil })
	row := func(time, raw, stored, state, stands, until, drill, name string) {
		cells := []string{time, raw, stored, state}
		if rotated {
			cells = append(cells, stands, until)
		}
		if drilled {
			cells = append(cells, drill)
		}
		line(w, "%s", strings.Join(append(cells, name), "\t"))
	}
	row("TIME", "RAW", "STORED", "STATE", "STANDS FOR", "RESTORABLE UNTIL", "DRILLED", "BACKUP")
	for i := range report.Backups {
		b := &report.Backups[i]
		raw, stored := "-", "-"
		if b.Complete {
			raw, stored = formatBytes(b.RawBytes), formatBytes(b.StoredBytes)
		}
		until := "-"
		if b.RestorableUntil != nil {
			until = b.RestorableUntil.Format(time.RFC3339)
		}
		row(b.Time.Format(time.RFC3339), raw, stored, state(b, now), orDash(strings.Join(b.Stands, ",")), until, drillState(b), b.Name)
	}
}

// drillState tells of the drills of a backup.
func drillState(b *job.Backup) string {
	switch {
	case b.DrillFailed != nil:
		return "FAILED " + b.DrillFailed.Format(time.RFC3339)
	case b.Drilled != nil:
		return b.Drilled.Format(time.RFC3339)
	}
	return "-"
}

func state(b *job.Backup, now time.Time) string {
	switch {
	case b.Problem != "" && b.Begun == nil:
		return "remains"
	case b.Problem != "":
		return "DAMAGED"
	case b.Complete && b.RestorableUntil != nil && !now.Before(*b.RestorableUntil):
		return "may be gone"
	case b.Complete && !b.Checked:
		return "unchecked"
	case b.Complete:
		return "complete"
	}
	return "begun " + now.Sub(*b.Begun).Round(time.Second).String() + " ago"
}

// writeList prints a report as writeJSON would, one backup at a time: many of
// them are not held as text.
func writeList(out io.Writer, report *job.ListReport) error {
	w := bufio.NewWriter(out)
	_, _ = w.WriteString("{\n  \"backups\": [") // Flush tells
	for i := range report.Backups {
		text, err := json.MarshalIndent(&report.Backups[i], "    ", "  ")
		if err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		if i > 0 {
			_ = w.WriteByte(',')
		}
		_, _ = w.WriteString("\n    ")
		_, _ = w.Write(text)
	}
	if len(report.Backups) > 0 {
		_, _ = w.WriteString("\n  ")
	}
	rest := *report
	rest.Backups = nil
	text, err := json.MarshalIndent(rest, "", "  ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	// The rest begins with the backups it does not have.
	const head = "{\n  \"backups\": null"
	_, _ = w.WriteString("]" + string(text[len(head):]) + "\n")
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
