package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type verifyOptions struct {
	engine  engineOptions
	request job.VerifyRequest
	access  accessOptions
	deep    bool
	sample  string
}

func newVerifyCommand(d *deps) *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify BACKUP | --job NAME [latest|ID]",
		Short: "Check that a backup is all there, or every byte of it",
		Long: `Verify checks the documents and the tables of a backup by their hashes, and every segment by name and size.
With --deep all segments are read, hashed and decoded as well, with --sample a part of them.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Args: exactlyOrJob("BACKUP"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if err = checkThaw(c, &o.request.Thaw); err != nil {
				return err
			}
			if o.request.Backup, o.request.Access, _, err = d.backupOrJob(c, args, 0); err != nil {
				return err
			}
			return runVerify(c.Context(), o, d)
		},
	}
	o.engine.register(c, "downloads")
	registerJob(c, "a backup of it")
	o.access.registerRead(c)
	registerThaw(c, &o.request.Thaw)
	c.Flags().BoolVar(&o.deep, "deep", false, "read and decode every segment")
	c.Flags().StringVar(&o.sample, "sample", "", "read and decode a part of the segments, such as 5%")
	c.Flags().Uint64Var(&o.request.Seed, "seed", 0, "pick the same sample again (default another one each time)")
	return c
}

func runVerify(ctx context.Context, o verifyOptions, d *deps) error {
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	if o.deep && o.sample != "" {
		return refused("--sample", errors.New("--deep reads everything already"), "leave out one of --deep and --sample")
	}
	if o.deep {
		o.request.Sample = 1
	}
	if o.sample != "" {
		if o.request.Sample, err = parsePart(o.sample); err != nil {
			return refused("--sample "+o.sample, err, "write a part such as 5% or 0.5%; --deep reads everything")
		}
	}
	ctx, cancel, err := o.engine.within(ctx, d)
	if err != nil {
		return err
	}
	defer cancel()
	r := d.runner(tuning)
	stop := d.watch(r.Progress)
	report, err := r.Verify(ctx, o.request)
	stop()
	if err != nil && report != nil && report.Thaw != nil && job.Classify(err) != job.Damaged {
		return errors.Join(ended(ctx, err), d.print(report, func(w io.Writer) { thawText(w, report.Thaw) }))
	}
	if report == nil || err != nil && job.Classify(err) != job.Damaged {
		return ended(ctx, err)
	}
	perr := d.print(report, func(w io.Writer) {
		for _, damage := range report.Damage {
			line(w, "damaged\t%s\t%s", damage.Key, damage.Problem)
		}
		if report.OK {
			line(w, "good\t%s", report.Name)
		}
		line(w, "looked at\t%s", count(int(report.Objects), "object"))
		line(w, "read\t%s\t%s", count(int(report.Read), "segment"), formatBytes(report.ReadBytes))
	})
	return errors.Join(err, perr)
}

// parsePart reads a percentage above 0 as a part of 1.
func parsePart(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || !percent || !(x > 0 && x <= 100) {
		return 0, errors.New("it is not a percentage above 0 and up to 100")
	}
	return x / 100, nil
}
