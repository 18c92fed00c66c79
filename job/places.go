package job

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/providers"
)

// CheckApart refuses two vaults of which one lies within the other: the rules of
// one would remove what the other keeps, and its listings would meet it. One
// place may have several names, of who writes and who reads. What the
// environment says of a place is not known here, so that two spellings of it may
// pass.
func CheckApart(first, second string) error {
	a, b := placeOf(first), placeOf(second)
	if a.scope != b.scope {
		return nil
	}
	const hint = "give each vault a prefix or a folder of its own, none within that of another"
	switch {
	case a.path == b.path:
		return nil
	case within(a.path, b.path):
		return usage(providers.Redact(second), fmt.Errorf("it lies within %s", providers.Redact(first)), hint)
	case within(b.path, a.path):
		return usage(providers.Redact(second), fmt.Errorf("%s lies within it", providers.Redact(first)), hint)
	}
	return nil
}

// within reports whether a path lies below another one.
func within(outer, inner string) bool { return outer == "" || strings.HasPrefix(inner, outer+"/") }

// vaultPlace is where a vault is, as far as its URL tells.
type vaultPlace struct {
	scope string // store and bucket
	path  string // without a slash at either end
}

func placeOf(raw string) vaultPlace {
	u, err := url.Parse(raw)
	scheme, _, found := strings.Cut(raw, "://")
	if err != nil || !found || !providers.IsScheme(scheme) || u.Scheme == providers.SchemeFile {
		path := raw
		if found && u != nil {
			path = u.Path
		}
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return vaultPlace{scope: providers.SchemeFile, path: strings.Trim(filepath.ToSlash(path), "/")}
	}
	q := u.Query()
	scope := []string{u.Scheme, u.Host}
	for _, name := range []string{"endpoint", "storage_account", "domain", "universe_domain"} {
		value := strings.ToLower(strings.TrimRight(q.Get(name), "/"))
		if _, rest, ok := strings.Cut(value, "://"); ok {
			value = rest
		}
		scope = append(scope, value)
	}
	return vaultPlace{scope: strings.Join(scope, "\n"), path: strings.Trim(u.Path, "/")}
}

// checkVaults refuses vaults of a run that are none, or not apart.
func checkVaults(vaults []Vault) error {
	const hint = "give a path, or a URL such as s3://BUCKET/PREFIX?region=REGION"
	if len(vaults) == 0 {
		return usage("the arguments", errors.New("no vault is named"), hint)
	}
	for i, v := range vaults {
		if v.URL == "" {
			return usage(`""`, errors.New("the vault is empty"), hint)
		}
		for _, other := range vaults[:i] {
			if placeOf(other.URL) == placeOf(v.URL) {
				return usage(providers.Redact(v.URL), errors.New("the vault is named twice"), "name each vault once")
			}
			if err := CheckApart(other.URL, v.URL); err != nil {
				return err
			}
		}
	}
	return nil
}
