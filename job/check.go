package job

import (
	"errors"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

// CheckVault refuses what cannot be a vault: an unknown scheme, a URL that
// cannot be parsed or holds credentials. It does not reach for the vault.
func CheckVault(url string) error { return all.Registry().Check(url) }

// CheckSource refuses what cannot be a source, without looking for it.
func CheckSource(source string) error {
	if source == "" {
		return usage(`""`, errors.New("the source is empty"), "give a path, - for standard input, or a URL such as neo4j+dump:///neo4j?home=DIR")
	}
	_, err := (&Runner{}).newSession().parsePlace(source, "source", sourceSchemes())
	return err
}

// CheckSeries refuses what cannot be the name of a series.
func CheckSeries(name string) error {
	if err := format.CheckName(name); err != nil {
		return usage("series "+name, err, "for instance "+format.FitName(name))
	}
	return nil
}

// Redact returns a URL without what may be a credential in it; a path as it
// is.
func Redact(url string) string { return providers.Redact(url) }
