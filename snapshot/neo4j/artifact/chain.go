package artifact

import (
	"cmp"
	"fmt"
	"slices"
)

// Member is one backup of a folder.
type Member struct {
	Name   string // of its file
	Header Header // of a backup
}

// Chain is a full backup and the differentials that follow it without a gap.
type Chain struct {
	Database   string
	DatabaseID string
	// Members are the full backup and its differentials, in their order. Empty
	// differentials, which say that nothing has changed, are not needed and left
	// out.
	Members []Member
	// Gap says which transactions are missing before a newer backup; empty: none
	// are.
	Gap string
}

// Highest is the last transaction that the chain holds.
func (c *Chain) Highest() int64 { return c.Members[len(c.Members)-1].Header.Backup.Highest }

// LatestChains returns, for each database id among the backups, the chain of its
// newest full backup, sorted by the name of the database and its id. A
// differential follows if it begins right after the one before; since 2026.02 the
// first one may also begin within the full backup. A database without a full
// backup has a chain without members, and a gap.
func LatestChains(all []Member) []Chain {
	byID := map[string][]Member{}
	for _, m := range all {
		if m.Header.Backup != nil {
			byID[m.Header.Backup.DatabaseID] = append(byID[m.Header.Backup.DatabaseID], m)
		}
	}
	chains := make([]Chain, 0, len(byID))
	for id, members := range byID {
		c := latest(members)
		c.Database, c.DatabaseID = members[0].Header.Backup.Database, id
		chains = append(chains, c)
	}
	slices.SortFunc(chains, func(a, b Chain) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.DatabaseID, b.DatabaseID))
	})
	return chains
}

// Follows refuses a differential that does not follow a chain, which is neither
// empty nor has a gap, as LatestChains finds that it does.
func Follows(chain []Member, diff Member) error {
	d, reached, last := diff.Header.Backup, int64(0), 0
	for i, m := range chain {
		b := m.Header.Backup
		if b.DatabaseID != d.DatabaseID {
			return fmt.Errorf("%w: it is of another database than %s", ErrBad, m.Name)
		}
		if !b.Empty() {
			reached, last = b.Highest, i
		}
	}
	switch {
	case d.Empty(), d.Lowest == reached+1, last == 0 && d.Lowest <= reached && d.Highest >= reached:
		return nil
	}
	return fmt.Errorf("%w: it holds transactions %d to %d, and the chain ends with %d", ErrBad, d.Lowest, d.Highest, reached)
}

func latest(members []Member) (c Chain) {
	var diffs []Member
	var full *Member
	for i := range members {
		m := &members[i]
		switch {
		case m.Header.Kind == Differential && m.Header.Backup.Empty():
		case m.Header.Kind == Differential:
			diffs = append(diffs, *m)
		case full == nil || newer(m, full):
			full = m
		}
	}
	slices.SortStableFunc(diffs, func(a, b Member) int {
		x, y := a.Header.Backup, b.Header.Backup
		return cmp.Or(cmp.Compare(x.Lowest, y.Lowest), x.Time.Compare(y.Time), cmp.Compare(a.Name, b.Name))
	})
	if full == nil {
		c.Gap = "there is no full backup"
		return c
	}
	c.Members = []Member{*full}
	for _, d := range diffs {
		b, reached := d.Header.Backup, c.Highest()
		switch {
		case b.Highest <= reached: // of an older chain, or there twice
		case b.Lowest == reached+1, len(c.Members) == 1 && b.Lowest <= reached:
			c.Members = append(c.Members, d)
		case b.Lowest > reached:
			c.Gap = fmt.Sprintf("transactions %d to %d are missing before %s", reached+1, b.Lowest-1, d.Name)
			return c
		}
	}
	return c
}

// newer reports whether a full backup is newer than another.
func newer(a, b *Member) bool {
	x, y := a.Header.Backup, b.Header.Backup
	if c := x.Time.Compare(y.Time); c != 0 {
		return c > 0
	}
	return x.Highest > y.Highest
}
