package format

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// Promise is promise.json: what a backup stands for in this vault, and until
// when. It is not part of the manifest, since a copy elsewhere may stand for
// something else.
type Promise struct {
	Format int       `json:"format"`
	ID     string    `json:"id"`
	Series string    `json:"series"`
	Tier   string    `json:"tier"`
	Time   time.Time `json:"time"`   // the instant that counts, by the store's clock, UTC
	Begun  time.Time `json:"begun"`  // when this was written, by the store's clock, UTC
	Stands []string  `json:"stands"` // kinds of periods, from the shortest on
	// Until is the end of what is promised, UTC; absent: it is kept for ever.
	Until *time.Time `json:"until,omitempty"`
	// Tag is set in signed vaults: see SealTagged.
	Tag string `json:"tag,omitempty"`
}

// NewPromise is the document of what the backup n stands for.
func NewPromise(n Name, p lifecycle.Promise) *Promise {
	d := &Promise{Format: FormatVersion, ID: n.ID.String(), Series: n.Series, Tier: string(n.Tier), Time: p.Time.UTC(), Begun: p.Begun.UTC(), Stands: []string{}}
	for _, t := range p.Stands {
		d.Stands = append(d.Stands, string(t))
	}
	if !p.Until.IsZero() {
		until := p.Until.UTC()
		d.Until = &until
	}
	return d
}

// Check refuses a promise outside the limits, or one that stands at another
// place than its own.
func (d *Promise) Check(n Name) error {
	switch {
	case d.Format < 1 || d.Format > FormatVersion:
		return fmt.Errorf("format version %d: this program reads up to %d", d.Format, FormatVersion)
	case d.ID != n.ID.String() || d.Series != n.Series || d.Tier != string(n.Tier):
		return fmt.Errorf("it belongs to %s/%s/%s", d.Tier, d.Series, d.ID)
	case d.Time.IsZero() || d.Begun.IsZero():
		return errors.New("it has no time")
	case (len(d.Stands) == 0) != (d.Until == nil):
		return errors.New("it stands for something without an end, or for nothing with one")
	}
	for i, name := range d.Stands {
		if t, err := lifecycle.ParseTier(name); err != nil || t == lifecycle.Manual || slices.Contains(d.Stands[:i], name) {
			return fmt.Errorf("it stands for %q", name)
		}
	}
	return nil
}

// Lifecycle is what the document says. It must have passed Check.
func (d *Promise) Lifecycle() lifecycle.Promise {
	p := lifecycle.Promise{Tier: lifecycle.Tier(d.Tier), Time: d.Time, Begun: d.Begun}
	for _, name := range d.Stands {
		p.Stands = append(p.Stands, lifecycle.Tier(name))
	}
	if d.Until != nil {
		p.Until = *d.Until
	}
	return p
}
