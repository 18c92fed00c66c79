package job

import (
	"strings"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

func TestSplitReference(t *testing.T) {
	for ref, want := range map[string][2]string{
		"vault#latest": {"vault", "latest"}, "s3://b/p?region=x#s/latest": {"s3://b/p?region=x", "s/latest"}, "a#b#c": {"a#b", "c"},
	} {
		vault, backup, err := splitReference(ref)
		if err != nil || vault != want[0] || backup != want[1] {
			t.Errorf("%s is %q and %q, %v", ref, vault, backup, err)
		}
	}
	for _, ref := range []string{"", "vault", "vault#", "#latest", "#"} {
		if _, _, err := splitReference(ref); Classify(err) != Usage || Hint(err) == classHint(Usage) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

// Whatever is given as a source or a target: a URL that is understood, a path,
// or an error with a hint, and never a secret in it.
func FuzzParsePlace(f *testing.F) {
	for _, seed := range []string{"/path", "-", "C:\\x", "file:///x", "neo4j+dump:///db?home=x", "ebs://r/v", "s3://b", "x:y", "a://%zz", "file://u:p@h/"} {
		f.Add(seed)
	}
	s := (&Runner{}).newSession()
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := s.parsePlace(raw, "source", sourceSchemes())
		switch {
		case err != nil && (u != nil || Classify(err) != Usage || Hint(err) == ""):
			t.Errorf("%q: %v, %v", raw, u, err)
		case u != nil && u.Scheme != providers.SchemeFile && u.Scheme != "neo4j+dump":
			t.Errorf("%q: %v", raw, u)
		}
		u, err = s.parsePlace("https://user:SECRETSECRET@host/"+raw, "source", sourceSchemes())
		if u != nil || err == nil || strings.Contains(err.Error(), "SECRETSECRET") {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
