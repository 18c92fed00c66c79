package main

import (
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

// registerThaw adds the flags of commands that read data which may be archived.
func registerThaw(c *cobra.Command, t *job.Thaw) {
	f := c.Flags()
	f.BoolVar(&t.Ask, "thaw", false, "let the store thaw what is archived, which is charged")
	f.StringVar(&t.Priority, "thaw-priority", "standard", "bulk, standard or expedited: the faster, the more expensive")
	f.IntVar(&t.Days, "thaw-days", job.DefaultThawDays, "days for which it can be read then")
	f.DurationVar(&t.Wait, "thaw-wait", 0, "wait so long for it; 0 does not wait, and says when to come back")
}

// checkThaw refuses flags that say nothing without --thaw.
func checkThaw(c *cobra.Command, t *job.Thaw) error {
	for _, name := range []string{"thaw-priority", "thaw-days", "thaw-wait"} {
		if c.Flag(name).Changed && !t.Ask {
			return refused("--"+name, errors.New("nothing is to be thawed"), "add --thaw, which is charged, or leave it out")
		}
	}
	if t.Days == 0 {
		return refused("--thaw-days 0", errors.New("it could not be read at all"), "give the days that the restore may take")
	}
	return nil
}

func thawText(w io.Writer, t *job.ThawReport) {
	line(w, "archived\t%s\t%s in class %s", count(t.Objects, "object"), formatBytes(t.Bytes), t.Class)
	if t.Asked > 0 {
		line(w, "asked for\t%s", count(t.Asked, "object"))
	}
	if t.Thawing > 0 {
		line(w, "not thawed\t%s", count(t.Thawing, "object"))
	}
	if t.ReadyBy != nil {
		line(w, "come back\tafter %s", t.ReadyBy.Format(time.RFC3339))
	}
}
