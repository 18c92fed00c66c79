package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

type drillOptions struct {
	engine  engineOptions
	request job.DrillRequest
	access  accessOptions
	memory  byteSize
}

func newDrillCommand(d *deps) *cobra.Command {
	o := drillOptions{memory: byteSize{job.DefaultDrillMemory}}
	c := &cobra.Command{
		Use:   "drill BACKUP | --job NAME [latest|ID]",
		Short: "Prove that a backup of Neo4j restores, by restoring it",
		Long: `Drill restores a backup of Neo4j into a scratch folder, checks its consistency, starts a server on it that only this machine can reach, compares
what is in it with what is known of the backup, asks what --check says, and removes everything. The programs are those of the Neo4j of this machine; its data
is not touched, and it may go on running. The vault keeps a report, and list shows when a backup was drilled.

A backup that does not pass is code 4. What is compared: the last transaction with that of the backup, nodes, relationships, labels, types, indexes and
constraints with those that an earlier drill of the same backup found. Checks cannot change anything.

BACKUP is VAULT#latest, VAULT#SERIES/latest, VAULT#ID or VAULT#TIER/SERIES/ID; an ID may be cut short.`,
		Example: `  snapferry drill 's3://acme-offsite/graph?region=eu-west-1#graph/latest' --home /var/lib/neo4j
  snapferry drill --job graph --every-tier --check 'MATCH (o:Order) RETURN count(o) => > 100000'`,
		Args: exactlyOrJob("BACKUP"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if err = checkThaw(c, &o.request.Thaw); err != nil {
				return err
			}
			if o.request.Backup, o.request.Access, _, err = d.backupOrJob(c, args, 0); err != nil {
				return err
			}
			if err := o.fromJob(c, d); err != nil {
				return err
			}
			return runDrill(c.Context(), o, d)
		},
	}
	o.engine.register(c, "downloads")
	registerJob(c, "a backup of it")
	o.access.registerRead(c)
	registerThaw(c, &o.request.Thaw)
	f := c.Flags()
	f.StringVar(&o.request.Home, "home", "", "Neo4j whose programs are used (default NEO4J_HOME, or the one on PATH)")
	f.StringVar(&o.request.Scratch, "scratch", "", "folder with room for the dump and its store (default that of the system for temporary files)")
	f.Var(&o.memory, "memory", "memory for Neo4j")
	f.StringVar(&o.request.Plugins, "plugins", "", "folder of plug-ins that the data needs")
	f.StringArrayVar(&o.request.Checks, "check", nil, `what must hold, as "CYPHER => EXPECTED"; may be repeated`)
	f.BoolVar(&o.request.Quick, "quick", false, "leave out the consistency check")
	f.BoolVar(&o.request.EveryTier, "every-tier", false, "drill the newest backup of the series in each tier")
	f.BoolVar(&o.request.NoReport, "no-report", false, "leave no report in the vault")
	return c
}

// fromJob takes what the configuration of the job says and no flag does.
func (o *drillOptions) fromJob(c *cobra.Command, d *deps) error {
	name := jobName(c)
	if name == "" {
		return nil
	}
	j, _, err := d.jobOf(c, name)
	if err != nil {
		return err
	}
	for flag, value := range map[string]string{"home": j.Drill.Home, "scratch": j.Drill.Scratch, "plugins": j.Drill.Plugins, "memory": j.Drill.Memory} {
		if f := c.Flag(flag); value != "" && !f.Changed {
			if err := f.Value.Set(value); err != nil {
				return err
			}
		}
	}
	if !c.Flag("quick").Changed {
		o.request.Quick = j.Drill.Quick
	}
	for _, check := range j.Drill.Checks { // and those of the flags
		o.request.Checks = append(o.request.Checks, check.String())
	}
	return nil
}

func runDrill(ctx context.Context, o drillOptions, d *deps) error {
	tuning, err := o.engine.tuning()
	if err != nil {
		return err
	}
	if err := o.access.apply(&o.request.Access); err != nil {
		return err
	}
	o.request.Memory = o.memory.n
	ctx, cancel, err := o.engine.within(ctx, d)
	if err != nil {
		return err
	}
	defer cancel()
	r := d.runner(tuning)
	stop := d.watch(r.Progress)
	report, err := r.Drill(ctx, o.request)
	stop()
	if report == nil {
		return ended(ctx, err)
	}
	return errors.Join(ended(ctx, err), d.print(report, func(w io.Writer) {
		for i := range report.Drills {
			drillText(w, &report.Drills[i])
		}
	}))
}

func drillText(w io.Writer, one *job.Drilled) {
	verdict := "passed"
	if !one.OK {
		verdict = "FAILED"
	}
	line(w, "%s\t%s", verdict, one.Name)
	line(w, "database\t%s\tNeo4j %s", one.Database, one.Neo4j)
	for _, s := range one.Steps {
		line(w, "%s\t%.1f s\t%s", s.Name, s.Seconds, s.Problem)
	}
	if g := one.Graph; g != nil {
		line(w, "graph\t%d nodes, %d relationships\t%d indexes, %d constraints", g.Nodes, g.Relationships, len(g.Indexes), len(g.Constraints))
	}
	for _, a := range one.Checks {
		held := "held"
		if a.Problem != "" {
			held = "FAILED: " + a.Problem
		}
		line(w, "check\t%s\t%s, expected %s: %s", a.Cypher, a.Got, a.Expect, held)
	}
	for _, text := range one.Warnings {
		line(w, "warning\t%s", text)
	}
	if one.RTO > 0 {
		line(w, "restored in\t%.1f s\tfrom the first byte until the database answered", one.RTO)
	}
	if one.Report != "" {
		line(w, "report\t%s", one.Report)
	}
}
