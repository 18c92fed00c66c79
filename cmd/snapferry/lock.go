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

// apply puts what the flags say before what the configuration says of a vault.
func (o *lockOptions) apply(a *job.Access) error {
	if len(o.locks) > 0 {
		locks, err := job.ParseLocks(o.locks)
		if err != nil {
			return err
		}
		a.Locks = locks
	}
	if o.retention != "" || o.zone != "" {
		kept, err := job.ParseRetention(o.retention, o.zone)
		if err != nil {
			return err
		}
		a.Retention = kept
	}
	return nil
}
