package archive

import (
	"slices"
	"strings"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// The rooms of a tier.
const (
	catalogRoom = "catalog"
	dataRoom    = "data"
)

func (v *Vault) tierKey(t lifecycle.Tier, room string) string {
	return v.prefix + string(t) + "/" + room + "/"
}

// catalogKey is the key of one object of n's catalog entry.
func (v *Vault) catalogKey(n format.Name, file string) string {
	return v.tierKey(n.Tier, catalogRoom) + n.Series + "/" + n.ID.String() + "/" + file
}

// dataKey is the key below which the segments of an image of n lie.
func (v *Vault) dataKey(n format.Name, image string) string {
	return v.tierKey(n.Tier, dataRoom) + n.Series + "/" + n.ID.String() + "/" + image + "/"
}

// Classify says of an object of the vault below prefix, which is "" or has no
// slash at its end, which tier it belongs to and whether it is bulk: a segment,
// and not of the catalog. ok is false for what belongs to no tier.
func Classify(prefix, key string) (tier lifecycle.Tier, bulk, ok bool) {
	if prefix != "" {
		if key, ok = strings.CutPrefix(key, prefix+"/"); !ok {
			return "", false, false
		}
	}
	parts := strings.SplitN(key, "/", 3)
	if len(parts) < 3 {
		return "", false, false
	}
	tier, err := lifecycle.ParseTier(parts[0])
	if err != nil || parts[1] != catalogRoom && parts[1] != dataRoom {
		return "", false, false
	}
	return tier, parts[1] == dataRoom, true
}

// CatalogKey is the key of one object of a backup's catalog entry.
func (v *Vault) CatalogKey(n format.Name, file string) string { return v.catalogKey(n, file) }

// ManifestKey is the key of the manifest, which is written last.
func (b *Backup) ManifestKey() string { return b.v.catalogKey(b.Name, format.ManifestFile) }

// Needs tells of a key whether reading these images takes its object.
func (b *Backup) Needs(images ...int) func(key string) bool {
	catalog := b.v.catalogKey(b.Name, "")
	var data []string
	for _, i := range images {
		data = append(data, b.v.dataKey(b.Name, b.Manifest.Images[i].Name))
	}
	return func(key string) bool {
		return strings.HasPrefix(key, catalog) || slices.ContainsFunc(data, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
	}
}
