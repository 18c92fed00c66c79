package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

// benchBytes is what is measured with by default: large enough that the
// beginning and the end of a run do not count.
const benchBytes = 1_500_000_000

type benchOptions struct {
	engine  engineOptions
	request job.BenchRequest
	size    byteSize
	write   string
	kind    string
}

func newBenchCommand(d *deps) *cobra.Command {
	o := benchOptions{size: byteSize{n: benchBytes}}
	c := &cobra.Command{
		Use:   "bench [VAULT]",
		Short: "Measure how fast this machine backs up and restores",
		Long: `Bench compresses generated data in memory, which is the limit of everything, then backs it up to a vault that discards it,
to a local folder, and to VAULT if one is given, and restores it, in turns. What it stored is removed again.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly("VAULT")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				v, err := d.vault(c, args[0])
				if err != nil {
					return err
				}
				o.request.Vault = v.URL
			}
			return runBench(c.Context(), o, d)
		},
	}
	o.engine.register(c, "transfers")
	f := c.Flags()
	f.Var(&o.size, "size", "bytes of the data")
	f.IntVar(&o.request.Rounds, "rounds", 3, "rounds, of which the medians are taken")
	f.StringVar(&o.request.Dir, "dir", "", "folder for the data and the local vault (default that of the system)")
	f.StringVar(&o.write, "write", "", "write the data to this file and measure nothing")
	f.StringVar(&o.kind, "kind", "mix", "what is written: mix, text, noise, zero")
	_ = f.MarkHidden("write") // both exist
	_ = f.MarkHidden("kind")
	return c
}

func runBench(ctx context.Context, o benchOptions, d *deps) error {
	if o.write != "" {
		return ended(ctx, job.WriteMix(ctx, o.write, o.kind, o.size.n))
	}
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	ctx, cancel, err := o.engine.within(ctx, d)
	if err != nil {
		return err
	}
	defer cancel()
	o.request.Size = o.size.n
	report, err := d.runner(tuning).Bench(ctx, o.request)
	if err != nil {
		return ended(ctx, err)
	}
	return d.print(report, func(w io.Writer) {
		line(w, "%s of a mix that compresses %.2f to 1, %s, medians of %s", formatBytes(report.Bytes), report.Ratio,
			count(report.Cores, "core"), count(report.Rounds, "round"))
		line(w, "")
		line(w, "\tSECONDS\tMiB/s\tOF THE LIMIT")
		for _, m := range report.Rows {
			line(w, "%s\t%.2f\t%.0f\t%.2f", m.Name, m.Seconds, m.Rate/(1<<20), m.Limit)
		}
	})
}
