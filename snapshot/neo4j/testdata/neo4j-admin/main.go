// Command neo4j-admin stands in for that of the Enterprise edition, which cannot
// be fetched for tests. It knows the commands for online backups of 3.5, 4.4, 5
// and the calendar releases and the flags that their manuals document, and
// refuses every other with the status and the words of the real one; it forks as
// the real one does; and what it writes has headers as Neo4j's own classes write
// them. The server that it asks is testenv.Enterprise.
//
// Its version stands in the file VERSION of the folder above its own.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact/artifacttest"
)

// database is what a server tells of one of its databases.
type database struct {
	ID      string // 32 hexadecimal digits
	Highest int64  // last transaction
	Oldest  int64  // first one that is still in its logs
	Content string // of the one file in the store
	Fault   string // what goes wrong
	Missing bool
}

// The statuses of the real one.
const (
	exitFailed = 1
	exitUsage  = 64
)

const forked = "FAKE_NEO4J_ADMIN_FORKED"

func main() {
	if os.Getenv(forked) == "" {
		os.Exit(launch())
	}
	home, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(os.Args[0])), "VERSION"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	a := &admin{version: strings.TrimSpace(string(home)), out: os.Stdout}
	if _, err := fmt.Sscanf(a.version, "%d.%d", &a.major, &a.minor); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	os.Exit(a.run(os.Args[1:]))
}

// launch starts the process that does the work, and passes its status on.
func launch() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), forked+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if status := new(exec.ExitError); errors.As(err, &status) {
		return max(status.ExitCode(), exitFailed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return 0
}

type admin struct {
	version      string
	major, minor int
	out          io.Writer
	dir          string
	names        []string
	from         []string
	kind         string
}

func (a *admin) since(major, minor int) bool {
	return a.major > major || a.major == major && a.minor >= minor
}

func (a *admin) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// logf is a line as the real one logs it.
func (a *admin) logf(level, format string, args ...any) {
	a.say("%s %-5s [c.n.b.b.BackupOutputMonitor] "+format, append([]any{time.Now().UTC().Format("2006-01-02 15:04:05.000-0700"), level}, args...)...)
}

func (a *admin) run(args []string) int {
	if slices.Equal(args, []string{"--version"}) {
		if a.major < 4 {
			a.say("neo4j-admin %s", a.version)
		} else {
			a.say("%s", a.version)
		}
		return 0
	}
	words := 1
	if a.major >= 5 {
		words = 2
	}
	name := strings.Join(args[:min(words, len(args))], " ")
	if a.major >= 5 && name == map[bool]string{false: "database aggregate-backup", true: "backup aggregate"}[a.since(2025, 1)] {
		return a.aggregate(args[words:])
	}
	if name == "database restore" {
		return a.restore(args[words:])
	}
	if name != map[int]string{1: "backup", 2: "database backup"}[words] {
		fmt.Fprintf(os.Stderr, "Unmatched arguments from index 0: '%s'\n", strings.Join(args, "', '"))
		return 2
	}
	if status := a.parse(args[words:]); status != 0 {
		return status
	}
	if info, err := os.Stat(a.dir); err != nil || !info.IsDir() {
		fmt.Fprintf(os.Stderr, "%s is not an existing directory\nRun with '--verbose' for a more detailed error message.\n", a.dir)
		return exitFailed
	}
	status := 0
	for _, name := range a.names {
		status = max(status, a.backup(name))
	}
	return status
}

// flags are those that the manual of the version documents, each with the values
// that it takes; nil: any.
func (a *admin) flags() map[string][]string {
	boolean := []string{"true", "false", ""}
	switch {
	case a.major < 4:
		return map[string][]string{"backup-dir": nil, "name": nil, "from": nil, "protocol": {"any", "catchup", "common"}, "fallback-to-full": boolean, "pagecache": nil,
			"timeout": nil, "check-consistency": boolean, "additional-config": nil, "cc-graph": boolean, "cc-indexes": boolean, "cc-label-scan-store": boolean,
			"cc-property-owners": boolean, "cc-report-dir": nil}
	case a.major < 5:
		return map[string][]string{"backup-dir": nil, "database": nil, "from": nil, "fallback-to-full": boolean, "pagecache": nil, "check-consistency": boolean,
			"report-dir": nil, "check-graph": boolean, "check-indexes": boolean, "check-index-structure": boolean, "additional-config": nil,
			"include-metadata": {"all", "users", "roles"}, "prepare-restore": boolean, "parallel-recovery": boolean, "verbose": boolean, "expand-commands": boolean}
	}
	known := map[string][]string{"to-path": nil, "from": nil, "type": {"AUTO", "FULL", "DIFF"}, "compress": boolean, "keep-failed": boolean, "pagecache": nil,
		"include-metadata": {"all", "users", "roles"}, "parallel-recovery": boolean, "inspect-path": nil, "additional-config": nil, "verbose": boolean, "expand-commands": boolean}
	if a.since(5, 24) {
		known["temp-path"] = nil
	}
	if a.since(5, 26) {
		known["include-metadata"] = append(known["include-metadata"], "none")
	}
	if a.since(2025, 4) {
		known["prefer-diff-as-parent"] = boolean
	}
	if a.since(2025, 9) {
		known["remote-address-resolution"] = boolean
	}
	if a.since(2025, 11) {
		known["parallel-download"], known["skip-recovery"] = boolean, boolean
	}
	return known
}

// parse reads the arguments as strictly as the real one.
func (a *admin) parse(args []string) int {
	usage := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, format+"\n\nUSAGE\n\nneo4j-admin database backup [-h] [--expand-commands] [--verbose] ...\n", args...)
		return exitUsage
	}
	known := a.flags()
	values := map[string]string{"from": "localhost:6362", "type": "AUTO", "database": "neo4j", "name": ""}
	for _, arg := range args {
		flag, isFlag := strings.CutPrefix(arg, "--")
		if !isFlag {
			if a.major < 5 {
				return usage("Unmatched argument at index 1: '%s'", arg)
			}
			a.names = append(a.names, arg)
			continue
		}
		name, value, _ := strings.Cut(flag, "=")
		allowed, found := known[name]
		if !found {
			return usage("Unknown option: '--%s'", name)
		}
		if allowed != nil && !slices.Contains(allowed, value) {
			return usage("Invalid value for option '--%s': expected one of %v but was '%s'", name, allowed, value)
		}
		values[name] = value
	}
	if cache := values["pagecache"]; cache != "" {
		if _, err := strconv.Atoi(strings.TrimRight(cache, "kmgKMG")); err != nil {
			return usage("Invalid value for option '--pagecache': '%s' is not a valid size", cache)
		}
	}
	a.dir, a.kind, a.from = values["to-path"], values["type"], strings.Split(values["from"], ",")
	switch {
	case a.major < 4:
		a.dir, a.names = values["backup-dir"], []string{values["name"]}
	case a.major < 5:
		a.dir, a.names = values["backup-dir"], []string{values["database"]}
	}
	if a.dir == "" {
		return usage("Missing required option: '--to-path=<path>'")
	}
	if len(a.names) == 0 || a.names[0] == "" {
		return usage("Missing required parameter: '<database>'")
	}
	for _, name := range a.names {
		if name == "system" && values["include-metadata"] != "" {
			return usage("Include metadata parameter is invalid for backing up system database")
		}
	}
	return 0
}

// backup makes one backup.
func (a *admin) backup(name string) int {
	db, down, err := a.ask(name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "Failed to run a backup: %v\nRun with '--verbose' for a more detailed error message.\n", err)
		return exitFailed
	}
	switch db.Fault {
	case "hang":
		time.Sleep(time.Hour)
	case "silent": // as some releases do of a database that is not there
		return 0
	case "flood":
		for range 20_000 {
			fmt.Fprintln(os.Stderr, "WARNING: something that nobody reads")
		}
	case "killed":
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		fmt.Fprintln(os.Stderr, err)
		time.Sleep(time.Hour)
	}
	if db.Missing {
		a.logf("ERROR", "Backup of database '%s' failed. Reason: Database '%s' does not exist.", name, name)
		return exitFailed
	}
	if a.major < 5 {
		return a.folder(name, db)
	}
	status := 0
	if down > 0 {
		status = exitFailed
	}
	return max(status, a.file(name, db))
}

// ask asks the servers in turn. down is how many of them did not answer.
func (a *admin) ask(name string) (db database, down int, err error) {
	for _, at := range a.from {
		conn, dialErr := net.DialTimeout("tcp", at, 5*time.Second)
		if dialErr != nil {
			err = dialErr
			a.logf("WARN", "Could not connect to %s", at)
			down++
			continue
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "%s\n", name); err != nil {
			return db, down, err
		}
		line, err := bufio.NewReader(conn).ReadBytes('\n')
		if err != nil {
			return db, down, fmt.Errorf("Couldn't retrieve DatabaseNameRequest(s): %w", err) //nolint:staticcheck // the real one's words
		}
		return db, down, json.Unmarshal(line, &db)
	}
	return db, down, err
}

// folder is a backup of the releases before 5: a folder that is brought up to date.
func (a *admin) folder(name string, db database) int {
	at := filepath.Join(a.dir, name)
	err := os.MkdirAll(at, 0o755)
	for file, text := range map[string]string{"neostore": db.Content, "neostore.transaction.db.0": strconv.FormatInt(db.Highest, 10)} {
		if err == nil {
			err = os.WriteFile(filepath.Join(at, file), []byte(text), 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	a.say("Backup complete successfully.")
	if db.Fault == "unhappy" {
		fmt.Fprintln(os.Stderr, "Inconsistencies found.")
		return 3
	}
	return 0
}

// file is a backup of 5 and later.
func (a *admin) file(name string, db database) int {
	lowest, full := int64(1), true
	if a.kind != "FULL" {
		reached, reason := a.reached(name, db)
		switch {
		case reason == "":
			lowest, full = reached+1, false
		case a.kind == "DIFF":
			a.logf("ERROR", "Differential backup of database '%s' failed. Reason: %s", name, reason)
			return exitFailed
		default:
			a.logf("WARN", "Differential backup of database '%s' failed. Reason: %s", name, reason)
			a.logf("INFO", "Falling back to full backup of database '%s'.", name)
		}
	}
	highest := db.Highest
	if !full && highest < lowest {
		lowest, highest = 0, 0 // nothing has changed
	}
	b := &artifacttest.Backup{Database: name, ID: db.ID, Time: time.Now(), Lowest: lowest, Highest: highest, Full: full, Recovered: true}
	if name != "system" {
		b.Script = "CREATE ROLE reader IF NOT EXISTS;\n"
	}
	if db.Fault == "other database" {
		b.Database = "another"
	}
	if db.Fault == "gap" && !full {
		b.Lowest++
		b.Highest++
	}
	began := time.Now()
	path, err := a.create(b, db)
	if err != nil {
		fmt.Fprintf(os.Stderr, "Backup of database '%s' failed: %v\n", name, err)
		return exitFailed
	}
	a.logf("INFO", "Finished artifact creation '%s' for database '%s', took %dms.", filepath.Base(path), name, time.Since(began).Milliseconds())
	if db.Fault == "unhappy" {
		fmt.Fprintln(os.Stderr, "One of the servers did not answer.")
		return exitFailed
	}
	return 0
}

// create writes an artifact under the name that its time gives it.
func (a *admin) create(b *artifacttest.Backup, db database) (path string, err error) {
	for {
		path = filepath.Join(a.dir, b.Database+"-"+b.Time.UTC().Format("2006-01-02T15-04-05")+".backup")
		if db.Fault == "other database" {
			path = filepath.Join(a.dir, "x.backup")
		}
		if err = write(path, b, db); !os.IsExist(err) {
			return path, err
		}
		b.Time = b.Time.Add(time.Second)
	}
}

// write writes an artifact, which must not exist; a part of it, if it is to be cut.
func write(path string, b *artifacttest.Backup, db database) error {
	var out bytes.Buffer
	if err := b.WriteFile(&out, "neostore", db.Content); err != nil {
		return err
	}
	all := out.Bytes()
	if db.Fault == "cut" {
		all = all[:len(all)-len(all)/4]
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(all)
	return errors.Join(err, file.Close())
}

// reached is the last transaction of the chain that lies in the folder, or why
// there is none to build on.
func (a *admin) reached(name string, db database) (int64, string) {
	members, err := a.members()
	if err != nil {
		return 0, err.Error()
	}
	for _, c := range artifact.LatestChains(members) {
		if c.Database != name || strings.ReplaceAll(c.DatabaseID, "-", "") != db.ID || len(c.Members) == 0 {
			continue
		}
		if c.Highest()+1 < db.Oldest {
			return 0, fmt.Sprintf("Transactions from %d on are not in the logs of the server any more.", c.Highest()+1)
		}
		return c.Highest(), ""
	}
	return 0, "Differential backups require that a full backup of the same database exists in the folder defined in --to-path."
}
