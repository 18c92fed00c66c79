package neo4j

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
)

// Scheme is the URL scheme of a dump source.
const Scheme = "neo4j+dump"

// request is what a URL asks for.
type request struct {
	database string // lower case, as Neo4j keeps it
	home     string // as given, may be empty
	scratch  string // as given, may be empty
}

func parseURL(u *url.URL) (request, error) {
	refuse := func(hint, format string, args ...any) (request, error) {
		err := fmt.Errorf("%w: %s", snapshot.ErrUsage, fmt.Sprintf(format, args...))
		return request{}, &snapshot.Error{Op: "open", Name: u.Redacted(), Err: err, Hint: hint}
	}
	if u.Scheme != Scheme {
		return refuse("Write "+Scheme+":///DB?home=DIR.", "the scheme %q is not %s", u.Scheme, Scheme)
	}
	if u.Host != "" || u.User != nil || u.Opaque != "" {
		return refuse("Write "+Scheme+":///DB?home=DIR, with three slashes: a dump is taken on this machine.", "a dump has no host")
	}
	if u.Fragment != "" {
		return refuse("Remove what begins with #.", "a source has no fragment")
	}
	database := strings.ToLower(strings.Trim(u.Path, "/"))
	if hint, err := checkDatabase(database); err != nil {
		return refuse(hint, "%v", err)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse("Escape special characters of a path, for example & as %26.", "%v", err)
	}
	req := request{database: database}
	fields := map[string]*string{"home": &req.home, "scratch": &req.scratch}
	for name, values := range query {
		field, known := fields[name]
		if !known {
			return refuse(fmt.Sprintf("Did you mean %q? The parameters are home and scratch.", nearest(name, "home", "scratch")),
				"unknown parameter %q", name)
		}
		if len(values) != 1 || values[0] == "" {
			return refuse("Give "+name+" once, with a folder.", "parameter %q is empty or repeated", name)
		}
		*field = values[0]
	}
	return req, nil
}

// checkDatabase accepts the names that Neo4j documents, and system. The names
// go to a command line, so the first character is never a dash.
func checkDatabase(name string) (hint string, err error) {
	switch {
	case name == "":
		return "Name the database, for example " + Scheme + ":///neo4j.", errors.New("no database is named")
	case strings.ContainsAny(name, ",*?"):
		return "Name one database; run one backup for each.", fmt.Errorf("%q names more than one database", name)
	case !regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{2,62}$`).MatchString(name):
		return "A database's name has 3 to 63 letters, digits, dots and dashes, and begins with a letter or digit.",
			fmt.Errorf("%.80q is not the name of a database", name)
	}
	return "", nil
}

// nearest returns the candidate with the smallest edit distance to the name.
func nearest(name string, candidates ...string) string {
	return slices.MinFunc(candidates, func(a, b string) int {
		return editDistance(name, a) - editDistance(name, b)
	})
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
