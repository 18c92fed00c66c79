package install

import (
	"regexp"
	"strings"
)

// secretWords tell lines that may hold a secret, and secretKeys names of settings
// whose values are one.
var (
	secretWords = regexp.MustCompile(`(?i)passw|secret|token|credential|private`)
	secretKeys  = regexp.MustCompile(`(?i)^[^=:]*key`)
)

// WithoutSecrets is a configuration without the settings that may be secret, by
// their name or by a word in their value, such as a password among options of the
// JVM. Their names stay, in a comment.
func WithoutSecrets(conf []byte) []byte {
	var out strings.Builder
	removing, within := false, false // of a line that was continued
	for line := range strings.Lines(string(conf)) {
		text := strings.TrimSpace(line)
		comment := !within && (strings.HasPrefix(text, "#") || strings.HasPrefix(text, "!"))
		switch {
		case within && removing:
		case secretWords.MatchString(text), !within && !comment && secretKeys.MatchString(text):
			removing = true
			name, _, _ := strings.Cut(strings.TrimLeft(text, "#! \t"), "=")
			if within || comment { // there is no name, or what looks like one is prose
				name = "a line"
			}
			out.WriteString("# removed by snapferry: " + strings.TrimSpace(name) + "\n")
		default:
			removing = false
			out.WriteString(line)
		}
		within = !comment && continued(text)
	}
	return []byte(out.String())
}
