package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact/artifacttest"
)

// aggregate makes one full backup of a chain.
func (a *admin) aggregate(args []string) int {
	values, status := a.options(args, "keep-old-backup", "parallel-recovery")
	if status != 0 {
		return status
	}
	a.dir = values["from-path"]
	members, err := a.members()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	for _, c := range artifact.LatestChains(members) {
		if c.Database != a.names[0] || len(c.Members) < 2 {
			continue
		}
		last := c.Members[len(c.Members)-1].Header.Backup
		b := &artifacttest.Backup{Database: c.Database, ID: c.DatabaseID, Time: last.Time, Lowest: 1, Highest: last.Highest, Full: true, Recovered: true}
		path, err := a.create(b, database{Content: "an aggregated store"})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitFailed
		}
		for _, m := range c.Members {
			if err := os.Remove(m.Name); values["keep-old-backup"] != "true" && err != nil {
				fmt.Fprintln(os.Stderr, err)
				return exitFailed
			}
		}
		a.logf("INFO", "Successfully aggregated backup chain of database '%s', new artifact: '%s'.", c.Database, path)
		return 0
	}
	fmt.Fprintf(os.Stderr, "There is no chain of database '%s' to aggregate.\n", a.names[0])
	return exitFailed
}

// options reads the flags of a command that takes --from-path and a database.
func (a *admin) options(args []string, more ...string) (values map[string]string, status int) {
	values = map[string]string{}
	known := append([]string{"from-path", "additional-config", "verbose", "expand-commands"}, more...)
	if a.since(5, 24) {
		known = append(known, "temp-path")
	}
	for _, arg := range args {
		flag, isFlag := strings.CutPrefix(arg, "--")
		name, value, _ := strings.Cut(flag, "=")
		switch {
		case !isFlag:
			a.names = append(a.names, arg)
		case !slices.Contains(known, name):
			fmt.Fprintf(os.Stderr, "Unknown option: '--%s'\n", name)
			return nil, exitUsage
		default:
			values[name] = value
		}
	}
	if values["from-path"] == "" || len(a.names) != 1 {
		fmt.Fprintln(os.Stderr, "Missing required option: '--from-path=<path>'")
		return nil, exitUsage
	}
	return values, 0
}

// restore makes a database of the chain whose last artifact is named: a file that
// says how far it goes.
func (a *admin) restore(args []string) int {
	values, status := a.options(args, "overwrite-destination", "restore-until", "to-path-data", "to-path-txn", "source-database")
	if status != 0 {
		return status
	}
	last := values["from-path"]
	if info, err := os.Stat(last); err != nil || !info.Mode().IsRegular() {
		fmt.Fprintf(os.Stderr, "%s is not a backup artifact\n", last)
		return exitFailed
	}
	a.dir = filepath.Dir(last)
	members, err := a.members()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	for _, c := range artifact.LatestChains(members) {
		if c.Database != a.names[0] || c.Gap != "" || c.Members[len(c.Members)-1].Name != last {
			continue
		}
		text := fmt.Sprintf("%d artifacts, until %q", len(c.Members), values["restore-until"])
		for _, folder := range []string{"databases", "transactions"} {
			at := filepath.Join(os.Getenv("NEO4J_HOME"), "data", folder, c.Database)
			err := os.MkdirAll(at, 0o755)
			if err == nil {
				err = os.WriteFile(filepath.Join(at, "neostore"), []byte(text), 0o644)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return exitFailed
			}
		}
		return 0
	}
	fmt.Fprintln(os.Stderr, "The backup chain is not complete.")
	return exitFailed
}

// members are the artifacts in the folder.
func (a *admin) members() (members []artifact.Member, err error) {
	paths, err := filepath.Glob(filepath.Join(a.dir, "*.backup"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		h, err := artifact.ReadHeader(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		members = append(members, artifact.Member{Name: path, Header: h})
	}
	return members, nil
}
