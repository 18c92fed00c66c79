package neo4j

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/manager"
)

// The URL schemes: of sources, a dump of a database that is stopped, or is for a
// moment, a copy of its files, a dump of a snapshot of its file system, and an
// online backup of the Enterprise edition; and of a target, into which any of them
// is restored.
const (
	Scheme         = "neo4j+dump"
	CopyScheme     = "neo4j+copy"
	SnapshotScheme = "neo4j+snapshot"
	OnlineScheme   = "neo4j+online"
	LoadScheme     = "neo4j+load"
)

// Schemes are those of sources.
func Schemes() []string { return []string{Scheme, CopyScheme, SnapshotScheme, OnlineScheme} }

// request is what a URL asks for.
type request struct {
	// database is the one that is meant, in lower case, as Neo4j keeps it. Of
	// several it is what they are called together, and they stand in databases,
	// unless every one is meant, or those that a server has by default.
	database  string
	several   bool
	databases []string
	every     bool

	home    string   // as given, may be empty
	expand  bool     // commands in the configuration are run
	exec    []string // what runs neo4j-admin elsewhere
	scratch string   // as given, may be empty

	// stop lets a running server be stopped for the dump, and started again.
	stop        bool
	stream      bool // the dump is shipped while the server is down
	stopServer  bool // and not its databases alone, where that can be done
	manager     manager.Manager
	stopTimeout time.Duration
	boltAt      string        // HOST:PORT where it is seen that the server serves; empty: as it is configured
	maxDowntime time.Duration // 0: no limit

	raw  bool // the files are copied as they are, and not dumped
	conf bool // the configuration is copied, too, without its secrets

	// via takes a snapshot of the file system; empty: there is none.
	via     clone.Via
	program string // for clone.Command
	freeze  bool   // nobody writes while it takes the snapshot
	check   bool   // of the consistency of every clone
	// checkWeekly: of one each week alone.
	checkWeekly bool
	memory      int64  // of the scratch server, bytes
	until       string // where a chain of backups ends that is restored; empty: at its end

	online online
}

func parseURL(u *url.URL) (request, error) {
	refuse := func(hint, format string, args ...any) (request, error) {
		err := fmt.Errorf("%w: %s", snapshot.ErrUsage, fmt.Sprintf(format, args...))
		return request{}, &snapshot.Error{Op: "open", Name: u.Redacted(), Err: err, Hint: hint}
	}
	if !slices.Contains(append(Schemes(), LoadScheme), u.Scheme) {
		return refuse("Write "+Scheme+":///DB?home=DIR.", "the scheme %q is not %s", u.Scheme, Scheme)
	}
	if u.Fragment != "" {
		return refuse("Remove what begins with #.", "a source has no fragment")
	}
	req := request{manager: manager.Manager{Kind: manager.Auto}, stopTimeout: guard.DefaultStopTimeout}
	for _, read := range []func(*url.URL) (string, error){req.readHost, req.readDatabases} {
		if hint, err := read(u); err != nil {
			return refuse(hint, "%v", err)
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse("Escape special characters of a path, for example & as %26.", "%v", err)
	}
	fields := req.fieldsOf(u.Scheme)
	names := slices.Sorted(maps.Keys(fields))
	for name, values := range query {
		field, known := fields[name]
		if !known {
			return refuse(fmt.Sprintf("Did you mean %q? The parameters are %s.", nearest(name, names...), strings.Join(names, ", ")), "unknown parameter %q", name)
		}
		if len(values) != 1 || values[0] == "" {
			return refuse("Give "+name+" once, with a value.", "parameter %q is empty or repeated", name)
		}
		if hint, err := field(values[0]); err != nil {
			return refuse(hint, "%s=%s: %v", name, values[0], err)
		}
	}
	together := func() (string, error) { return req.checkDump(u.Scheme, query) }
	switch u.Scheme {
	case SnapshotScheme:
		together = req.checkSnapshot
	case OnlineScheme:
		together = req.checkOnline
	}
	if hint, err := together(); err != nil {
		return refuse(hint, "%v", err)
	}
	return req, nil
}

// checkDump refuses parameters of a dump that do not go together.
func (req *request) checkDump(scheme string, query url.Values) (hint string, err error) {
	if scheme == CopyScheme && req.scratch == "" {
		return "Add scratch=DIR, a folder with room for the files.", errors.New("a copy needs scratch")
	}
	if scheme == Scheme && req.stop && req.scratch == "" {
		return "Add scratch=DIR, a folder with room for the dump: so the server is down for the dump alone, and not for the upload.",
			errors.New("stop=yes needs scratch")
	}
	if len(req.exec) > 0 && (req.scratch != "" || req.stop || req.several && len(req.databases) == 0) {
		return "With exec a dump is a stream of a named database that is stopped: leave out scratch and stop.",
			errors.New("what runs elsewhere cannot be seen from here")
	}
	if req.stream && req.several {
		return "Name one database, or leave out stream.", errors.New("dumps of several databases are not streams while a server is down")
	}
	for _, name := range []string{"stream", "manager", "bolt", "stop_timeout", "max_downtime"} {
		if !req.stop && query.Has(name) {
			return "Add stop=yes, which lets a running server be stopped.", fmt.Errorf("%s is for a server that may be stopped", name)
		}
	}
	return "", nil
}

// fieldsOf are the parameters of the URLs of a scheme, and what reads them.
func (req *request) fieldsOf(scheme string) map[string]func(string) (hint string, err error) {
	switch scheme {
	case SnapshotScheme:
		return req.snapshotFields()
	case OnlineScheme:
		return req.onlineFields()
	case CopyScheme:
		req.raw = true
		fields := req.fields()
		delete(fields, "exec")
		delete(fields, "stream")
		fields["conf"] = yes("conf", &req.conf)
		return fields
	case LoadScheme:
		req.check = true
		return req.loadFields()
	}
	return req.fields()
}

// text reads a parameter as it is.
func text(into *string) func(string) (hint string, err error) {
	return func(value string) (string, error) { *into = value; return "", nil }
}

// yes reads a parameter that is yes or no.
func yes(name string, into *bool) func(string) (hint string, err error) {
	return func(value string) (string, error) {
		if *into = value == "yes"; value != "yes" && value != "no" {
			return "Write " + name + "=yes or " + name + "=no.", errors.New("it is neither yes nor no")
		}
		return "", nil
	}
}

func (req *request) readStop(value string) (hint string, err error) {
	switch req.stop, req.stopServer = value != "no", value == "server"; value {
	case "yes", "no", "server":
		return "", nil
	}
	return "Write stop=yes, stop=no, or stop=server.", errors.New("it is none of them")
}

// snapshotFields are the parameters of the URL of a snapshot.
func (req *request) snapshotFields() map[string]func(string) (hint string, err error) {
	return map[string]func(string) (string, error){
		"home": text(&req.home), "scratch": text(&req.scratch), "program": text(&req.program),
		"freeze": yes("freeze", &req.freeze), "check": req.readCheck, "raw": yes("raw", &req.raw),
		"expand_commands": yes("expand_commands", &req.expand),
		"via": func(value string) (string, error) {
			ways := []clone.Via{clone.Btrfs, clone.ZFS, clone.LVM, clone.Command}
			if req.via = clone.Via(value); !slices.Contains(ways, req.via) {
				return "Write via=btrfs, zfs, lvm or command.", errors.New("there is no such way")
			}
			return "", nil
		},
		"memory": req.readMemory,
	}
}

func (req *request) readCheck(value string) (hint string, err error) {
	switch req.check, req.checkWeekly = value != "no", value == "weekly"; value {
	case "yes", "every", "weekly", "no":
		return "", nil
	}
	return "Write check=yes, check=weekly or check=no.", errors.New("it is none of them")
}

func (req *request) readMemory(value string) (hint string, err error) {
	mib, err := strconv.ParseInt(value, 10, 32)
	req.memory = mib << 20
	if err == nil && req.memory < home.LeastMemory {
		err = fmt.Errorf("a server needs %d at least", home.LeastMemory>>20)
	}
	return "Write a number of MiB, such as memory=4096.", err
}

// loadFields are the parameters of the URL of a target.
func (req *request) loadFields() map[string]func(string) (hint string, err error) {
	fields := req.fields()
	delete(fields, "scratch")
	delete(fields, "max_downtime")
	delete(fields, "exec")
	delete(fields, "stream")
	fields["until"] = func(value string) (string, error) {
		req.until = value
		if regexp.MustCompile(`^[0-9]{1,19}$`).MatchString(value) {
			return "", nil
		}
		at, err := time.Parse(time.RFC3339, value)
		req.until = at.UTC().Format(time.DateTime)
		return "Write the number of a transaction, or an instant such as 2026-11-22T03:00:00Z.", err
	}
	fields["check"], fields["memory"] = yes("check", &req.check), req.readMemory
	return fields
}

// checkSnapshot refuses what is missing of the URL of a snapshot.
func (req *request) checkSnapshot() (hint string, err error) {
	switch {
	case req.via == "":
		return "Add via=btrfs, zfs, lvm or command, as the file system of the database is.", errors.New("it is not said how snapshots are taken")
	case req.scratch == "":
		return "Add scratch=DIR, a folder with room for the dump.", errors.New("a snapshot needs scratch")
	case req.freeze && req.via != clone.Command:
		return "Leave out freeze: such a snapshot is atomic, and nobody has to wait for it.", errors.New("freeze is for via=command alone")
	case req.raw && req.check:
		return "Leave out check: snapferry drill recovers and checks what was copied.", errors.New("files that are not recovered cannot be checked")
	case (req.via == clone.Command) != (req.program != ""):
		return "Give program=PATH with via=command, and with nothing else.", errors.New("via and program do not go together")
	}
	return "", nil
}

// fields are the parameters of the URL of a dump, and what reads them.
func (req *request) fields() map[string]func(string) (hint string, err error) {
	duration := func(into *time.Duration) func(string) (string, error) {
		return func(value string) (hint string, err error) {
			*into, err = time.ParseDuration(value)
			if err == nil && *into < time.Second {
				err = errors.New("it is less than a second")
			}
			return "Write a time such as 90s or 10m.", err
		}
	}
	return map[string]func(string) (string, error){
		"home": text(&req.home), "scratch": text(&req.scratch),
		"stop": req.readStop, "stream": yes("stream", &req.stream), "expand_commands": yes("expand_commands", &req.expand),
		"exec": func(value string) (string, error) {
			if req.exec = strings.Fields(value); len(req.exec) == 0 || strings.HasPrefix(req.exec[0], "-") {
				return "Write a program and its arguments, such as exec=docker exec neo4j.", errors.New("it names no program")
			}
			return "", nil
		},
		"bolt": func(value string) (hint string, err error) {
			req.boltAt, err = withPort(value, boltPort)
			return "Write HOST or HOST:PORT.", err
		},
		"manager": func(value string) (hint string, err error) {
			req.manager, err = manager.Parse(value)
			return "Write auto, neo4j, systemd:UNIT, docker:NAME, podman:NAME or command:PROGRAM.", err
		},
		"stop_timeout": duration(&req.stopTimeout), "max_downtime": duration(&req.maxDowntime),
	}
}

// readDatabases reads which databases are meant: one, several with commas between
// them, all that there are with *, and without a name those of a new server,
// which has its users in system.
func (req *request) readDatabases(u *url.URL) (hint string, err error) {
	names := strings.ToLower(strings.Trim(u.Path, "/"))
	all := strings.Split(names, ",")
	switch {
	case u.Scheme != LoadScheme && names == "":
		req.database, req.several = "the databases of the server", true
		return "", nil
	case u.Scheme != LoadScheme && names == "*":
		req.database, req.several, req.every = "all databases", true, true
		return "", nil
	case u.Scheme == LoadScheme && (len(all) > 1 || names == "*"):
		return "Name one database, and restore them one after the other.", fmt.Errorf("%q names more than one database", names)
	}
	req.database, req.several = names, len(all) > 1
	for i, name := range all {
		if hint, err := checkDatabase(name); err != nil {
			return hint, err
		}
		if slices.Contains(all[:i], name) {
			return "Name each database once.", fmt.Errorf("%q names %s twice", names, name)
		}
	}
	req.databases = all
	return "", nil
}

// checkDatabase accepts the names that Neo4j documents, and system. The names
// go to a command line, so the first character is never a dash.
func checkDatabase(name string) (hint string, err error) {
	switch {
	case name == "":
		return "Name the database, for example " + Scheme + ":///neo4j.", errors.New("no database is named")
	case strings.ContainsAny(name, "*?"):
		return "Write * alone for all databases, or name them with commas between them.", fmt.Errorf("%q is a pattern", name)
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
