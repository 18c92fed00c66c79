package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

func newPruneCommand(d *deps) *cobra.Command {
	var o struct {
		store   storeOptions
		policy  policyOptions
		access  accessOptions
		request job.PruneRequest
	}
	c := &cobra.Command{
		Use:   "prune VAULT [--confirm]",
		Short: "Remove expired backups from a vault whose store does not rotate",
		Long: `Prune removes from a folder, or from a store that does not run lifecycle rules, what the rules of the vault's retention would have
removed. What is promised stays, and so do the last backups of each series and whatever they need. Without --confirm it only
tells. It goes by the times that backups have recorded, not by those of files, and needs an identity that may delete.`,
		Example: `  snapferry prune /mnt/backups --retention daily=14,weekly=8
  snapferry prune /mnt/backups --retention daily=14,weekly=8 --confirm
  snapferry prune offsite --incomplete --confirm`,
		Args: exactly("VAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.request.Vault, err = d.vault(c, args[0]); err != nil {
				return err
			}
			if err := o.policy.apply(&o.request.Vault); err != nil {
				return err
			}
			if err := o.access.apply(&o.request.Vault.Access); err != nil {
				return err
			}
			tuning, err := o.store.tuning()
			if err != nil {
				return err
			}
			report, err := d.runner(tuning).Prune(c.Context(), o.request)
			if report == nil || err != nil {
				return ended(c.Context(), err)
			}
			return d.print(report, func(w io.Writer) { pruneText(w, report) })
		},
	}
	o.store.register(c)
	o.policy.register(c)
	o.access.registerSign(c)
	f := c.Flags()
	f.BoolVar(&o.request.Confirm, "confirm", false, "remove, and do not only tell")
	f.IntVar(&o.request.KeepLast, "keep-last", 1, "complete backups of each series that stay in any case")
	f.BoolVar(&o.request.Incomplete, "incomplete", false, "remove what was begun and given up, of any store, and nothing else")
	return c
}

func pruneText(w io.Writer, report *job.PruneReport) {
	if len(report.Backups) > 0 {
		line(w, "VERDICT\tBACKUP\tWHY")
	}
	removed := 0
	for _, b := range report.Backups {
		verdict := "keep"
		if b.Remove {
			verdict = "remove"
			removed++
		}
		line(w, "%s\t%s\t%s", verdict, b.Backup, b.Reason)
	}
	switch {
	case report.Confirmed:
		line(w, "removed %s, %s", count(report.Removed, "backup"), formatBytes(report.Bytes))
	case removed > 0:
		line(w, "nothing was removed; --confirm removes %s", count(removed, "backup"))
	default:
		line(w, "nothing is to be removed")
	}
}
