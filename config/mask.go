package config

import (
	"net/url"
	"regexp"
	"strings"
)

// masked stands for what is not shown.
const masked = "xxx"

// secretPattern finds what is a secret by its looks: private keys of age and
// SSH, a password in a URL, and the parameters in which the clouds carry keys
// and signatures.
var secretPattern = regexp.MustCompile(`(?i)AGE-SECRET-KEY-[0-9A-Z-]*` +
	`|-*BEGIN [A-Z0-9 ]*PRIVATE KEY[^\n]*` +
	`|[a-z][a-z0-9+.-]*://[^\s?#"']*:[^\s?#"']*@` +
	`|([?&;]sig|AccountKey|SharedAccessSignature|X-Amz-Signature|X-Goog-Signature|secret_access_key)=[^\s&;"']+`)

// privatePattern finds, beyond that, what may be a secret. It is not refused,
// but not shown either.
var privatePattern = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s?#"']*@` +
	`|(password|passwd|passphrase|token|secret|api_?key)["']?\s*[=:]\s*["']?[^\s"']+`)

// HoldsSecret reports whether text holds what is a secret by its looks, plain
// or percent-encoded.
func HoldsSecret(text string) bool {
	if secretPattern.MatchString(text) {
		return true
	}
	plain, err := url.QueryUnescape(text)
	return err == nil && plain != text && secretPattern.MatchString(plain)
}

// Mask returns text with xxx in place of whatever may be a secret in it.
func Mask(text string) string {
	text = secretPattern.ReplaceAllString(text, masked)
	text = privatePattern.ReplaceAllString(text, masked)
	if HoldsSecret(text) {
		return masked // percent-encoded
	}
	return text
}

// printable returns text with control characters, which could rewrite what a
// terminal shows, made visible as dots.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '.'
		}
		return r
	}, text)
}
