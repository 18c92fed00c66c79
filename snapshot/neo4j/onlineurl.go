package neo4j

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// online is what the URL of an online backup asks for, besides the databases.
type online struct {
	from      []string // HOST:PORT, the first is the identity of the source
	chainDir  string   // as given; empty: there are no differentials
	kind      string   // auto, full or diff
	fullEvery time.Duration
	aggregate bool   // every backup that is shipped is full
	metadata  string // all, users, roles, none; empty: Neo4j's choice
	bolt      string // HOST:PORT that is asked which databases there are
}

const (
	kindAuto = "auto"
	kindFull = "full"
	kindDiff = "diff"

	backupPort = "6362"
	boltPort   = "7687"
)

// readHost reads the servers of an online backup; a dump has none.
func (req *request) readHost(u *url.URL) (hint string, err error) {
	if u.Scheme != OnlineScheme {
		if u.Host != "" || u.User != nil || u.Opaque != "" {
			return "Write " + u.Scheme + ":///DB?home=DIR, with three slashes: it is taken on this machine.", errors.New("a dump has no host")
		}
		return "", nil
	}
	switch {
	case u.User != nil:
		return "Remove what comes before the @; the port for backups asks nobody for a password.", errors.New("an online backup has no user")
	case u.Host == "" || u.Opaque != "":
		return "Write " + OnlineScheme + "://HOST/DB?scratch=DIR, for instance with the host localhost.", errors.New("no server is named")
	}
	return req.addServer(u.Host)
}

// addServer adds a server, with the port for backups unless it has another.
func (req *request) addServer(text string) (hint string, err error) {
	address, err := withPort(text, backupPort)
	if err != nil {
		return "Write HOST or HOST:PORT.", err
	}
	if slices.Contains(req.online.from, address) {
		return "Name each server once.", fmt.Errorf("%s is named twice", address)
	}
	req.online.from = append(req.online.from, address)
	return "", nil
}

// withPort completes HOST, HOST:PORT, [IPv6] or [IPv6]:PORT. Host and port go to
// a command line, so neither begins with a dash nor has a comma in it.
func withPort(text, port string) (string, error) {
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		host, port = h, p
	} else if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	}
	n, err := strconv.Atoi(port)
	switch {
	case host == "" || strings.HasPrefix(host, "-") || strings.ContainsAny(host, ", \t\n\x00/"), strings.Contains(host, ":") && net.ParseIP(host) == nil:
		return "", fmt.Errorf("%.100q is no server", text)
	case err != nil || n < 1 || n > 65535:
		return "", fmt.Errorf("%.100q has no port", text)
	}
	return net.JoinHostPort(host, port), nil
}

// onlineFields are the parameters of the URL of an online backup.
func (req *request) onlineFields() map[string]func(string) (hint string, err error) {
	o := &req.online
	return map[string]func(string) (string, error){
		"home": text(&req.home), "scratch": text(&req.scratch), "chain_dir": text(&o.chainDir), "memory": req.readMemory,
		"expand_commands": yes("expand_commands", &req.expand),
		"also": func(value string) (hint string, err error) {
			for one := range strings.SplitSeq(value, ",") {
				if hint, err := req.addServer(one); err != nil {
					return hint, err
				}
			}
			return "", nil
		},
		"aggregate": yes("aggregate", &o.aggregate),
		"type":      oneOf(&o.kind, kindAuto, kindFull, kindDiff),
		"full_every": func(value string) (hint string, err error) {
			days, found := strings.CutSuffix(value, "d")
			if n, derr := strconv.Atoi(days); found && derr == nil {
				o.fullEvery = time.Duration(n) * 24 * time.Hour
			} else {
				o.fullEvery, err = time.ParseDuration(value)
			}
			if err == nil && o.fullEvery < time.Hour {
				err = errors.New("it is less than an hour")
			}
			return "Write a time such as 7d or 36h.", err
		},
		"include_metadata": oneOf(&o.metadata, "all", "users", "roles", "none"),
		"bolt": func(value string) (hint string, err error) {
			o.bolt, err = withPort(value, boltPort)
			return "Write HOST or HOST:PORT.", err
		},
	}
}

// oneOf reads a parameter that is one of a few words.
func oneOf(into *string, words ...string) func(string) (hint string, err error) {
	return func(value string) (string, error) {
		if *into = value; !slices.Contains(words, value) {
			return "Write one of " + strings.Join(words, ", ") + ".", errors.New("there is no such word")
		}
		return "", nil
	}
}

// checkOnline refuses parameters of an online backup that do not go together.
func (req *request) checkOnline() (hint string, err error) {
	o := &req.online
	if o.kind == "" {
		o.kind = kindAuto
	}
	if o.bolt == "" {
		host, _, _ := net.SplitHostPort(o.from[0]) // it was joined
		o.bolt = net.JoinHostPort(host, boltPort)
	}
	switch {
	case req.scratch == "" && o.chainDir == "":
		return "Add scratch=DIR, a folder with room for the backup, or chain_dir=DIR, where the chain of differentials stays.",
			errors.New("an online backup is a file before it is shipped")
	case o.chainDir == "" && (o.kind == kindDiff || o.fullEvery > 0 || o.aggregate):
		return "Add chain_dir=DIR: neo4j-admin needs the backups that a differential builds on.", errors.New("without chain_dir there are no differentials")
	case o.kind == kindFull && o.fullEvery > 0, o.aggregate && (o.kind != kindAuto || o.fullEvery > 0):
		return "Leave out type and full_every with aggregate=yes, and full_every with type=full.", errors.New("every backup is full already")
	}
	return "", nil
}

// task is the backup as neo4j-admin is asked for it.
func (s *source) task(dir, kind string) install.BackupTask {
	return install.BackupTask{Database: s.database, Dir: dir, From: s.online.from, Kind: kind, PageCache: s.memory / 4, Metadata: s.online.metadata,
		TempDir: s.options.TempDir}
}
