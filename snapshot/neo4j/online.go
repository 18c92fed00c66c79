package neo4j

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// The reasons why an online backup is not made, or is not what was asked for.
var (
	ErrNoArtifact  = errors.New("neo4j-admin made no backup")
	ErrUnreachable = errors.New("no server answers at its port for backups")
	ErrFullIsDue   = errors.New("a full backup is due")
	// ErrProblems: the backup is whole, and neo4j-admin was not content.
	ErrProblems = errors.New("neo4j-admin made the backup and reported problems")
)

// onlineSource is one database of an Enterprise server, which is backed up while
// it is served.
type onlineSource struct {
	*source
	chain []snapshot.Link
	due   error // why the chain is empty
	fetch func(ctx context.Context, i int, w io.Writer) error
}

// Extend says what the next capture may build on.
func (s *onlineSource) Extend(chain []snapshot.Link, due error, fetch func(ctx context.Context, i int, w io.Writer) error) {
	s.chain, s.due, s.fetch = chain, due, fetch
	every := s.online.fullEvery
	switch {
	case s.online.chainDir == "", s.online.kind == kindFull, s.online.aggregate:
		s.chain, s.due = nil, nil // what the vaults have does not matter
	case every > 0 && len(chain) > 0 && s.now().Sub(chain[0].Time) >= every:
		s.chain, s.due = nil, fmt.Errorf("the last full backup is %s old (full_every)", s.now().Sub(chain[0].Time).Round(time.Hour))
	}
}

// identity is that of the server: where the backup is made does not matter.
func (s *onlineSource) identity() snapshot.Identity {
	host, _, _ := net.SplitHostPort(s.online.from[0]) // it was joined
	return snapshot.Identity{Type: "neo4j", Host: host, Path: s.online.from[0], ID: s.database}
}

// Capture lets neo4j-admin make a backup, or takes one that an earlier run has
// made and not shipped, and proves it whole.
func (s *onlineSource) Capture(ctx context.Context) (_ snapshot.Capture, err error) {
	if s.admin.Version.Major == 0 {
		if err := s.look(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.admin.Version.CheckBackup(s.task("", "")); err != nil {
		return nil, &snapshot.Error{Op: "back up", Name: s.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUsage, err), Hint: "Leave it out for this version."}
	}
	folder, err := s.openChain()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, folder.give())
		}
	}()
	if !s.admin.Version.Files() {
		return s.captureFolder(ctx, folder)
	}
	made, err := folder.pending(s.now())
	if err != nil {
		return nil, s.admin.fail("back up", err)
	}
	if made != nil && !s.builds(made) {
		s.options.Log.Info("the backup of an earlier run builds on what the vaults do not end with; it is made anew", "database", s.database, "file", made.File)
		if err := folder.forget(made); err != nil {
			return nil, s.admin.fail("back up", err)
		}
		made = nil
	}
	if made == nil {
		if made, err = s.backUp(ctx, folder); err != nil {
			return nil, err
		}
	} else {
		s.options.Log.Info("resuming with the backup of an earlier run", "database", s.database, "file", made.File)
	}
	c := &onlineCapture{source: s, folder: folder, made: made}
	c.info = snapshot.Info{Identity: s.identity(), Parent: made.Parent, Resumable: true, Facts: made.Facts}
	c.info.Fingerprint = fingerprintOf(c.info.Identity, made.SHA256)
	if c.file, err = os.Open(folder.path(made.File)); err != nil {
		return nil, s.admin.fail("back up", err)
	}
	return c, nil
}

// builds reports whether a backup is full, or builds on what the vaults have.
func (s *onlineSource) builds(made *artifactMark) bool {
	return made.Parent == "" || slices.ContainsFunc(s.chain, func(l snapshot.Link) bool { return l.Fingerprint == made.Parent })
}

// backUp makes a backup and marks it as one to be shipped.
func (s *onlineSource) backUp(ctx context.Context, folder *chainFolder) (*artifactMark, error) {
	chain, err := s.localChain(ctx, folder)
	if err != nil {
		return nil, s.admin.fail("back up", err)
	}
	kind := install.BackupFull
	switch {
	case len(chain) > 0 && s.online.kind == kindDiff:
		kind = install.BackupDiff
	case len(chain) > 0:
		kind = install.BackupAuto
	case s.online.kind == kindDiff:
		return nil, &snapshot.Error{Op: "back up", Name: s.database, Err: errors.Join(ErrFullIsDue, s.due),
			Hint: "Use type=auto, which takes a full backup when one is due."}
	case s.due != nil:
		s.options.Log.Info("a full backup is due", "database", s.database, "reason", s.due)
	}
	if err := s.reachable(ctx); err != nil {
		return nil, err
	}
	name, problem, err := s.run(ctx, folder, kind)
	if err != nil {
		return nil, err
	}
	made, err := s.examine(ctx, folder, name, chain)
	if err != nil {
		return nil, errors.Join(err, os.Remove(folder.path(name)))
	}
	if made.Parent != "" && s.online.aggregate {
		if made, err = s.aggregate(ctx, folder, made.Facts["transactions"]); err != nil {
			return nil, err
		}
	} else if kind != install.BackupFull && made.Parent == "" {
		made.Facts["fallback"] = "a differential was asked for, and neo4j-admin made a full backup"
		s.options.Log.Warn("a differential was asked for, and neo4j-admin made a full backup", "database", s.database)
	}
	if made.Facts["transactions"] == "0-0" {
		s.options.Log.Warn("nothing has changed since the last backup", "database", s.database)
	}
	made.Problem = problem
	if err := folder.mark(made); err != nil {
		return nil, s.admin.fail("back up", err)
	}
	return made, nil
}

const (
	// dialPatience is how long a server may take to accept a connection.
	dialPatience = 10 * time.Second

	unreachableHint = "Is the server up, is server.backup.enabled=true and server.backup.listen_address not on its loopback device alone, " +
		"and does the firewall let this machine in?"
)

// reachable refuses servers of which none listens: what neo4j-admin says of that
// is no help.
func (s *onlineSource) reachable(ctx context.Context) error {
	var problems error
	for _, at := range s.online.from {
		conn, err := (&net.Dialer{Timeout: dialPatience}).DialContext(ctx, "tcp", at)
		if err == nil {
			return conn.Close()
		}
		problems = errors.Join(problems, err)
	}
	return &snapshot.Error{Op: "back up", Name: s.database, Err: fmt.Errorf("%w: %w", ErrUnreachable, problems),
		Hint: unreachableHint}
}

// run runs neo4j-admin, and finds the one artifact that it made. A problem is
// what it said of a backup that it made all the same.
func (s *onlineSource) run(ctx context.Context, folder *chainFolder, kind string) (name, problem string, err error) {
	before, err := folder.artifacts()
	if err != nil {
		return "", "", s.admin.fail("back up", err)
	}
	text, status, err := s.runAdmin(ctx, s.admin.Version.Backup(s.task(folder.files, kind)))
	if err != nil {
		return "", "", err
	}
	after, err := folder.artifacts()
	if err != nil {
		return "", "", s.admin.fail("back up", err)
	}
	fresh := slices.DeleteFunc(after, func(name string) bool { return slices.Contains(before, name) })
	if ctx.Err() != nil {
		return "", "", errors.Join(context.Cause(ctx), folder.remove(fresh...))
	}
	switch {
	case len(fresh) == 1 && status == nil:
		return fresh[0], "", nil
	case len(fresh) == 1 && isExit(status):
		return fresh[0], strings.TrimPrefix(quoteLast(text), ": "), nil
	case len(fresh) > 1:
		err = fmt.Errorf("neo4j-admin made %d files of one backup: %s", len(fresh), strings.Join(fresh, ", "))
		return "", "", errors.Join(s.admin.fail("back up", err), folder.remove(fresh...))
	case status != nil:
		return "", "", s.explain(text, status)
	}
	return "", "", &snapshot.Error{Op: "back up", Name: s.database, Err: fmt.Errorf("%w, and ended with status 0%s", ErrNoArtifact, quoteLast(text)),
		Hint: "Does the server have this database? Some releases of neo4j-admin say so in no other way."}
}

// runAdmin runs neo4j-admin to its end, and returns what it printed and its
// status.
func (s *onlineSource) runAdmin(ctx context.Context, args []string) (text string, status, err error) {
	c := s.admin.command(args)
	c.Merge = true
	if s.memory > 0 {
		c.Env = append(slices.Clone(c.Env), "HEAP_SIZE="+strconv.FormatInt(s.memory/2>>20, 10)+"m")
	}
	p, err := process.Start(ctx, c)
	if err != nil {
		return "", nil, s.admin.startFailure("back up", err)
	}
	status = p.Finish()
	if err := p.Stop(); err != nil {
		return "", nil, s.admin.startFailure("back up", err)
	}
	return p.Text(), status, nil
}

func isExit(status error) bool {
	_, ok := errors.AsType[*exec.ExitError](status)
	return ok
}

// explain explains a neo4j-admin that made nothing.
func (s *onlineSource) explain(text string, status error) error {
	lower := strings.ToLower(text)
	hint := ""
	switch {
	case strings.Contains(lower, "couldn't retrieve databasenamerequest"), strings.Contains(lower, "ssl"), strings.Contains(lower, "tls"):
		hint = "The server and neo4j-admin must agree on TLS: dbms.ssl.policy.backup.* in neo4j.conf there, and in neo4j-admin.conf here."
	case strings.Contains(lower, "unmatched argument"), strings.Contains(lower, "unrecognized command"):
		hint = "Online backups need the neo4j-admin of the Enterprise edition; Community has neo4j+dump and neo4j+snapshot."
	case strings.Contains(lower, "differential backups require"):
		hint = "Use type=auto, which takes a full backup where a differential cannot be."
	}
	if hint == "" {
		return s.admin.failText("back up", text, status)
	}
	return &snapshot.Error{Op: "back up", Name: s.database, Err: fmt.Errorf("neo4j-admin failed: %w%s", status, quoteLast(text)), Hint: hint}
}

// examine proves an artifact whole, and that it is what was asked for.
func (s *onlineSource) examine(ctx context.Context, folder *chainFolder, name string, chain []artifact.Member) (*artifactMark, error) {
	refuse := func(err error) (*artifactMark, error) {
		return nil, s.admin.fail("back up", fmt.Errorf("%s: %w", name, err))
	}
	verified, info, err := verifyArtifact(ctx, folder.path(name))
	if err != nil {
		return refuse(err)
	}
	b := info.Backup
	if b == nil || !strings.EqualFold(b.Database, s.database) {
		return refuse(fmt.Errorf("%w: it is no backup of %s", artifact.ErrBad, s.database))
	}
	m := &artifactMark{fileMark: verified.fileMark, Version: markerVersion, File: name}
	m.Facts = map[string]string{"database": s.database, "databaseId": b.DatabaseID, "neo4j": s.admin.Version.Text, "artifact": string(info.Kind),
		"transactions": fmt.Sprintf("%d-%d", b.Lowest, b.Highest), "recovered": strconv.FormatBool(b.Recovered)}
	if info.Kind == artifact.Full {
		return m, nil
	}
	if len(chain) == 0 {
		return refuse(fmt.Errorf("%w: it is a differential of nothing", artifact.ErrBad))
	}
	if err := artifact.Follows(chain, artifact.Member{Name: name, Header: info.Header}); err != nil {
		return refuse(err)
	}
	m.Parent = s.chain[len(s.chain)-1].Fingerprint
	return m, nil
}

// aggregate makes a full backup of the chain in our folder, which was fetched as
// a differential of so many transactions.
func (s *onlineSource) aggregate(ctx context.Context, folder *chainFolder, transactions string) (*artifactMark, error) {
	before, err := folder.artifacts()
	if err != nil {
		return nil, s.admin.fail("aggregate", err)
	}
	args, err := s.admin.Version.Aggregate(s.database, folder.files, s.options.TempDir)
	if err != nil {
		return nil, s.admin.fail("aggregate", err)
	}
	text, status, err := s.runAdmin(ctx, args)
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case status != nil:
		return nil, s.explain(text, status)
	}
	after, err := folder.artifacts()
	if err != nil {
		return nil, s.admin.fail("aggregate", err)
	}
	fresh := slices.DeleteFunc(slices.Clone(after), func(name string) bool { return slices.Contains(before, name) })
	if len(fresh) != 1 {
		return nil, s.admin.fail("aggregate", fmt.Errorf("%w: neo4j-admin made %d files%s", ErrNoArtifact, len(fresh), quoteLast(text)))
	}
	made, err := s.examine(ctx, folder, fresh[0], nil)
	if err != nil {
		return nil, errors.Join(err, folder.remove(fresh...))
	}
	made.Facts["aggregated"] = "with a differential of transactions " + transactions
	return made, folder.remove(slices.DeleteFunc(after, func(name string) bool { return name == fresh[0] })...)
}

// onlineCapture is a backup that lies in our folder.
type onlineCapture struct {
	source *onlineSource
	folder *chainFolder
	info   snapshot.Info
	made   *artifactMark
	file   *os.File
	passed bool
}

func (c *onlineCapture) Info() snapshot.Info { return c.info }

func (c *onlineCapture) Images() []snapshot.Image {
	return []snapshot.Image{{Name: c.made.File, Form: snapshot.FormRaw, Size: c.made.Size, Data: c.file, Compressed: true}}
}

// Check confirms that the file is still the one that was verified.
func (c *onlineCapture) Check(context.Context) error {
	info, err := c.file.Stat()
	if err != nil {
		return c.source.admin.fail("back up", err)
	}
	if !c.made.describes(info) {
		return c.source.admin.fail("back up", fmt.Errorf("%w: %s", snapshot.ErrChanged, c.made.File))
	}
	c.passed = true
	return nil
}

// Close keeps a backup that was shipped where the next differential needs it,
// or removes it. One that was not shipped stays to be resumed.
func (c *onlineCapture) Close() error {
	err := c.file.Close()
	if c.passed {
		err = errors.Join(err, c.folder.shipped(c.made, c.info.Fingerprint, c.source.online.chainDir != ""))
	}
	if err = errors.Join(err, c.folder.give()); err != nil {
		return c.source.admin.fail("close", err)
	}
	if c.passed && c.made.Problem != "" {
		return &snapshot.Error{Op: "back up", Name: c.source.database, Err: fmt.Errorf("%w: %s", ErrProblems, c.made.Problem),
			Hint: "Look at what it says; the backup itself was decoded to its end, and holds what its header says."}
	}
	return nil
}
