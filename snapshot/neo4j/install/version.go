package install

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// ErrVersion says that the commands of a version are not known here.
var ErrVersion = errors.New("this version of Neo4j is not supported")

// Version is a version of Neo4j: 3.5.35, 5.26.31, 2026.09.0.
type Version struct {
	Major, Minor int
	Text         string // as neo4j-admin prints it, without a name before it
}

// ParseVersion finds the version in what neo4j-admin --version printed, which
// may have warnings of a JVM around it. Versions before 3.5, and 4.x before
// 4.0, have other commands: they are ErrVersion.
func ParseVersion(printed string) (Version, error) {
	m := regexp.MustCompile(`(?m)^(?:neo4j-admin )?((\d+)\.(\d+)[\w.+-]*)\s*$`).FindStringSubmatch(printed)
	if m == nil {
		return Version{}, errors.New("neo4j-admin --version printed no version")
	}
	major, err := strconv.Atoi(m[2])
	if err != nil {
		return Version{}, fmt.Errorf("read version %s: %w", m[1], err)
	}
	minor, err := strconv.Atoi(m[3])
	if err != nil {
		return Version{}, fmt.Errorf("read version %s: %w", m[1], err)
	}
	v := Version{Major: major, Minor: minor, Text: m[1]}
	if major < 3 || major == 3 && minor < 5 {
		return v, fmt.Errorf("%w: %s", ErrVersion, v.Text)
	}
	return v, nil
}

func (v Version) String() string { return v.Text }

// DefaultDatabase is the name of the database of a new installation.
func (v Version) DefaultDatabase() string {
	if v.Major < 4 {
		return "graph.db"
	}
	return "neo4j"
}
