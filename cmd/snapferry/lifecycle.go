package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

func newLifecycleCommand(d *deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "lifecycle",
		Short: "Say what the rotation of a vault keeps, and the rules that do it",
		Long: `Lifecycle works with what a vault keeps: so many whole days, weeks, months and years beside the current ones. The rules of
the bucket rotate; these commands say which rules, and which restore points they leave.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPlanCommand(d), newApplyCommand(d), newRulesCheckCommand(d), newSimulateCommand(d), newRenderCommand(d))
	return c
}

// policyOptions are the flags of what a vault keeps.
type policyOptions struct {
	retention string
	zone      string
	maxChain  int
}

func (o *policyOptions) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.retention, "retention", "", "what is kept, such as daily=14,weekly=8+1: whole periods beside the current one, and slack after a +")
	f.StringVar(&o.zone, "zone", "", "time zone in which days, weeks, months and years begin, such as Europe/Berlin (default UTC)")
	f.IntVar(&o.maxChain, "max-chain", 0, "days after a full backup within which differentials of it are taken")
}

// apply puts what the flags say before what the vault keeps.
func (o *policyOptions) apply(v *job.Vault) error {
	if o.retention != "" || o.zone != "" {
		text := o.retention
		if text == "" {
			text = job.FormatRetention(v.Retention)
		}
		kept, err := job.ParseRetention(text, o.zone)
		if err != nil {
			return err
		}
		v.Retention = kept
	}
	if o.maxChain < 0 {
		return refused(fmt.Sprintf("--max-chain %d", o.maxChain), errors.New("it is negative"), "give the days from a full backup to its last differential")
	}
	v.Retention.MaxChain = max(v.Retention.MaxChain, o.maxChain)
	return nil
}

type simulateOptions struct {
	policy  policyOptions
	request job.SimulateRequest
	from    string
	on      string
	svg     string
	live    bool
	series  string
	vault   job.Vault
}

func newSimulateCommand(d *deps) *cobra.Command {
	var o simulateOptions
	c := &cobra.Command{
		Use:   "simulate [VAULT] [--retention daily=14,…]",
		Short: "Show day by day which restore points a policy leaves",
		Long: `Simulate plays the runs of a schedule, with those that fail, and the rules of a store, and shows what can be restored at the
end of each day. VAULT, as the configuration calls it, or --retention says what is kept; nothing is asked of any store.

With --live it begins with what is in VAULT today, and goes by what the vault keeps and by the rules that are in force in its store.`,
		Example: `  snapferry lifecycle simulate --retention daily=14,weekly=8,monthly=12,yearly=3 --svg points.svg
  snapferry lifecycle simulate --live offsite --on 2027-03-01
  snapferry lifecycle simulate --retention daily=7,monthly=6 --failures 2027-02-01..2027-02-03 --failures 5% --on 2027-03-01`,
		Args: atMostOne("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			var v job.Vault
			if len(args) > 0 {
				var err error
				if v, err = d.vault(c, args[0]); err != nil {
					return err
				}
				if !c.Flag("store").Changed {
					o.request.Store = job.StoreName(v.URL)
				}
			}
			if err := o.policy.apply(&v); err != nil {
				return err
			}
			o.request.Policy, o.vault = v.Retention, v
			if err := o.checkLive(c); err != nil {
				return err
			}
			return runSimulate(c.Context(), &o, d)
		},
	}
	o.policy.register(c)
	f := c.Flags()
	f.StringVar(&o.request.Store, "store", "s3", "kind of store: s3, s3-compatible, gcs, azure, none")
	f.StringVar(&o.request.Schedule, "schedule", "0 3 * * *", "when runs begin, as in a crontab")
	f.StringVar(&o.from, "from", "", "first day, such as 2027-01-01 (default today)")
	f.IntVar(&o.request.Days, "days", 800, "length of the history in days")
	f.StringArrayVar(&o.request.Failures, "failures", nil, "runs that fail: 2027-01-04, 2027-02-01..2027-02-10, or 10%; may be repeated")
	f.Uint64Var(&o.request.Seed, "seed", 1, "chance of a percentage of --failures: the same number, the same runs")
	f.IntVar(&o.request.FullEvery, "full-every", 0, "days after which a full backup is taken at the latest, with --max-chain")
	f.StringVar(&o.on, "on", "", "show what can be restored on this day instead")
	f.BoolVar(&o.live, "live", false, "begin with the restore points and the rules that VAULT has today")
	f.StringVar(&o.series, "series", "", "the series to look at, with --live; needed if there are several")
	f.StringVar(&o.svg, "svg", "", "draw the restore points into this file")
	return c
}

// atMostOne takes one argument or none.
func atMostOne(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return exactly(name)(c, args)
	}
}

// checkLive refuses what --live decides by itself, and what is of use with it
// alone.
func (o *simulateOptions) checkLive(c *cobra.Command) error {
	if !o.live {
		if o.series != "" {
			return refused("--series", errors.New("nothing is looked up in a vault"), "add --live, or leave it out")
		}
		return nil
	}
	if o.vault.URL == "" {
		return refused("--live", errors.New("no vault is named"), "name the vault whose restore points and rules count")
	}
	for _, name := range []string{"from", "store", "max-chain"} {
		if c.Flag(name).Changed {
			return refused("--"+name, errors.New("it begins today, with the vault's own store and policy"), "leave out one of --live and --"+name)
		}
	}
	return nil
}

func runSimulate(ctx context.Context, o *simulateOptions, d *deps) (err error) {
	if o.request.Policy.Zone == nil {
		o.request.Policy.Zone = time.UTC
	}
	o.request.From = d.now()
	for _, day := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", o.from, &o.request.From}, {"--on", o.on, &o.request.On}} {
		if day.text == "" {
			continue
		}
		if *day.to, err = parseDay(day.flag, day.text, o.request.Policy.Zone); err != nil {
			return err
		}
	}
	if o.svg == "" {
		return printSimulation(ctx, o, d)
	}
	// The picture is there as a whole or not at all.
	file, err := os.CreateTemp(filepath.Dir(o.svg), ".snapferry-*")
	if err != nil {
		return fmt.Errorf("write the chart: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // it has its name by then, or is not wanted
	o.request.Chart = file
	const everybodyReads = 0o644
	if err := errors.Join(printSimulation(ctx, o, d), file.Chmod(everybodyReads), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), o.svg)
}

func parseDay(flag, text string, zone *time.Location) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return day, refused(flag+" "+text, errors.New("it is no day"), "write it as 2027-03-01")
	}
	return day, nil
}

func (o *simulateOptions) simulate(ctx context.Context, d *deps) (*job.SimulateReport, error) {
	if !o.live {
		return job.Simulate(o.request)
	}
	report, err := d.runner(job.Tuning{}).SimulateLive(ctx, o.vault, o.series, o.request)
	return report, ended(ctx, err)
}

func printSimulation(ctx context.Context, o *simulateOptions, d *deps) error {
	report, err := o.simulate(ctx, d)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(report.Zone)
	if err != nil {
		return fmt.Errorf("load time zone: %w", err)
	}
	return d.print(report, func(w io.Writer) {
		if report.On != nil {
			restorePointsText(w, report.On, zone)
			return
		}
		simulationText(w, report, zone)
	})
}

func restorePointsText(w io.Writer, day *job.RestorePointsOfDay, zone *time.Location) {
	if len(day.Points) == 0 {
		line(w, "nothing can be restored on %s", day.Date)
		return
	}
	line(w, "TIME\tKIND\tTIER\tSTANDS FOR\tRESTORABLE UNTIL")
	for _, p := range day.Points {
		until := "for ever"
		if p.RestorableUntil != nil {
			until = p.RestorableUntil.In(zone).Format(time.RFC3339)
		}
		line(w, "%s\t%s\t%s\t%s\t%s", p.Time.In(zone).Format(time.RFC3339), p.Kind, p.Tier, strings.Join(p.Stands, ","), until)
	}
}

func simulationText(w io.Writer, report *job.SimulateReport, zone *time.Location) {
	tiers := job.TiersOf(report)
	line(w, "DATE\tRUN\tTIER\tPOINTS\t%s\tOLDEST", strings.ToUpper(strings.Join(tiers, "\t")))
	for _, day := range report.Days {
		run := "-"
		switch {
		case day.Failed > 0 && day.Failed == day.Runs:
			run = "FAILED"
		case day.Failed > 0:
			run = fmt.Sprintf("%d of %d FAILED", day.Failed, day.Runs)
		case day.Runs == 1:
			run = "ok"
		case day.Runs > 1:
			run = fmt.Sprintf("%d ok", day.Runs)
		}
		counts := make([]string, len(tiers))
		for i, t := range tiers {
			counts[i] = fmt.Sprint(day.Tiers[t])
		}
		line(w, "%s\t%s\t%s\t%d\t%s\t%s", day.Date, run, orDash(day.Tier), day.Points, strings.Join(counts, "\t"), orDash(day.Oldest))
	}
	if report.EmptyOn != nil {
		line(w, "if no run succeeds after that, the last restore point may go on %s", report.EmptyOn.In(zone).Format(time.DateOnly))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newRenderCommand(d *deps) *cobra.Command {
	var o policyOptions
	var language string
	c := &cobra.Command{
		Use:   "render VAULT [--for s3|gcs|azure|terraform]",
		Short: "Print the lifecycle rules of a vault as a store writes them",
		Long: `Render prints the rules that keep what VAULT keeps: the XML of S3, the JSON of GCS and Azure, or Terraform. Nothing is asked of
the store. The rules are the vault's alone, and a store takes them only as a whole: written as they are, they replace all others.`,
		Example: `  snapferry lifecycle render s3://acme-backups/graph --retention daily=14,weekly=8,monthly=12 --for terraform`,
		Args:    exactly("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := d.vault(c, args[0])
			if err != nil {
				return err
			}
			if err := o.apply(&v); err != nil {
				return err
			}
			text, err := job.RenderRules(v, language)
			if err != nil {
				return err
			}
			if _, err := d.stdout.Write(append(bytes.TrimSuffix(text, []byte("\n")), '\n')); err != nil {
				return fmt.Errorf("write result: %w", err)
			}
			return nil
		},
	}
	o.register(c)
	c.Flags().StringVar(&language, "for", "", "language: s3, gcs, azure, or terraform (default that of the vault's store)")
	return c
}
