package job

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/restore"
	"github.com/snapferry/snapferry/snapshot/neo4j"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/drill"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// DefaultDrillMemory is what Neo4j gets in a drill where nothing is said, in
// bytes.
const DefaultDrillMemory = home.DefaultMemory

// DrillRequest says which backups of Neo4j are drilled, and how.
type DrillRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	// EveryTier drills the newest backup of the same series in every tier.
	EveryTier bool
	// Home is the Neo4j whose programs are used; empty: NEO4J_HOME, or the one on
	// PATH.
	Home string
	// Scratch is a folder with room for the dump and the store that it holds;
	// empty: the one for temporary files.
	Scratch string
	// Memory is for Neo4j, in bytes; 0: 2 GiB.
	Memory  int64
	Plugins string   // folder of plug-ins that the data needs; empty: none
	Checks  []string // CYPHER => EXPECTED
	// Quick leaves out the consistency check.
	Quick bool
	// NoReport leaves nothing in the vault.
	NoReport bool
	// Thaw is for what is in archive classes.
	Thaw Thaw
}

// DrillReport is how drills went, in the order of the tiers.
type DrillReport struct {
	Drills []Drilled `json:"drills"`
	Run
}

// Drilled is how the drill of one backup went. It is also the report that the
// vault keeps; of an encrypted backup, without what is in the data.
type Drilled struct {
	Name     string      `json:"name"` // TIER/SERIES/ID
	Vault    string      `json:"vault"`
	OK       bool        `json:"ok"`
	Problem  string      `json:"problem,omitempty"`
	Time     time.Time   `json:"time"` // of its end, UTC
	Database string      `json:"database"`
	Neo4j    string      `json:"neo4j"` // the version it was drilled with
	Program  string      `json:"program"`
	Host     string      `json:"host"`
	RTO      float64     `json:"rto_seconds,omitempty"` // to fetch, load and start: until the database answers
	Steps    []DrillStep `json:"steps"`
	Graph    *DrillGraph `json:"graph,omitempty"`
	Checks   []Answer    `json:"checks,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
	Report   string      `json:"report,omitempty"` // key of it in the vault
}

// DrillStep is one part of a drill.
type DrillStep struct {
	Name    string  `json:"name"` // fetch, load, check, start, compare, ask
	Seconds float64 `json:"seconds"`
	Problem string  `json:"problem,omitempty"`
}

// DrillGraph is what was in the restored database. Labels and the lists are
// missing from the reports of encrypted backups.
type DrillGraph = drill.Graph

// Answer is how one of the user's checks went.
type Answer struct {
	Cypher  string `json:"cypher,omitempty"`
	Expect  string `json:"expect,omitempty"`
	Got     string `json:"got,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Drill proves that backups of Neo4j restore. One that does not is of the class
// Damaged, and the report tells at which step; so is one whose checks do not
// hold. A report that the vault does not take is ErrPartial. Nothing is left in
// the scratch folder.
func (r *Runner) Drill(ctx context.Context, req DrillRequest) (*DrillReport, error) {
	s := r.newSession()
	checks, err := parseChecks(req.Checks)
	if err != nil {
		return nil, err
	}
	if err := req.Thaw.check(); err != nil {
		return nil, err
	}
	live, err := s.installation(ctx, req.Home)
	if err != nil {
		return nil, err
	}
	e, err := s.openWhole(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	entries := []archive.Entry{e}
	if req.EveryTier {
		if entries, err = s.newestOfTiers(ctx, e.Name.Series); err != nil {
			return nil, err
		}
	}
	report := &DrillReport{Drills: []Drilled{}}
	var failures []error
	for _, e := range entries {
		one := &oneDrill{session: s, req: req, checks: checks, live: live, entry: e}
		drilled, err := one.hold(ctx)
		if drilled != nil {
			report.Drills = append(report.Drills, *drilled)
		}
		if err != nil {
			failures = append(failures, err) // which says nothing of the others
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(report.Drills) == 0 {
		return nil, gravest(failures)
	}
	report.Run = s.run()
	return report, gravest(failures)
}

// gravest is the error that tells most of several: a backup that does not
// restore before one whose report was not kept.
func gravest(errs []error) error {
	for _, class := range []Class{Interrupted, Damaged} {
		for _, err := range errs {
			if Classify(err) == class {
				return err
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// CheckDrill refuses a check of a drill that can never hold.
func CheckDrill(text string) error {
	_, err := parseCheck(text)
	return err
}

func parseCheck(text string) (drill.Check, error) {
	c, err := drill.ParseCheck(text)
	if err != nil {
		return c, usage("check "+text, err, `write "CYPHER => EXPECTED", such as "MATCH (n) RETURN count(n) => > 1000"`)
	}
	return c, nil
}

func parseChecks(texts []string) ([]drill.Check, error) {
	var checks []drill.Check
	for _, text := range texts {
		c, err := parseCheck(text)
		if err != nil {
			return nil, err
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// installation finds the Neo4j whose programs are used, and asks its version.
func (s *session) installation(ctx context.Context, path string) (*install.Installation, error) {
	live, err := install.Find(path, s.Getenv)
	if err != nil {
		return nil, &Error{Op: "find", Name: cmp.Or(path, "Neo4j"), Err: fmt.Errorf("%w: %w", snapshot.ErrNotFound, err),
			Hint: "name an installation with --home, or set NEO4J_HOME: its programs are used, its data is not touched"}
	}
	owner, err := process.OwnerOf(live.Home) // a program is no safer than who may change it
	if err != nil {
		return nil, err
	}
	if live.KnowVersion() {
		return live, nil
	}
	err = live.AskVersion(ctx, func(ctx context.Context, args ...string) ([]byte, error) {
		out, text, err := process.Output(ctx, process.Command{Path: live.Admin, Args: args, Env: live.Environ(os.Environ(), s.TempDir), Dir: live.Home, As: owner,
			Lines: process.NewLines("neo4j-admin", s.Log, nil)})
		if hint, known := install.Explain(text+string(out), "neo4j", live.Home); err != nil && known != nil {
			err = &Error{Op: "run", Name: live.Admin, Err: known, Hint: hint}
		}
		return out, err
	})
	return live, err
}

// newestOfTiers are the newest complete backups of a series, one of each tier
// that has any.
func (s *session) newestOfTiers(ctx context.Context, series string) ([]archive.Entry, error) {
	all, _, err := s.vault.List(ctx, series)
	if err != nil {
		return nil, err
	}
	newest := map[lifecycle.Tier]archive.Entry{}
	for _, e := range all { // oldest first
		if e.Complete {
			newest[e.Name.Tier] = e
		}
	}
	var entries []archive.Entry
	for _, tier := range lifecycle.Tiers() {
		if e, ok := newest[tier]; ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// oneDrill is the drill of one backup.
type oneDrill struct {
	*session
	req    DrillRequest
	checks []drill.Check
	live   *install.Installation
	entry  archive.Entry
	backup *archive.Backup
	parts  []part        // of the chain that it ends
	last   string        // file of its last member, if it is to be restored as a chain
	copied string        // folder of the copy, if it is one
	took   time.Duration // to fetch it
}

// stepFetch is the part of a drill that is ours: reading and decoding the backup.
const stepFetch = "fetch"

// hold holds the drill. Without a result it could not be held.
func (d *oneDrill) hold(ctx context.Context) (*Drilled, error) {
	var err error
	if d.parts, err = d.partsOf(ctx, d.entry, RestoreRequest{Thaw: d.req.Thaw}); err != nil {
		return nil, err
	}
	d.backup = d.parts[len(d.parts)-1].backup
	database, file, err := d.drillable(ctx)
	if err != nil {
		return nil, err
	}
	folder, err := home.NewFolder(cmp.Or(d.req.Scratch, d.TempDir, os.TempDir()), "drill", d.Log)
	if err != nil {
		return nil, &Error{Op: "drill", Name: d.req.Scratch, Err: fmt.Errorf("%w: %w", ErrUsage, err),
			Hint: "--scratch is an existing folder with room for the dump and its store"}
	}
	defer func() {
		if err := folder.Remove(); err != nil {
			d.Log.Warn("scratch folder not removed", "folder", folder.Path, "error", err)
		}
	}()
	out := &Drilled{Name: d.entry.Name.String(), Vault: d.shown, Database: database, Neo4j: d.live.Version.Text, Program: d.Program, Host: d.Host,
		Steps: []DrillStep{}}
	d.Progress.enter("drill")
	if err := d.fetch(ctx, folder.Path, file); err != nil {
		if Classify(err) != Damaged {
			return nil, err
		}
		out.Steps = append(out.Steps, DrillStep{Name: stepFetch, Seconds: d.took.Seconds(), Problem: err.Error()})
		return out, d.conclude(ctx, out, err)
	}
	out.Steps = append(out.Steps, DrillStep{Name: stepFetch, Seconds: d.took.Seconds()})
	_, beside, err := d.live.Running(ctx)
	if err != nil {
		d.Log.Debug("whether a server is running beside is not known", "error", err)
		beside = true
	}
	result, err := drill.Run(ctx, drill.Request{Live: d.live, Dir: folder.Path, Database: database, Last: d.last, Copy: d.copied,
		Facts: d.backup.Manifest.Facts, Before: d.before(ctx),
		Checks: d.checks, Plugins: d.req.Plugins, Quick: d.req.Quick, Memory: d.req.Memory, Background: beside, TempDir: d.TempDir, Now: d.Now, Log: d.Log})
	if err != nil && !errors.Is(err, drill.ErrFailed) {
		return nil, err
	}
	out.drilled(result)
	return out, d.conclude(ctx, out, err)
}

// drilled adds what the drill found.
func (out *Drilled) drilled(result *drill.Result) {
	out.Graph, out.Warnings = result.Graph, result.Warnings
	for _, step := range result.Steps {
		out.Steps = append(out.Steps, DrillStep{Name: step.Name, Seconds: step.Took.Seconds(), Problem: step.Problem})
	}
	for _, a := range result.Answers {
		out.Checks = append(out.Checks, Answer(a))
	}
	rto := 0.0
	for _, step := range out.Steps {
		switch step.Name {
		case stepFetch, drill.StepLoad, drill.StepStart:
			rto += step.Seconds
		}
		if step.Name == drill.StepStart && step.Problem == "" {
			out.RTO = rto
		}
	}
}

// conclude gives the verdict and keeps the report.
func (d *oneDrill) conclude(ctx context.Context, out *Drilled, err error) error {
	out.OK, out.Time = err == nil, d.Now().UTC().Truncate(time.Second)
	if err != nil {
		out.Problem = err.Error()
		err = &Error{Op: "drill", Name: out.Name, Err: fmt.Errorf("%w: %w", archive.ErrDamaged, err), Hint: Hint(err)}
	}
	if d.req.NoReport {
		return err
	}
	if kerr := d.keepDrill(context.WithoutCancel(ctx), out); kerr != nil {
		d.Log.Warn("the report of the drill was not kept", "backup", out.Name, "error", kerr)
		if err == nil {
			err = &Error{Op: "keep", Name: "report of the drill of " + out.Name, Err: fmt.Errorf("%w: %w", ErrPartial, kerr),
				Hint: "the drill went well; allow writing below drills/ in the vault, or add --no-report"}
		}
	}
	return err
}

// drillable finds what the backup holds: the name of its database, and the name
// that the file must have for neo4j-admin.
func (d *oneDrill) drillable(ctx context.Context) (database, file string, err error) {
	refuse := func(why error, hint string) error {
		return &Error{Op: "drill", Name: d.entry.Name.String(), Err: fmt.Errorf("%w: %w", ErrUsage, why), Hint: hint}
	}
	const other = "drills are for backups of Neo4j; snapferry verify --deep proves any other"
	m := d.backup.Manifest
	if len(m.Images) != 1 {
		return "", "", refuse(fmt.Errorf("it has %d images, and a dump is one", len(m.Images)), other)
	}
	if err := d.backup.Unlock(ctx); err != nil {
		return "", "", err
	}
	if m.Images[0].Form == snapshot.FormTar && neo4j.IsCopy(m.Facts) {
		d.copied, database = "copy", m.Facts["database"]
		if !localName(database) {
			return "", "", refuse(fmt.Errorf("%q is no name of a database", database), "restore it into a folder, and look at it")
		}
		return database, d.copied, d.roomFor(m.Images[0].Size, 0)
	}
	head, err := d.backup.Head(ctx, 0, inspectHead)
	if err != nil {
		return "", "", err
	}
	h, err := artifact.ReadHeader(bytes.NewReader(head))
	if err != nil {
		return "", "", refuse(err, other)
	}
	if err := d.roomFor(m.Images[0].Size, h.Bytes); err != nil {
		return "", "", err
	}
	// Both come from the vault, and become names of files.
	title := m.Images[0].Title
	if b := h.Backup; b != nil {
		database = b.Database
	} else {
		database = cmp.Or(m.Facts["database"], strings.TrimSuffix(title, ".dump"))
		file = database + ".dump"
	}
	for _, name := range []string{database, title} {
		if !localName(name) {
			return "", "", refuse(fmt.Errorf("%q is no name of a database or of a file", name), "restore it into a file with --image, and look at it")
		}
	}
	if b := h.Backup; b != nil {
		if h.Kind == artifact.Full && b.Recovered {
			return database, "", nil
		}
		if !d.enterprise(ctx) {
			return "", "", refuse(fmt.Errorf("it is a %s backup, recovered: %t, which the Community edition cannot restore", h.Kind, b.Recovered),
				"give --home, an installation of the Enterprise edition of the same release")
		}
		d.last = title
	}
	return database, file, nil
}

// localName reports whether what comes from a vault is the name of a file, and no
// way to somewhere else.
func localName(name string) bool { return filepath.IsLocal(name) && !strings.ContainsAny(name, `/\`) }

// enterprise reports whether the programs are those of the Enterprise edition.
func (d *oneDrill) enterprise(ctx context.Context) bool {
	conf, err := d.live.ReadConf("")
	if err != nil {
		return false
	}
	enterprise, err := conf.Enterprise(ctx)
	return err == nil && enterprise
}

// roomFor refuses a scratch folder that is too small for a file and the store
// that it holds.
func (d *oneDrill) roomFor(file, store int64) error {
	folder := cmp.Or(d.req.Scratch, d.TempDir, os.TempDir())
	_, free, err := diskSpace(folder)
	if err != nil {
		return nil //nolint:nilerr // the folder is looked at again when it is used
	}
	if need := uint64(max(file, 0)) + uint64(max(store, 0)); free < need {
		return &Error{Op: "drill", Name: folder, Err: fmt.Errorf("%w: %d bytes are free, and the dump and its store need %d", install.ErrNoSpace, free, need),
			Hint: "give --scratch, a folder on a larger disk"}
	}
	return nil
}

// fetch brings the backup into the scratch folder, under a name or its own, and
// all that it builds on under their own.
func (d *oneDrill) fetch(ctx context.Context, folder, name string) error {
	began := d.Now()
	defer func() { d.took = d.Now().Sub(began) }()
	if _, err := d.warm(ctx, d.entry, d.req.Thaw, needs(d.parts)); err != nil {
		return err
	}
	for _, p := range d.parts {
		path := folder + string(filepath.Separator) // by its title, if that is the name of a file
		if p.backup == d.backup && name != "" {
			path = filepath.Join(folder, name)
		}
		target, err := restore.Target(path, restore.Options{Scratch: true, Log: d.Log})
		if err != nil {
			return err
		}
		if err := p.backup.Unlock(ctx); err != nil {
			return err
		}
		if err := restoreAll(ctx, []part{p}, target); err != nil {
			return errors.Join(err, target.Abort())
		}
	}
	return nil
}
