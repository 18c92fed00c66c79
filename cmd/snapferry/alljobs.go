package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/snapferry/snapferry/job"
)

// backupArgs takes SOURCE and VAULT, or a job of the configuration, or all of
// them.
func backupArgs(c *cobra.Command, args []string) error {
	all := c.Flag("all-jobs").Changed
	switch {
	case all && len(args) > 0:
		return refused("--all-jobs", errors.New("SOURCE and VAULT are those of each job"), "leave out the arguments, or --all-jobs")
	case all && jobName(c) != "":
		return refused("--all-jobs", errors.New("--job is one of them"), "leave out one of --job and --all-jobs")
	case all, len(args) == 0 && jobName(c) != "":
		return nil
	}
	return atLeast("SOURCE", "VAULT")(c, args)
}

// request completes the request of a backup by arguments or by the job of the
// configuration.
func (d *deps) request(c *cobra.Command, o *backupOptions, args []string) error {
	var err error
	if len(args) > 0 {
		o.request.Source = args[0]
		o.request.Vaults, err = d.vaults(c, args[1:])
		return err
	}
	j, vaults, err := d.jobOf(c, o.request.Job)
	if err != nil {
		return err
	}
	o.request.Source, o.request.Vaults, o.request.Job = j.Source, vaults, j.Series
	if !c.Flag("tier").Changed {
		o.request.Tier = j.Tier
	}
	if !c.Flag("allow-empty").Changed {
		o.request.AllowEmpty = j.AllowEmpty
	}
	return nil
}

// jobReport is what became of one of all jobs.
type jobReport struct {
	Job    string          `json:"job"`
	Code   int             `json:"code"` // as if it had run alone
	Error  string          `json:"error,omitempty"`
	Hint   string          `json:"hint,omitempty"`
	Backup json.RawMessage `json:"backup,omitempty"` // a BackupReport
}

// allJobsReport is the result of backup --all-jobs.
type allJobsReport struct {
	Jobs   []jobReport `json:"jobs"`
	Failed int         `json:"failed"`
}

// backupAll runs all jobs, one after the other, each as backup --job would. One
// that fails does not stop the others.
func (d *deps) backupAll(c *cobra.Command) error {
	conf, err := d.mustConfigured("--all-jobs")
	if err != nil {
		return err
	}
	if len(conf.Jobs) == 0 {
		return refused("--all-jobs", fmt.Errorf("%s has no jobs", conf.File), "add jobs: to it")
	}
	report := allJobsReport{Jobs: []jobReport{}}
	var first error
	for _, j := range conf.Jobs {
		var out bytes.Buffer
		err := d.backupOne(c, j.Name, &out)
		one := jobReport{Job: j.Name, Code: exitCode(job.Classify(err))}
		if err != nil {
			one.Error, one.Hint = oneLine(err.Error()), oneLine(job.Hint(err))
			report.Failed++
			if first == nil {
				first = fmt.Errorf("%s: %w", j.Name, err)
			}
		}
		if d.global.json {
			one.Backup = out.Bytes()
		} else if err := d.showJob(one, out.Bytes()); err != nil {
			return err
		}
		report.Jobs = append(report.Jobs, one)
		if c.Context().Err() != nil {
			break
		}
	}
	var perr error
	if d.global.json {
		perr = writeJSON(d.stdout, report)
	}
	return errors.Join(ended(c.Context(), summary(report, first)), perr)
}

// backupOne runs a job with the flags of c, and writes its report to out.
func (d *deps) backupOne(c *cobra.Command, name string, out io.Writer) error {
	one := *d
	one.stdout = out
	sub := newBackupCommand(&one)
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		if sub.Flags().Lookup(f.Name) != nil && f.Name != "all-jobs" {
			err = errors.Join(err, sub.Flags().Set(f.Name, f.Value.String()))
		}
	})
	if err = errors.Join(err, sub.Flags().Set(jobFlag, name)); err != nil {
		return refused("--all-jobs", err, "run the jobs one by one with --job NAME")
	}
	sub.SetContext(c.Context())
	return sub.RunE(sub, nil)
}

// showJob tells people what became of a job: what failed is on standard error.
func (d *deps) showJob(one jobReport, text []byte) error {
	if one.Error != "" {
		_, _ = fmt.Fprintf(d.stderr, "job %s failed with code %d: %s\n  = %s\n", one.Job, one.Code, one.Error, one.Hint) // the summary follows
	}
	if len(text) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(d.stdout, "job %s\n%s\n", one.Job, text); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// summary is the error of all jobs: partial if some of them are done, else
// that of the first.
func summary(report allJobsReport, first error) error {
	done := len(report.Jobs) - report.Failed
	switch {
	case first == nil:
		return nil
	case done > 0:
		first = fmt.Errorf("%w: %d of %d failed: %w", job.ErrPartial, report.Failed, len(report.Jobs), first)
	default:
		first = fmt.Errorf("all of %s failed: %w", count(len(report.Jobs), "job"), first)
	}
	return &job.Error{Op: "back up", Name: "all jobs", Err: first}
}
