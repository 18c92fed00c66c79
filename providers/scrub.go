package providers

import (
	"regexp"
	"strings"
)

var (
	// secretText is what must not be repeated, should a store or a proxy
	// answer with the request it got: names of AWS, Google and Azure.
	secretText = regexp.MustCompile(`(?i)(signature|\bsig|credential|security-?token|[a-z]+[_-]token|assertion|authorization|` +
		`secret[a-z_-]*|access-?key-?id|account-?key|private_?key)` +
		`(["'>]?\s*[=:>]\s*["']?)[^\s"'&,;<]+`)
	authScheme = regexp.MustCompile(`(?i)(AWS4-HMAC-SHA256|Bearer|Basic|SharedKey|SharedKeyLite)\s+[^\n<]*`)
	// bareSecret is a secret without a name: a private key, a token of
	// Google's, a signed web token.
	bareSecret = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*-----|$)|ya29\.[\w.-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*`)
)

// Scrub removes what looks like a credential from a text of others, the answer
// of a store say, and bounds its length. What it returns is one line.
func Scrub(s string) string {
	const most = 500
	s = bareSecret.ReplaceAllString(s, hidden)
	s = authScheme.ReplaceAllString(s, "$1 xxx")
	s = secretText.ReplaceAllString(s, "$1${2}xxx")
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
