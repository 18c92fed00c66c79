package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The reasons why there is no installation.
var (
	ErrNoHome  = errors.New("no Neo4j home was found")
	ErrNoAdmin = errors.New("neo4j-admin not found")
)

// Installation is a Neo4j on this machine.
type Installation struct {
	Home    string // NEO4J_HOME: absolute, without symlinks
	Conf    string // NEO4J_CONF
	Admin   string // path of neo4j-admin
	Version Version
	// Expand lets commands in the configuration be run, by neo4j-admin and here:
	// before such a command runs here, As is asked how; nil: as who we are.
	Expand bool
	As     func(*exec.Cmd)
}

// packageHome and packageConf are where Debian and Red Hat packages put things:
// the program is in /usr/bin, and data and configuration in folders of their
// own.
const (
	packageHome = "/var/lib/neo4j"
	packageConf = "/etc/neo4j"
)

// Find looks for an installation: in home, or in NEO4J_HOME, or around the
// neo4j-admin on PATH, or where packages put it. getenv reads the environment.
// Its version is not asked for: that is AskVersion.
func Find(home string, getenv func(string) string) (*Installation, error) {
	explicit := home != ""
	if home == "" {
		home = getenv("NEO4J_HOME")
	}
	if home == "" {
		home = homeOfPath()
	}
	if home == "" {
		return nil, ErrNoHome
	}
	in := &Installation{}
	var err error
	if in.Home, err = RealFolder(home); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoHome, err)
	}
	if in.Admin, err = findAdmin(in.Home); err != nil {
		return nil, err
	}
	in.Conf = findConf(in.Home, getenv("NEO4J_CONF"), explicit)
	return in, nil
}

// homeOfPath is the home of the neo4j-admin on PATH; empty: there is none.
func homeOfPath() string {
	path, err := exec.LookPath(adminName())
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	home := filepath.Dir(filepath.Dir(path))
	if IsFolder(filepath.Join(home, "conf")) || IsFolder(filepath.Join(home, "data")) {
		return home
	}
	if IsFolder(packageHome) {
		return packageHome
	}
	return ""
}

// findConf finds the configuration of a home. A home that was named says which
// installation is meant: a configuration from elsewhere could lead to another
// store.
func findConf(home, fromEnvironment string, explicit bool) string {
	own := filepath.Join(home, "conf")
	switch {
	case explicit && IsFolder(own):
		return own
	case fromEnvironment != "":
		return fromEnvironment
	case IsFolder(own):
		return own
	case home == packageHome && IsFolder(packageConf):
		return packageConf
	}
	return own
}

func adminName() string {
	if runtime.GOOS == "windows" {
		return "neo4j-admin.bat"
	}
	return "neo4j-admin"
}

// findAdmin prefers the neo4j-admin of the home: it has the version of the
// store. Packages keep home and program apart; then it is on PATH.
func findAdmin(home string) (string, error) {
	path, err := exec.LookPath(filepath.Join(home, "bin", adminName()))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath(adminName())
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoAdmin, err)
	}
	return filepath.Abs(path)
}

// Server is the path of the program that starts and stops the server, beside
// neo4j-admin.
func (in *Installation) Server() string {
	name := "neo4j"
	if runtime.GOOS == "windows" {
		name += ".bat"
	}
	return filepath.Join(filepath.Dir(in.Admin), name)
}

// RealFolder returns a folder without symlinks, so that one installation has
// one identity.
func RealFolder(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	if !IsFolder(resolved) {
		return "", fmt.Errorf("%s is not a folder", resolved)
	}
	return resolved, nil
}

// IsFolder reports whether there is a folder, or a link to one.
func IsFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// KnowVersion fills in the version by the jars, where neo4j-admin is of the home
// that has them: that saves the start of a JVM. It reports whether it is known.
// That there is a Java for it, it does not prove.
func (in *Installation) KnowVersion() bool {
	if filepath.Dir(filepath.Dir(in.Admin)) != in.Home {
		return false
	}
	const prefix, suffix = "neo4j-kernel-", ".jar"
	paths, err := filepath.Glob(filepath.Join(GlobEscape(in.Home), "lib", prefix+"[0-9]*"+suffix))
	if err != nil || len(paths) != 1 {
		return false
	}
	v, err := ParseVersion(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(paths[0]), prefix), suffix))
	if err == nil {
		in.Version = v
	}
	return err == nil
}

// GlobEscape makes a path stand for itself in a pattern.
func GlobEscape(path string) string {
	var b []rune
	for _, r := range path {
		switch r {
		case '*', '?', '[':
			b = append(b, '[', r, ']')
			continue
		case '\\':
			if filepath.Separator != '\\' { // there it is no escape either
				b = append(b, '\\')
			}
		}
		b = append(b, r)
	}
	return string(b)
}

// AskVersion fills in the version. ask runs neo4j-admin with arguments and
// returns what it prints.
func (in *Installation) AskVersion(ctx context.Context, ask func(ctx context.Context, args ...string) ([]byte, error)) error {
	out, err := ask(ctx, "--version")
	if err != nil {
		return err
	}
	in.Version, err = ParseVersion(string(out))
	return err
}
