package providers

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/internal/nearest"
)

// hidden stands for what is not shown.
const hidden = "xxx"

// shownParameters are the query parameters whose values are safe to show.
// Anything else may be a secret somebody put there by mistake.
func shownParameters() []string {
	return []string{"region", "endpoint", "use_path_style", "s3ForcePathStyle", "profile", "role", "anonymous", "disable_https",
		"role_session", "fips", "dualstack", "accelerate", "requester_pays", "ssetype", "kmskeyid", "bucket_key", "storage_class",
		"credentials_file", "impersonate", "user_project", "kms_key", "universe_domain",
		"storage_account", "domain", "protocol", "cdn", "localemu", "access_tier", "encryption_scope",
		"subscription", "resource_group"}
}

// Redact returns rawURL with everything removed that may be a credential: user
// and password, also of the endpoint, and the values of parameters it does
// not know. It never fails; what cannot be parsed is cut short. Plain paths
// and file URLs come back as they are.
func Redact(rawURL string) string {
	scheme, rest, found := strings.Cut(rawURL, "://")
	if !found || !IsScheme(scheme) || strings.EqualFold(scheme, SchemeFile) {
		return rawURL
	}
	rest, _, _ = strings.Cut(rest, "#")
	place, query, hasQuery := strings.Cut(rest, "?")
	if i := strings.LastIndexByte(place, '@'); i >= 0 {
		place = hidden + "@" + place[i+1:]
	}
	// A colon before the first slash begins a port, or the rest of a password.
	if host, path, _ := strings.Cut(place, "/"); strings.Contains(host, ":") && !numericPort(host) {
		place = hidden + "/" + path
	}
	out := scheme + "://" + place
	if hasQuery {
		out += "?" + redactQuery(query)
	}
	return out
}

func numericPort(host string) bool {
	port := host[strings.LastIndexByte(host, ':')+1:]
	return strings.Trim(port, "0123456789") == "" && len(port) <= 5
}

func redactQuery(query string) string {
	var out []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case name == "endpoint":
			out = append(out, name+"="+redactEndpoint(value))
		case slices.Contains(shownParameters(), name):
			out = append(out, pair)
		case isParameterName(name):
			out = append(out, name+"="+hidden)
		default:
			out = append(out, hidden)
		}
	}
	return strings.Join(out, "&")
}

func redactEndpoint(value string) string {
	plain, err := url.QueryUnescape(value)
	if err != nil {
		return hidden
	}
	if i := strings.LastIndexByte(plain, '@'); i >= 0 {
		return hidden + "@" + plain[i+1:]
	}
	if before, _, cut := strings.Cut(plain, "?"); cut {
		return before
	}
	return value
}

func isParameterName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 40
}

// CheckQuery refuses parameters of u that are not known, and parameters given
// twice, with an ErrInvalidURL that suggests the nearest known one.
func CheckQuery(u *url.URL, known ...string) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return InvalidURL(u.String(), "its query cannot be parsed", "percent-encode special characters")
	}
	for name, v := range values {
		if !slices.Contains(known, name) {
			return unknownParameter(u, name, known)
		}
		if len(v) > 1 {
			return InvalidURL(u.String(), fmt.Sprintf("the parameter %s is given %d times", name, len(v)), "give it once")
		}
	}
	return nil
}

func unknownParameter(u *url.URL, name string, known []string) error {
	shown := "a parameter"
	if isParameterName(name) {
		shown = "parameter " + name
	}
	hint := "this store takes no parameters"
	if len(known) > 0 {
		hint = "known parameters: " + strings.Join(known, ", ")
	}
	if near := nearest.Word(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return InvalidURL(u.String(), "unknown "+shown, hint)
}
