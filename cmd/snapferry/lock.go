package main

import (
	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

// lockOptions are the flags of what new objects are locked by.
type lockOptions struct {
	locks     []string
	retention string
	zone      string
}

func (o *lockOptions) register(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.locks, "lock", nil, "lock new objects for days: governance:7, or daily=compliance:7 for one tier; may be repeated")
	f.StringVar(&o.retention, "retention", "", "what the vault keeps, such as daily=14,weekly=8: a lock must not be longer than its objects live")
	f.StringVar(&o.zone, "zone", "", "time zone of the days of --retention, such as Europe/Berlin (default UTC)")
}

// apply adds what the flags say to how a vault is used.
func (o *lockOptions) apply(a *job.Access) (err error) {
	if a.Locks, err = job.ParseLocks(o.locks); err != nil {
		return err
	}
	a.Retention, err = job.ParseRetention(o.retention, o.zone)
	return err
}
