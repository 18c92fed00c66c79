package neo4j

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/snapshot"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]request{
		"neo4j+dump:///neo4j":                              {database: "neo4j"},
		"neo4j+dump:///My-DB.test?home=/opt/neo4j":         {database: "my-db.test", home: "/opt/neo4j"},
		"neo4j+dump:///system/?home=/a%20b&scratch=%2Ftmp": {database: "system", home: "/a b", scratch: "/tmp"},
		"neo4j+dump:///2024graph":                          {database: "2024graph"},
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseURL(u); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for text, hint := range map[string]string{
		"neo4j+online:///neo4j":                    "neo4j+dump",
		"neo4j+dump://neo4j?home=/h":               "three slashes",
		"neo4j+dump://user:secret@host/neo4j":      "three slashes",
		"neo4j+dump:neo4j":                         "three slashes",
		"neo4j+dump:///":                           "Name the database",
		"neo4j+dump:///a,b":                        "one backup for each",
		"neo4j+dump:///*":                          "one backup for each",
		"neo4j+dump:///ne%3F":                      "one backup for each",
		"neo4j+dump:///ab":                         "3 to 63",
		"neo4j+dump:///--to-path":                  "begins with",
		"neo4j+dump:///.neo4j":                     "begins with",
		"neo4j+dump:///my_db":                      "3 to 63",
		"neo4j+dump:///a/../b":                     "3 to 63",
		"neo4j+dump:///neo4j%0Ax":                  "3 to 63",
		"neo4j+dump:///neo4j%00":                   "3 to 63",
		"neo4j+dump:///" + strings.Repeat("a", 64): "3 to 63",
		"neo4j+dump:///neo4j#frag":                 "#",
		"neo4j+dump:///neo4j?hom=/h":               `"home"`,
		"neo4j+dump:///neo4j?Scratch=/h":           `"scratch"`,
		"neo4j+dump:///neo4j?home=":                "once",
		"neo4j+dump:///neo4j?home=/a&home=/b":      "once",
		"neo4j+dump:///neo4j?home=%zz":             "%26",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseURL(u)
		var e *snapshot.Error
		if !errors.As(err, &e) || !errors.Is(err, snapshot.ErrUsage) || !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: %v with hint %q, want one that says %q", text, err, hintOfError(e), hint)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v repeats the password", text, err)
		}
	}
}

func hintOfError(e *snapshot.Error) string {
	if e == nil {
		return ""
	}
	return e.Hint
}

func TestHome(t *testing.T) {
	t.Setenv("NEO4J_HOME", "")
	if _, err := Open(&url.URL{Scheme: Scheme, Path: "/neo4j"}, Options{}); !errors.Is(err, snapshot.ErrUsage) {
		t.Errorf("no home: %v", err)
	}
	if _, err := Open(&url.URL{Scheme: Scheme, Path: "/neo4j", RawQuery: "home=/no/such/place"}, Options{}); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("a home that is not there: %v", err)
	}
}
