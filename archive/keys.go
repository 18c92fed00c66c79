package archive

import (
	"crypto/sha256"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

func (v *Vault) tierKey(t lifecycle.Tier, room string) string {
	return v.prefix + string(t) + "/" + room + "/"
}

// catalogKey is the key of one object of n's catalog entry.
func (v *Vault) catalogKey(n format.Name, file string) string {
	return v.tierKey(n.Tier, "catalog") + n.Series + "/" + n.ID.String() + "/" + file
}

// dataKey is the key below which the segments of an image of n lie.
func (v *Vault) dataKey(n format.Name, image string) string {
	return v.tierKey(n.Tier, "data") + n.Series + "/" + n.ID.String() + "/" + image + "/"
}

// plainName names a segment of a vault that is neither signed nor encrypted.
func plainName(index int64, sum [sha256.Size]byte) format.SegmentName {
	return format.SegmentName{Index: index, Sum: sum}
}
