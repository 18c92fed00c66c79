package neo4j

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// Finding is one thing that was looked at of a source.
type Finding struct {
	Name   string
	Bad    bool   // a backup would fail
	Doubt  bool   // it would work, and should be better
	Detail string // what was found
	Hint   string
}

// Examine looks whether a backup of the source would work, and touches nothing:
// no server is stopped, no snapshot is taken. What it refuses is only a URL that
// is none of a source.
func Examine(ctx context.Context, u *url.URL, options Options) ([]Finding, error) {
	all, err := openAll(ctx, u, options)
	if errors.Is(err, snapshot.ErrUsage) {
		return nil, err
	}
	if err != nil {
		return []Finding{bad("installation", err)}, nil
	}
	x := &examination{source: all[0], all: all}
	if !x.installation(ctx) {
		return x.findings, nil
	}
	if len(x.online.from) > 0 {
		x.onlineServers(ctx)
		return x.findings, nil
	}
	if x.databases() {
		x.server(ctx)
		x.snapshotted(ctx)
		x.space()
	}
	x.left()
	return x.findings, nil
}

// examination looks at one or more databases of an installation, of which the
// first speaks for all.
type examination struct {
	*source
	all      []*source
	conf     *install.Conf
	findings []Finding
}

func (x *examination) add(f Finding) { x.findings = append(x.findings, f) }

// bad makes a finding of an error and its hint.
func bad(name string, err error) Finding {
	return Finding{Name: name, Bad: true, Detail: err.Error(), Hint: carried(err)}
}

// installation looks for version, edition and configuration.
func (x *examination) installation(ctx context.Context) bool {
	conf, err := x.admin.ReadConf("")
	if err != nil {
		x.add(bad("installation", x.admin.fail("examine", err)))
		return false
	}
	x.conf = conf
	edition := "Community"
	if enterprise, err := conf.Enterprise(ctx); err == nil && enterprise {
		edition = "Enterprise"
	}
	detail := fmt.Sprintf("Neo4j %s %s in %s", x.admin.Version, edition, x.admin.Home)
	if x.admin.owner != nil {
		detail += fmt.Sprintf("; neo4j-admin runs as user %d, whose the data is", x.admin.owner.UID)
	}
	x.add(Finding{Name: "installation", Detail: detail})
	x.backupPort(ctx, conf, edition)
	return true
}

// backupPort warns of a port for backups that others can reach: it asks nobody
// for a password.
func (x *examination) backupPort(ctx context.Context, conf *install.Conf, edition string) {
	if edition != "Enterprise" || len(x.online.from) > 0 { // that of another machine
		return
	}
	address, open, err := conf.BackupPort(ctx)
	switch {
	case err != nil || address == "":
	case open:
		x.add(Finding{Name: "backup port", Bad: true, Detail: address + " listens to the network, and asks nobody for a password",
			Hint: "Let it listen to 127.0.0.1, or guard it with a firewall or TLS for both sides."})
	default:
		x.add(Finding{Name: "backup port", Detail: address + " listens to this machine alone"})
	}
}

// onlineServers looks whether servers answer at their ports for backups, and
// where the backups would go.
func (x *examination) onlineServers(ctx context.Context) {
	if enterprise, err := x.conf.Enterprise(ctx); err == nil && !enterprise {
		x.add(Finding{Name: "edition", Bad: true, Detail: "this neo4j-admin is that of the Community edition, which has no online backups",
			Hint: "Install that of the server's own release of the Enterprise edition, and name it with home=DIR."})
	}
	if err := x.admin.Version.CheckBackup(x.task("", "")); err != nil {
		x.add(Finding{Name: "parameters", Bad: true, Detail: err.Error(), Hint: "Leave it out for this version."})
	}
	for _, at := range x.online.from {
		conn, err := (&net.Dialer{Timeout: dialPatience}).DialContext(ctx, "tcp", at)
		if err == nil {
			err = conn.Close()
		}
		if err != nil {
			x.add(Finding{Name: "server", Bad: true, Detail: err.Error(), Hint: unreachableHint})
			continue
		}
		x.add(Finding{Name: "server", Detail: at + " listens"})
	}
	if x.options.User != "" {
		x.asked(ctx)
	}
	var names []string
	for _, s := range x.all {
		names = append(names, s.database)
	}
	x.add(Finding{Name: "database", Detail: strings.Join(names, ", ") + "; whether the server has them, the backup tells"})
	folder := cmp.Or(x.online.chainDir, x.scratch)
	free, err := freeSpace(folder)
	if err = errors.Join(err, writable(folder)); err != nil {
		x.add(Finding{Name: "scratch", Bad: true, Detail: err.Error(), Hint: "It must be an existing folder in which this user may write."})
		return
	}
	x.add(Finding{Name: "scratch", Detail: fmt.Sprintf("%d MiB are free in %s", free>>20, folder)})
}

// asked looks at what a server tells over Bolt: whether its logs reach back far
// enough for differentials, and its clock.
func (x *examination) asked(ctx context.Context) {
	server, err := bolt.Open(bolt.Address{At: x.online.bolt, User: x.options.User, Password: x.options.Password})
	if err != nil {
		x.add(bad("answer", err))
		return
	}
	defer func() { _ = server.Close(context.WithoutCancel(ctx)) }() // nothing hangs on it
	before := x.now()
	clock, err := server.Read(ctx, install.System, x.admin.Version.Clock(), nil)
	after := x.now()
	if err != nil { // some versions answer it in other databases alone
		before = x.now()
		clock, err = server.Read(ctx, "", x.admin.Version.Clock(), nil)
		after = x.now()
	}
	if err != nil {
		x.add(Finding{Name: "answer", Bad: true, Detail: err.Error(),
			Hint: "Correct NEO4J_USERNAME, NEO4J_PASSWORD and bolt, or leave out the password: then nobody asks."})
		return
	}
	x.clock(one(clock), before, after)
	if x.online.chainDir == "" {
		return
	}
	rows, err := server.Read(ctx, "", x.admin.Version.Retention(), nil)
	policy := fmt.Sprint(one(rows))
	if err != nil || len(rows) != 1 {
		x.add(Finding{Name: "logs", Doubt: true, Detail: "the server does not tell how long it keeps its transaction logs",
			Hint: "This user must be allowed to see the settings."})
		return
	}
	f := Finding{Name: "logs", Detail: "transaction logs are kept for: " + policy}
	switch kept, none, bounded := install.ParseRetention(policy); {
	case none:
		f.Bad, f.Hint = true, "Every differential would become a full backup: keep the logs for longer than the time between two backups."
	case kept > 0 && kept < 25*time.Hour:
		f.Doubt, f.Hint = true, "A differential a day needs more than a day of them, or it becomes a full backup."
	case bounded:
		f.Detail += "; what is written between two backups must fit, or a differential becomes a full backup"
	}
	x.add(f)
}

// one is the value of an answer of one row; nil: it is another.
func one(rows [][]any) any {
	if len(rows) != 1 || len(rows[0]) != 1 {
		return nil
	}
	return rows[0][0]
}

// clock compares the time of a server, which was told between two instants, with
// ours.
func (x *examination) clock(told any, before, after time.Time) {
	ms, ok := told.(int64)
	if !ok {
		return
	}
	theirs, skew := time.UnixMilli(ms), time.Duration(0)
	switch {
	case theirs.Before(before):
		skew = before.Sub(theirs)
	case theirs.After(after):
		skew = theirs.Sub(after)
	}
	f := Finding{Name: "clock", Detail: "that of the server differs by " + skew.Round(time.Second).String()}
	if skew > maxSkew {
		f.Doubt, f.Hint = true, "Set both clocks, for instance with chrony: the times in backups are the server's."
	}
	x.add(f)
}

const maxSkew = time.Minute

// databases looks for the files and the rights.
func (x *examination) databases() bool {
	good := true
	for _, s := range x.all {
		if s.at.data == "" {
			x.add(Finding{Name: "database", Bad: true, Detail: "there are no files of " + s.database,
				Hint: "Look into data/databases below " + s.admin.Home + " for the name; this user must be able to read it."})
			good = false
		} else if err := writable(s.at.data); err != nil {
			x.add(Finding{Name: "database", Bad: true, Detail: err.Error(), Hint: "Run as root or as the user that owns it: neo4j-admin takes a lock there."})
			good = false
		} else {
			x.add(Finding{Name: "database", Detail: s.at.data})
		}
	}
	return good
}

// server looks at what would have to be stopped.
func (x *examination) server(ctx context.Context) {
	spec, running, err := x.source.server(ctx, x.all, "")
	if x.via != "" {
		state := "no server is running"
		if running {
			state = "it runs, and goes on"
		}
		x.add(Finding{Name: "server", Detail: state})
		return
	}
	switch {
	case err != nil:
		x.add(bad("server", err))
	case !running:
		x.stopped(ctx)
	case !x.stop:
		x.add(Finding{Name: "server", Bad: true, Detail: "it runs, and a database that runs cannot be dumped",
			Hint: "Add stop=yes and scratch=DIR, or use neo4j+snapshot, which needs no downtime."})
	default:
		if _, err := dumpable(spec, x.all); err != nil {
			x.add(bad("server", err))
			return
		}
		if spec.ByDatabase {
			x.add(Finding{Name: "server", Detail: "it goes on; its databases are stopped and started over Bolt"})
			return
		}
		x.add(Finding{Name: "server", Detail: "it is stopped and started by " + spec.Manager.String()})
		x.answers(ctx, spec.Bolt)
	}
}

// stopped looks whether databases that nobody uses could be dumped.
func (x *examination) stopped(ctx context.Context) {
	for _, s := range x.all {
		if _, err := s.admin.storeInfo(ctx, s.at); err != nil {
			x.add(bad("server", err))
			return
		}
	}
	x.add(Finding{Name: "server", Detail: "it is stopped, and stays so"})
}

// answers looks whether it can be seen that a server serves again.
func (x *examination) answers(ctx context.Context, address bolt.Address) {
	if address.At == "" {
		x.add(Finding{Name: "answer", Doubt: true, Detail: "its Bolt connector is off: its locks alone tell that it serves",
			Hint: "Enable Bolt on the loopback device."})
		return
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address.At)
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		x.add(Finding{Name: "answer", Bad: true, Detail: err.Error(),
			Hint: "It would not be seen that the server serves again: it must listen at " + address.At + "."})
		return
	}
	if address.User == "" {
		x.add(Finding{Name: "answer", Detail: address.At + " listens; without NEO4J_PASSWORD the locks tell that the database is open"})
		return
	}
	server, err := bolt.Open(address)
	if err == nil {
		_, err = server.Read(ctx, x.admin.Version.Addressed(x.source.database), x.admin.Version.Alive(x.source.database), nil)
		err = errors.Join(err, server.Close(ctx))
	}
	if err != nil {
		x.add(Finding{Name: "answer", Bad: true, Detail: err.Error(), Hint: "Correct NEO4J_USERNAME and NEO4J_PASSWORD, or leave both out."})
		return
	}
	x.add(Finding{Name: "answer", Detail: x.source.database + " answers at " + address.At})
}

// snapshotted looks whether one snapshot could hold all databases, and what would
// take it.
func (x *examination) snapshotted(ctx context.Context) {
	if x.via == "" {
		return
	}
	var folders []string
	for _, s := range x.all {
		folders = append(folders, s.at.data, s.at.transactions)
	}
	base := filepath.Dir(filepath.Dir(x.at.data))
	c, err := clone.Plan(ctx, clone.Request{Via: x.via, Program: x.program, Base: base, Folders: folders,
		Label: clone.LabelPrefix + "examined"})
	if err != nil {
		x.add(bad("snapshot", x.explainClone(err)))
		return
	}
	what := string(c.Via)
	if c.Origin != "" {
		what += " of " + strings.Trim(c.Origin+" "+c.Source, " ")
	}
	x.add(Finding{Name: "snapshot", Detail: "one " + what + " holds all files"})
}

// space compares the scratch folder with the stores.
func (x *examination) space() {
	if x.scratch == "" {
		return
	}
	parent, err := install.RealFolder(x.scratch)
	if err != nil {
		x.add(Finding{Name: "scratch", Bad: true, Detail: err.Error(), Hint: "scratch must be an existing folder."})
		return
	}
	free, err := freeSpace(parent)
	var size int64
	for _, s := range x.all {
		one, sizeErr := s.at.size()
		size, err = size+one, errors.Join(err, sizeErr)
	}
	if err = errors.Join(err, writable(parent)); err != nil {
		x.add(Finding{Name: "scratch", Bad: true, Detail: err.Error(), Hint: "This user must be able to write there, and to read the database."})
		return
	}
	f := Finding{Name: "scratch", Detail: fmt.Sprintf("%d MiB are free in %s, and the files of the store have %d", free>>20, parent, size>>20)}
	switch {
	case free < uint64(size)/bestRatio:
		f.Bad, f.Hint = true, "Free space there, or name a folder on another disk."
	case free < uint64(size):
		f.Doubt, f.Hint = true, "Dumps are mostly smaller than their store, but nothing promises it."
	}
	x.add(f)
}

// left looks for what a run that was killed has left.
func (x *examination) left() {
	if x.scratch == "" {
		return
	}
	var paths []string
	for _, s := range x.all {
		folder := folderOf(x.scratch, s.identity())
		paths = append(paths, filepath.Join(folder, stoppedName), filepath.Join(folder, cloneName))
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		x.add(Finding{Name: "left", Doubt: true, Detail: path + " is of a run that is under way, or was killed",
			Hint: "If none is under way, snapferry recover makes it good, and so does the next backup."})
	}
}
