package job

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/internal/nearest"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
	"github.com/snapferry/snapferry/snapshot/neo4j"
)

// stdinName names standard input as a source and as an image.
const stdinName = "stdin"

// laterSchemes are sources and targets that are designed and not built.
func laterSchemes() []string {
	return []string{"neo4j+copy", "ebs", "gce"}
}

func sourceSchemes() []string { return append([]string{providers.SchemeFile}, neo4j.Schemes()...) }

// source opens what raw names: a URL, a path, or - for standard input.
// Nothing is read of it yet.
func (s *session) source(raw string) (snapshot.Source, error) {
	opts := files.Options{Host: s.Host, Log: s.Log, TempDir: s.TempDir}
	switch raw {
	case "":
		return nil, usage(`""`, errors.New("the source is empty"), "give a path, - for standard input, or a URL such as neo4j+dump:///neo4j?home=DIR")
	case "-":
		return files.Stdin(s.Stdin, stdinName, opts)
	}
	u, err := s.parsePlace(raw, "source", sourceSchemes())
	if err != nil {
		return nil, err
	}
	switch {
	case u == nil:
		return files.Open(raw, opts)
	case isNeo4j(u.Scheme):
		return neo4j.Open(u, s.neo4jOptions())
	}
	path, err := filePath(u)
	if err != nil {
		return nil, err
	}
	return files.Open(path, opts)
}

// neo4jOptions are what a source of Neo4j needs. The user is the one that
// cypher-shell takes.
func (s *session) neo4jOptions() neo4j.Options {
	o := neo4j.Options{Host: s.Host, Log: s.Log, TempDir: s.TempDir, Progress: s.Progress.captured, Now: s.Now, State: s.CacheDir,
		Guardian: s.Guardian, Unfreezer: s.Unfreezer}
	if o.Password = s.Getenv("NEO4J_PASSWORD"); o.Password != "" {
		o.User = cmp.Or(s.Getenv("NEO4J_USERNAME"), "neo4j")
	}
	return o
}

// filePath returns the path of a file URL, which takes no parameters.
func filePath(u *url.URL) (string, error) {
	if err := providers.CheckQuery(u); err != nil {
		return "", err
	}
	return providers.FilePath(u)
}

// parsePlace parses the URL of a source or target. It returns nil for a plain
// path, and refuses a scheme that is not one of known.
func (s *session) parsePlace(raw, what string, known []string) (*url.URL, error) {
	scheme, rest, found := strings.Cut(raw, ":")
	if !found || !providers.IsScheme(scheme) {
		return nil, nil //nolint:nilnil // no URL, and no error
	}
	scheme = strings.ToLower(scheme)
	shown := providers.Redact(raw)
	if !strings.HasPrefix(rest, "//") {
		if slices.Contains(known, scheme) || slices.Contains(laterSchemes(), scheme) {
			return nil, usage(shown, errors.New("the slashes after the scheme are missing"),
				fmt.Sprintf("write %s:///…, or ./%s:… for a path of that name", scheme, scheme))
		}
		return nil, nil //nolint:nilnil // a path with a colon in it
	}
	list := "known are a path, - and the schemes " + strings.Join(known, ", ")
	_, vault := s.Registry[scheme]
	switch {
	case slices.Contains(known, scheme):
	case slices.Contains(laterSchemes(), scheme):
		return nil, usage(shown, fmt.Errorf("this version of snapferry does not have the %s %s://", what, scheme), list)
	case vault:
		return nil, usage(shown, fmt.Errorf("%s:// names a vault, not a %s", scheme, what), "a backup is written as snapferry backup SOURCE VAULT, a restore as "+
			"snapferry restore VAULT#latest TARGET; "+list)
	default:
		hint := list
		if near := nearest.Word(scheme, slices.Concat(known, laterSchemes())); near != "" {
			hint = fmt.Sprintf("did you mean %s://? %s", near, list)
		}
		return nil, usage(shown, fmt.Errorf("unknown scheme %q", scheme), hint)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, usage(shown, errors.New("it cannot be parsed"), "percent-encode special characters")
	}
	return u, nil
}

// splitReference cuts VAULT#BACKUP in two.
func splitReference(ref string) (vault, backup string, err error) {
	i := strings.LastIndexByte(ref, '#')
	switch {
	case ref == "":
		return "", "", usage(`""`, errors.New("no backup is named"), "write VAULT#latest, VAULT#SERIES/latest or VAULT#ID")
	case i < 0:
		return "", "", usage(providers.Redact(ref), errors.New("it names a vault and no backup"),
			"add #latest, #SERIES/latest or #ID; snapferry list VAULT shows what there is")
	case i == 0 || i == len(ref)-1:
		return "", "", usage(providers.Redact(ref), errors.New("vault or backup is missing around the #"),
			"write VAULT#latest, VAULT#SERIES/latest or VAULT#ID")
	}
	return ref[:i], ref[i+1:], nil
}
