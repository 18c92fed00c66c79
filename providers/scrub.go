package providers

import (
	"regexp"
	"strings"
)

var (
	// secretText is what must not be repeated, should a store or a proxy
	// answer with the request it got.
	secretText = regexp.MustCompile(`(?i)(signature|credential|security-?token|authorization|secret[a-z_-]*|access-?key-?id)` +
		`(["'>]?\s*[=:>]\s*["']?)[^\s"'&,<]+`)
	authScheme = regexp.MustCompile(`(?i)(AWS4-HMAC-SHA256|Bearer|Basic)\s+[^\n<]*`)
)

// Scrub removes what looks like a credential from a text of others, the answer
// of a store say, and bounds its length. What it returns is one line.
func Scrub(s string) string {
	const most = 500
	s = authScheme.ReplaceAllString(s, "$1 xxx")
	s = secretText.ReplaceAllString(s, "$1${2}xxx")
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
