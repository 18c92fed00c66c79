package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type restoreOptions struct {
	engine  engineOptions
	request job.RestoreRequest
	access  accessOptions
	stage   string
}

func newRestoreCommand(d *deps) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore BACKUP TARGET | BACKUP --stage DIR | --job NAME [latest|ID] TARGET",
		Short: "Bring a backup back, into a file, a folder, a device or a pipe",
		Long: `Restore brings a backup back. Nothing shows at TARGET before every byte was found right.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.
TARGET is a path (file, folder, block device), file:///PATH, or - for standard output, which gets checked bytes as they come.
neo4j+load:///DB?home=DIR loads a dump beside the database of a Neo4j, checks it, and puts it in its place; with stop=yes a running
server is stopped for that moment. The database that was there stays beside, until --drop-old.`,
		Args: func(c *cobra.Command, args []string) error {
			if o.stage != "" {
				return exactlyOrJob("BACKUP")(c, args)
			}
			return exactlyOrJob("BACKUP", "TARGET")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkThaw(c, &o.request.Thaw); err != nil {
				return err
			}
			targets := 1
			if o.request.Stage = o.stage != ""; o.request.Stage {
				targets = 0
			}
			backup, access, rest, err := d.backupOrJob(c, args, targets)
			if err != nil {
				return err
			}
			o.request.Backup, o.request.Access, o.request.Target = backup, access, o.stage
			if !o.request.Stage {
				o.request.Target = rest[0]
			}
			return runRestore(c.Context(), o, d)
		},
	}
	o.engine.register(c, "downloads")
	registerJob(c, "a backup of it")
	o.access.registerRead(c)
	registerThaw(c, &o.request.Thaw)
	c.Flags().BoolVar(&o.request.Overwrite, "overwrite", false, "replace what is at the target")
	c.Flags().BoolVar(&o.request.DropOld, "drop-old", false, "of a Neo4j, remove the database that was replaced once the new one serves")
	c.Flags().StringVar(&o.stage, "stage", "", "put the files of a backup of Neo4j into this folder, and print the Cypher that makes a database of them")
	c.Flags().StringVar(&o.request.Image, "image", "", "restore this image alone")
	return c
}

func runRestore(ctx context.Context, o restoreOptions, d *deps) error {
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	toStdout := o.request.Target == "-"
	if toStdout && d.global.json {
		return refused("--json", errors.New("the target - is standard output, too"), "restore to a file, or leave out --json")
	}
	ctx, cancel, err := o.engine.within(ctx, d)
	if err != nil {
		return err
	}
	defer cancel()
	r := d.runner(tuning)
	stop := d.watch(r.Progress)
	report, err := r.Restore(ctx, o.request)
	stop()
	if report == nil || toStdout {
		return ended(ctx, err)
	}
	if err != nil { // it is archived
		return errors.Join(ended(ctx, err), d.print(report, func(w io.Writer) { thawText(w, report.Thaw) }))
	}
	return d.print(report, func(w io.Writer) {
		line(w, "restored\t%s", report.Name)
		line(w, "target\t%s", report.Target)
		line(w, "raw\t%s\t(%d bytes)", formatBytes(report.RawBytes), report.RawBytes)
		if report.Seed != nil {
			line(w, "seed\t%s", report.Seed.Cypher)
		}
		line(w, "took\t%s", took(report.Duration))
	})
}
