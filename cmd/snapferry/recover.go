package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

func newRecoverCommand(d *deps) *cobra.Command {
	var host string
	c := &cobra.Command{
		Use:   "recover SOURCE | --job NAME",
		Short: "Start the Neo4j server, or remove the snapshot, that a killed backup has left",
		Long: `Recover starts the server that a backup of SOURCE has stopped, if neither it nor its guardian could start it again: the machine ended, or both were
killed. It returns when the database answers. Of a SOURCE that takes snapshots, it removes the snapshot and the scratch server that are left. Without such
it does nothing. The next backup of SOURCE does the same before anything else.`,
		Args: exactlyOrJob("SOURCE"),
		RunE: func(c *cobra.Command, args []string) error {
			source, err := d.sourceOrJob(c, args)
			if err != nil {
				return err
			}
			r := d.runner(job.Tuning{})
			r.Host = host
			report, err := r.Recover(c.Context(), source)
			if err != nil {
				return ended(c.Context(), err)
			}
			return d.print(report, func(w io.Writer) {
				if report.Recovered {
					line(w, "recovered\tthe server serves again, or the snapshot is removed")
				} else {
					line(w, "nothing to do\tno backup has left anything")
				}
			})
		},
	}
	registerJob(c, "its source")
	c.Flags().StringVar(&host, "host", "", "name of this machine in the source's identity (default its host name)")
	return c
}

// sourceOrJob is the source that is named, or that of the job.
func (d *deps) sourceOrJob(c *cobra.Command, args []string) (string, error) {
	name := jobName(c)
	if name == "" {
		return args[0], nil
	}
	j, _, err := d.jobOf(c, name)
	switch {
	case err != nil:
		return "", err
	case j.Source == "":
		return args[0], nil
	case len(args) > 0:
		return "", refused("--job "+name, errors.New("SOURCE is that of the job"), "leave out one of SOURCE and --job")
	}
	return j.Source, nil
}

// The names of hidden commands: one watches over a server, one thaws a file system.
const (
	guardianCommand  = "guardian"
	unfreezerCommand = "unfreezer"
)

// newGuardianCommand is started by backups that stop a server, and outlives them.
func newGuardianCommand(d *deps) *cobra.Command {
	return &cobra.Command{
		Use:    guardianCommand,
		Short:  "Watch over a server that a backup has stopped",
		Hidden: true,
		Args:   exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			// Nothing short of the end of the machine may end it.
			signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			return job.Guard(context.WithoutCancel(c.Context()), d.stdin, d.stdout)
		},
	}
}

// newUnfreezerCommand is the process that thaws a file system. It is no command
// for people.
func newUnfreezerCommand(d *deps) *cobra.Command {
	return &cobra.Command{
		Use:    unfreezerCommand,
		Short:  "Thaw a file system that a backup has frozen",
		Hidden: true,
		Args:   exactly(),
		RunE: func(*cobra.Command, []string) error {
			signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			return job.Unfreeze(d.stdin, d.stdout)
		},
	}
}
