package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

var errNegative = errors.New("it is too small")

type backupOptions struct {
	engine  engineOptions
	lock    lockOptions
	access  accessOptions
	request job.BackupRequest
	level   string
	time    string
	host    string
	tempDir string
	segment byteSize
	chunk   byteSize
}

func newBackupCommand(d *deps) *cobra.Command {
	var o backupOptions
	var all bool
	c := &cobra.Command{
		Use:   "backup SOURCE VAULT [VAULT...] | --job NAME | --all-jobs",
		Short: "Capture a source, compress it and ship it to one or more vaults",
		Long: `Backup captures SOURCE, compresses it and ships it to VAULT. After a failure the same command sends what is missing.
Several vaults get the same backup of one reading. One that fails does not stop the others: the exit code is 3, and the next run catches it up.

SOURCE is neo4j+dump:///DB?home=DIR, a path (file, folder, block device), file:///PATH, or - for standard input.
VAULT is a path, s3://BUCKET/PREFIX?region=REGION, or the name of a vault of the configuration.
Without SOURCE and VAULT, --job runs a job of the configuration; flags go before what is in the file.`,
		Example: `  snapferry backup 'neo4j+dump:///neo4j?home=/opt/neo4j' 's3://acme-backups/graph?region=eu-west-1' --tier daily
  pg_dump shop | snapferry backup - /mnt/backups --job shop`,
		Args: backupArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if all {
				return d.backupAll(c)
			}
			if err := d.request(c, &o, args); err != nil {
				return err
			}
			return runBackup(c.Context(), o, d)
		},
	}
	o.engine.register(c, "uploads")
	o.lock.register(c)
	o.access.registerWrite(c)
	f := c.Flags()
	f.StringVar(&o.request.Tier, "tier", "",
		"shelf of the vault: hourly, daily, weekly, monthly, yearly, manual (default the longest period of --retention that has none yet; else manual)")
	f.StringVar(&o.request.Job, "job", "", "name of the series of backups (default the source's own name); without SOURCE, a job of the configuration")
	f.BoolVar(&all, "all-jobs", false, "run all jobs of the configuration, one after the other")
	f.StringVar(&o.time, "time", "", "the scheduled instant, such as 2026-11-22T03:00:00Z (default now)")
	f.StringVar(&o.host, "host", "", "name of this machine in the source's identity (default its host name)")
	f.StringVar(&o.level, "level", "auto", "compression: auto (as hard as the uploads leave time for), fastest, default, better, best, stored")
	f.BoolVar(&o.request.Adopt, "adopt", false, "let the series pass from another source to this one")
	f.BoolVar(&o.request.AllowEmpty, "allow-empty", false, "back up a source without a single byte, too")
	f.StringVar(&o.tempDir, "temp-dir", "", "folder for temporary files (default that of the system)")
	f.Var(&o.segment, "segment", "raw bytes of a segment")
	f.Var(&o.chunk, "chunk", "raw bytes of a chunk")
	_ = f.MarkHidden("segment") // both exist
	_ = f.MarkHidden("chunk")
	return c
}

func runBackup(ctx context.Context, o backupOptions, d *deps) error {
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	tuning.Level, tuning.Segment, tuning.Chunk = o.level, o.segment.n, o.chunk.n
	if o.time != "" {
		if o.request.Time, err = time.Parse(time.RFC3339, o.time); err != nil {
			return refused("--time "+o.time, errors.New("it is not an instant"), "write it as 2026-11-22T03:00:00Z or 2026-11-22T04:00:00+01:00")
		}
	}
	for i := range o.request.Vaults {
		access := &o.request.Vaults[i].Access
		if err := errors.Join(o.access.apply(access), o.lock.apply(access)); err != nil {
			return err
		}
	}
	ctx, cancel, err := o.engine.within(ctx, d)
	if err != nil {
		return err
	}
	defer cancel()
	r := d.runner(tuning)
	r.Host, r.TempDir = o.host, o.tempDir
	stop := d.watch(r.Progress)
	report, err := r.Backup(ctx, o.request)
	stop()
	if report == nil {
		return ended(ctx, err)
	}
	perr := d.print(report, func(w io.Writer) {
		if len(report.Members) == 0 {
			backupText(w, report)
		}
		for _, m := range report.Members {
			if m.Report != nil {
				backupText(w, m.Report)
			}
			if !m.OK {
				line(w, "failed\t%s\t%s", m.Member, oneLine(m.Error))
			}
			line(w, "")
		}
		line(w, "took\t%s", took(report.Duration))
	})
	return errors.Join(err, perr)
}

// backupText tells of one backup.
func backupText(w io.Writer, report *job.BackupReport) {
	describe(w, &report.Backup)
	if report.Resumed {
		line(w, "resumed\t%s were stored already", formatBytes(report.ReusedBytes))
	}
	if len(report.Levels) > 0 {
		line(w, "levels\t%s", levelsText(report.Levels))
	}
	for _, v := range report.Vaults {
		line(w, "in\t%s\t%s", v.Vault, vaultText(v))
	}
}

// levelsText tells the levels of compression, the fastest first.
func levelsText(levels map[string]int64) string {
	var parts []string
	for _, level := range job.Levels() {
		if n := levels[level]; n > 0 {
			parts = append(parts, level+" "+count(int(n), "chunk"))
		}
	}
	return strings.Join(parts, ", ")
}

// vaultText is what became of one of several vaults.
func vaultText(v job.VaultReport) string {
	switch {
	case !v.OK:
		return "failed: " + oneLine(v.Error)
	case v.Resumed:
		return fmt.Sprintf("complete, %s were stored already", formatBytes(v.ReusedBytes))
	}
	return "complete"
}

func took(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(10 * time.Millisecond).String()
}
