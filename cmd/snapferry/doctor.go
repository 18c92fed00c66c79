package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/config"
	"github.com/snapferry/snapferry/job"
)

// doctorRetries are fewer than those of a backup: who asks waits for the
// answer.
const doctorRetries = 2

type doctorOptions struct {
	store   storeOptions
	lock    lockOptions
	access  accessOptions
	memory  byteSize
	request job.DoctorRequest
}

func newDoctorCommand(d *deps) *cobra.Command {
	o := doctorOptions{memory: byteSize{n: job.DefaultMemory}}
	c := &cobra.Command{
		Use:   "doctor VAULT... | --source SOURCE [VAULT...] | --job NAME",
		Short: "Try whether backups into a vault would work and be safe",
		Long: `Doctor tries what a backup needs of each VAULT, and what would be bad if it were possible: it stores canaries below
PREFIX/doctor, which no listing of backups looks at, reads them, tries to replace and to remove them, measures rates, and
asks the store for its settings. It removes what it can of them and names the rest. Of a source of Neo4j it looks for the installation,
rights, space, what would stop and start the server, and whether one snapshot could hold the database; nothing is stopped.

Exit code 0: all is green; 3: something is yellow; 1: something is red.`,
		Example: `  snapferry doctor 's3://acme-backups/graph?region=eu-west-1' --lock governance:7 --retention daily=14
  snapferry doctor --source 'neo4j+dump:///neo4j?home=/opt/neo4j&stop=yes&scratch=/var/tmp'`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case jobName(c) == "" && o.request.Source != "":
				return nil
			case jobName(c) == "":
				return atLeast("VAULT")(c, args)
			case len(args) > 0:
				return refused("--job "+jobName(c), errors.New("VAULT is those of the job"), "leave out one of VAULT and --job")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			if name := jobName(c); name != "" {
				var j *config.Job
				if j, o.request.Vaults, err = d.jobOf(c, name); err == nil && o.request.Source == "" {
					o.request.Source = j.Source
				}
			} else {
				o.request.Vaults, err = d.vaults(c, args)
			}
			if err != nil {
				return err
			}
			return runDoctor(c.Context(), o, d)
		},
	}
	o.store.register(c)
	o.store.tries = doctorRetries
	c.Flags().Lookup("retries").DefValue = "2"
	o.lock.register(c)
	o.access.registerWrite(c)
	o.access.registerIdentity(c)
	c.Flags().Var(&o.memory, "max-memory", "memory that a run would take")
	registerJob(c, "its vaults, and its source if that is Neo4j")
	c.Flags().StringVar(&o.request.Source, "source", "", "look also whether a backup of this source of Neo4j would work; nothing is stopped")
	c.Flags().BoolVar(&o.request.NoSpeed, "no-speed", false, "do not measure rates, which moves some megabytes")
	return c
}

func runDoctor(ctx context.Context, o doctorOptions, d *deps) error {
	tuning, err := o.store.tuning()
	if err != nil {
		return err
	}
	tuning.MaxMemory = o.memory.n
	for i := range o.request.Vaults {
		a := &o.request.Vaults[i].Access
		if err := o.lock.apply(a); err != nil {
			return err
		}
		if err := o.access.apply(a); err != nil {
			return err
		}
	}
	report, err := d.runner(tuning).Doctor(ctx, o.request)
	if report == nil {
		return ended(ctx, err)
	}
	return errors.Join(err, d.print(report, func(w io.Writer) { doctorText(w, report, d.color) }))
}

func doctorText(w io.Writer, report *job.DoctorReport, color bool) {
	checksText(w, "this machine", report.Machine, color)
	if len(report.Source) > 0 {
		line(w, "")
		checksText(w, "the source", report.Source, color)
	}
	for _, v := range report.Vaults {
		title := v.Vault
		if v.Name != "" {
			title = v.Name + ", " + v.Vault
		}
		line(w, "")
		checksText(w, title, v.Checks, color)
		for _, key := range v.Left {
			line(w, "left\t%s", key)
		}
		if len(v.Left) > 0 {
			line(w, "\tan identity that may remove it, or a lifecycle rule for %s, gets rid of it", doctorPrefix(v.Left[0]))
		}
		for _, c := range v.Checks {
			if c.Policy != "" {
				line(w, "\n%s", strings.TrimSpace(c.Policy))
			}
		}
	}
}

// doctorPrefix is the part of a canary's key that all of them share.
func doctorPrefix(key string) string {
	parts := strings.Split(key, "/")
	return strings.Join(parts[:max(len(parts)-2, 0)], "/") + "/"
}

func checksText(w io.Writer, title string, checks []job.Check, color bool) {
	line(w, "%s", title)
	for _, c := range checks {
		line(w, "%s\t%s\t%s", verdictText(c.Verdict, color), c.Name, c.Detail)
		if c.Hint != "" && c.Verdict != job.Green {
			line(w, "%s\t\t-> %s", verdictText("", color), c.Hint)
		}
	}
}

// verdictText colours a verdict. All colours take as many bytes, so that
// columns stay aligned.
func verdictText(v job.Verdict, color bool) string {
	if !color {
		return string(v)
	}
	code := map[job.Verdict]string{job.Green: "32", job.Yellow: "33", job.Red: "31"}[v]
	if code == "" {
		code = "90"
	}
	return "\x1b[" + code + "m" + string(v) + "\x1b[0m"
}
