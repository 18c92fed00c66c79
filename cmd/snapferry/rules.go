package main

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

// rulesOptions are the flags of commands that look at the live rules.
type rulesOptions struct {
	store  storeOptions
	policy policyOptions
	access accessOptions
	accept []string
	maxAge time.Duration
}

func (o *rulesOptions) register(c *cobra.Command) {
	o.store.register(c)
	o.policy.register(c)
	o.access.registerSign(c)
}

func (o *rulesOptions) request(c *cobra.Command, d *deps, arg string) (job.PlanRequest, job.Tuning, error) {
	v, err := d.vault(c, arg)
	if err == nil {
		err = o.policy.apply(&v)
	}
	if err == nil {
		err = o.access.apply(&v.Access)
	}
	if err != nil {
		return job.PlanRequest{}, job.Tuning{}, err
	}
	tuning, err := o.store.tuning()
	return job.PlanRequest{Vault: v, AcceptLoss: o.accept, MaxAge: o.maxAge}, tuning, err
}

func newPlanCommand(d *deps) *cobra.Command {
	var o rulesOptions
	c := &cobra.Command{
		Use:   "plan VAULT [--retention daily=14,…]",
		Short: "Show how the rules of the bucket would change, and what that removes",
		Long: `Plan compares the live lifecycle rules with what the vault is to keep: that of the configuration or --retention, else what the vault
holds already. It names the backups that would go before the end of what they are promised. Rules of others are not touched.`,
		Args: exactly("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			req, tuning, err := o.request(c, d, args[0])
			if err != nil {
				return err
			}
			report, err := d.runner(tuning).Plan(c.Context(), req)
			if err != nil {
				return ended(c.Context(), err)
			}
			return d.print(report, func(w io.Writer) { planText(w, report) })
		},
	}
	o.register(c)
	return c
}

func newApplyCommand(d *deps) *cobra.Command {
	var o rulesOptions
	c := &cobra.Command{
		Use:   "apply VAULT [--retention daily=14,…]",
		Short: "Write the rules of the bucket, and what the vault keeps into the vault",
		Long: `Apply writes the lifecycle rules that keep what the vault is to keep, leaves those of others byte for byte as they are, and reads them
again. What would break a promise to a backup that is there is refused (code 6), unless --accept-loss names each. The rules
that were there before stay in the vault, below rules/. From then on the vault's own policy counts for every host.`,
		Args: exactly("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			req, tuning, err := o.request(c, d, args[0])
			if err != nil {
				return err
			}
			report, err := d.runner(tuning).Apply(c.Context(), req)
			if err != nil {
				return ended(c.Context(), err)
			}
			return d.print(report, func(w io.Writer) { planText(w, report) })
		},
	}
	o.register(c)
	c.Flags().StringArrayVar(&o.accept, "accept-loss", nil, "a backup that may go before the end of what it is promised: TIER/SERIES/ID; repeat it for more")
	return c
}

func newRulesCheckCommand(d *deps) *cobra.Command {
	var o rulesOptions
	c := &cobra.Command{
		Use:   "check VAULT",
		Short: "Hold the live rules against what every backup is promised",
		Long: `Check reads the live lifecycle rules and the catalog. A backup that a rule may remove before the end of its promise is code 4, and
the rule is named, whoever made it. Rules that are not those of what the vault keeps are code 3. Nothing is changed; run it on a schedule.`,
		Args: exactly("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			req, tuning, err := o.request(c, d, args[0])
			if err != nil {
				return err
			}
			report, err := d.runner(tuning).CheckRules(c.Context(), req)
			if report == nil {
				return ended(c.Context(), err)
			}
			return errors.Join(err, d.print(report, func(w io.Writer) { checkText(w, report) }))
		},
	}
	o.register(c)
	c.Flags().DurationVar(&o.maxAge, "max-age", 0, "how old the newest backup of a series may be, such as 26h (default any age)")
	return c
}

func planText(w io.Writer, p *job.PlanReport) {
	line(w, "keeps\t%s\tin %s", p.Retention, p.Zone)
	line(w, "rules of\t%s\t%d, of which %d are not the vault's", p.Scope, p.Rules, p.Others)
	for _, c := range p.Changes {
		sign := "~"
		switch {
		case len(c.Was) == 0:
			sign = "+"
		case len(c.Is) == 0:
			sign = "-"
		}
		line(w, "%s %s\t%s", sign, c.Rule, change(c))
	}
	if len(p.Changes) == 0 {
		line(w, "no rule changes")
	}
	for _, l := range p.Losses {
		line(w, "LOSS %s\tmay go %s\t%s", l.Backup, l.Until.Format(time.RFC3339), promised(&l))
	}
	for _, text := range p.Conflicts {
		line(w, "CONFLICT\t%s", text)
	}
	unknownText(w, p)
	if p.Applied && len(p.Changes) > 0 && !p.Guarded {
		line(w, "written and read again; this store cannot tell if somebody else writes at the same moment: snapferry lifecycle check does, later")
	}
}

func change(c job.RuleChange) string {
	was, is := strings.Join(c.Was, "; "), strings.Join(c.Is, "; ")
	switch {
	case was == "":
		return is
	case is == "":
		return was
	}
	return was + " -> " + is
}

func promised(l *job.Loss) string {
	switch {
	case l.Accepted:
		return "accepted"
	case l.PromisedUntil == nil:
		return "at once"
	}
	return "promised until " + l.PromisedUntil.Format(time.RFC3339)
}

func unknownText(w io.Writer, p *job.PlanReport) {
	for _, text := range p.Unknown {
		line(w, "unknown\t%s", text)
	}
}

func checkText(w io.Writer, report *job.LifecycleReport) {
	line(w, "keeps\t%s\tin %s", report.Retention, report.Zone)
	line(w, "rules of\t%s\t%d, of which %d are not the vault's", report.Scope, report.Rules, report.Others)
	for _, x := range report.Series {
		empty := "never"
		if x.EmptyOn != nil {
			empty = "on " + x.EmptyOn.Format(time.DateOnly)
		}
		line(w, "series\t%s\t%s, the newest of %s, empty %s if no run succeeds", x.Series, count(x.Backups, "backup"), x.Newest.Format(time.RFC3339), empty)
	}
	for _, l := range report.Broken {
		line(w, "BROKEN\t%s\t%s, and %s may remove it from %s on", l.Backup, promised(&l), l.Rule, l.Until.Format(time.RFC3339))
	}
	for _, c := range report.Changes {
		line(w, "differs\t%s\t%s", c.Rule, change(c))
	}
	for _, text := range report.Warnings {
		line(w, "warning\t%s", text)
	}
	unknownText(w, &report.PlanReport)
	if len(report.Broken)+len(report.Changes)+len(report.Unknown)+len(report.Warnings) == 0 {
		line(w, "every promise holds")
	}
}
