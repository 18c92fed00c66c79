package neo4j

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
	"github.com/snapferry/snapferry/snapshot/neo4j/freeze"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// What a run that takes a snapshot has in its scratch folder, besides the dump.
const (
	cloneName = "clone.json" // what must be removed
	placeName = "clone"      // where a clone may be mounted
	homeName  = "home"       // of the scratch server
)

// snapshotAll takes an atomic snapshot of the file system under databases
// that may be in use, lets a scratch server recover them, dumps them, and removes
// both. Nothing stops, and the dumps have every transaction that was acknowledged
// before the snapshot.
func snapshotAll(ctx context.Context, all []*source) error {
	dumps, err := dumpClone(ctx, all)
	if err != nil {
		return all[0].explainClone(err)
	}
	for i, s := range all {
		if dumps[i].err != nil {
			s.ready.giveUp(s.explainClone(dumps[i].err))
		} else if s.ready.dump, err = s.verifyMade(ctx); err != nil {
			s.ready.giveUp(s.admin.fail("dump", err))
		} else {
			s.ready.dump.Facts = dumps[i].facts
		}
	}
	return nil
}

// dumpClone does all that needs the clone, and leaves dumps and no clone.
func dumpClone(ctx context.Context, all []*source) (dumps []dumped, err error) {
	lead := all[0]
	for _, s := range all {
		if s.at.data == "" {
			return nil, s.admin.fail("capture", ErrNoDatabase)
		}
	}
	conf, err := lead.admin.ReadConf("")
	if err != nil {
		return nil, err
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return nil, err
	}
	_, beside, err := install.RunningOn(data)
	if err != nil {
		return nil, err
	}
	copied, took, err := take(ctx, all, commonFolder(data, filepath.Dir(lead.at.transactions)))
	defer func() {
		_, cleanErr := lead.cleanSnapshot(context.WithoutCancel(ctx), lead.ready.folder)
		err = errors.Join(err, cleanErr)
	}()
	if err != nil {
		return nil, err
	}
	watched, stop := copied.Watch(ctx, lead.options.Log)
	defer stop()
	for _, s := range all {
		one := s.dumpCloned(watched, copied, data, beside)
		if watched.Err() != nil {
			return nil, errors.Join(context.Cause(watched), one.err)
		}
		if one.err == nil {
			one.facts["snapshot"] = string(s.via) + ", taken in " + took.String()
		}
		dumps = append(dumps, one)
	}
	return dumps, nil
}

// dumpCloned dumps one of the databases of a clone. The folder of the server
// that recovers it is the lead's, who has the clone.
func (s *source) dumpCloned(ctx context.Context, copied *clone.Clone, data string, beside bool) dumped {
	options := home.Options{Live: s.admin.Installation, Dir: filepath.Join(filepath.Dir(copied.Place), homeName), Database: s.database, Memory: s.memory,
		As: s.admin.owner, Background: beside, TempDir: s.options.TempDir, Log: s.admin.log}
	var err error
	if options.Data, err = copied.Path(data); err != nil {
		return dumped{err: err}
	}
	logs, err := copied.Path(filepath.Dir(s.at.transactions))
	if err != nil {
		return dumped{err: err}
	}
	if logs != filepath.Join(options.Data, "transactions") && s.admin.Version.Major >= 4 {
		options.Logs = logs
	}
	if s.raw {
		clone := store{data: filepath.Join(options.Data, "databases", filepath.Base(s.at.data)), transactions: filepath.Join(logs, filepath.Base(s.at.transactions))}
		return s.copyCloned(ctx, options, clone)
	}
	store, err := s.dumpHome(ctx, options)
	if err != nil {
		return dumped{err: err}
	}
	facts := store.Facts()
	facts["database"], facts["neo4j"] = s.database, s.admin.Version.Text
	return dumped{facts: facts}
}

// copyCloned copies the files of a clone as they are. What is known of them, a
// neo4j-admin tells that sees nothing of the live ones.
func (s *source) copyCloned(ctx context.Context, options home.Options, at store) (made dumped) {
	h, err := home.Make(ctx, options)
	if err != nil {
		return dumped{err: err}
	}
	info, err := h.Info(ctx)
	if err = errors.Join(err, h.Remove()); err != nil {
		return dumped{err: err}
	}
	if err := s.writeCopy(ctx, s.ready.folder.dump, at, nil); err != nil {
		return dumped{err: err}
	}
	return dumped{facts: s.factsOfCopy(info, copyCrash)}
}

// commonFolder is the lowest folder that has both.
func commonFolder(a, b string) string {
	for {
		if rel, err := filepath.Rel(a, b); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return a
		}
		parent := filepath.Dir(a)
		if parent == a {
			return a
		}
		a = parent
	}
}

// cloneRequest says what is cloned of sources, but not where to and under which
// label.
func (s *source) cloneRequest(all []*source, base string) clone.Request {
	req := clone.Request{Via: s.via, Program: s.program, Base: base}
	for _, one := range all {
		req.Folders = append(req.Folders, one.at.data, one.at.transactions)
	}
	return req
}

// take writes down what will be cloned, and clones it.
func take(ctx context.Context, all []*source, base string) (*clone.Clone, time.Duration, error) {
	lead, folder := all[0], all[0].ready.folder
	place := filepath.Join(folder.dir, placeName)
	if err := os.Mkdir(place, folder.owner.FolderMode()); err != nil {
		return nil, 0, fmt.Errorf("make a place for the clone: %w", err)
	}
	req := lead.cloneRequest(all, base)
	req.Place, req.Label = place, clone.Label(lead.database, lead.now())
	c, err := clone.Plan(ctx, req)
	if err != nil {
		return nil, 0, err
	}
	if err := c.CheckRoom(ctx); err != nil {
		return nil, 0, err
	}
	if err := c.Save(filepath.Join(folder.dir, cloneName)); err != nil {
		return nil, 0, err
	}
	began := lead.now()
	if err := lead.takeFrozen(ctx, c, base); err != nil {
		return nil, 0, err
	}
	took := lead.now().Sub(began).Round(time.Millisecond)
	lead.options.Log.Info("a snapshot was taken", "via", string(lead.via), "took", took)
	return c, took, nil
}

// takeFrozen takes the clone, while nobody writes if that was asked for.
func (s *source) takeFrozen(ctx context.Context, c *clone.Clone, base string) error {
	if !s.freeze {
		return c.Take(ctx)
	}
	program, err := exec.LookPath(s.program)
	if err != nil {
		return fmt.Errorf("%w: %w", clone.ErrTool, err)
	}
	began := s.now()
	err = freeze.While(ctx, freeze.Request{Folder: base, Thawer: s.options.Unfreezer,
		Avoid: []string{s.ready.folder.dir, s.options.State, cmp.Or(s.options.TempDir, os.TempDir()), program}}, c.Take)
	s.options.Log.Info("the file system was frozen", "for", s.now().Sub(began).Round(time.Millisecond))
	return err
}

// dumpHome recovers, checks and dumps what a scratch home is on, and removes the
// home.
func (s *source) dumpHome(ctx context.Context, options home.Options) (store install.StoreInfo, err error) {
	h, err := home.Make(ctx, options)
	if err != nil {
		return store, err
	}
	defer func() { err = errors.Join(err, h.Remove()) }()
	// The server of one database has recovered system as well.
	recovered := false
	if s.database == install.System {
		store, err = h.Info(ctx)
		recovered = err == nil && !store.RecoveryRequired
	}
	if !recovered {
		if store, err = h.Recover(ctx); err != nil {
			return store, err
		}
	}
	if s.checkDue() {
		if err := h.Check(ctx); err != nil {
			return store, err
		}
		checked := s.now()
		s.remember(func(h *history) { h.Checked = checked })
	}
	return store, h.Dump(ctx, s.ready.folder.dumps)
}

// cleanSnapshot removes the scratch server, the clone and the home of a run, of
// this one or of one that was killed. It reports whether there was a clone.
func (s *source) cleanSnapshot(ctx context.Context, folder *scratch) (found bool, err error) {
	written := filepath.Join(folder.dir, cloneName)
	c, err := clone.Load(written)
	if err != nil {
		return false, &snapshot.Error{Op: "clean", Name: s.database, Err: err,
			Hint: "Look whether a snapshot of snapferry is left, remove it, and then " + written + "."}
	}
	at := filepath.Join(folder.dir, homeName)
	if err := s.endServer(ctx, at); err != nil {
		return c != nil, s.admin.fail("clean", err)
	}
	if c != nil {
		if err := c.Remove(ctx); err != nil {
			return true, &snapshot.Error{Op: "clean", Name: s.database, Err: fmt.Errorf("remove the clone: %w", err),
				Hint: "Remove the snapshot " + c.Label + " by hand, or run snapferry recover with this source: it takes space as long as it is there."}
		}
	}
	err = os.RemoveAll(at)
	// Never what is in the place: should something still be mounted there, it is
	// not ours.
	for _, path := range []string{filepath.Join(folder.dir, placeName), written} {
		if rmErr := os.Remove(path); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	return c != nil, err
}

// endServer ends the scratch server of a home that a killed run has left.
func (s *source) endServer(ctx context.Context, at string) error {
	left := install.Installation{Home: at, Conf: filepath.Join(at, "conf"), Version: s.admin.Version}
	conf, err := left.ReadConf("")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return err
	}
	return home.EndServer(data, s.options.Log)
}

// explainClone says what to do about a clone that could not be made or used.
func (s *source) explainClone(err error) error {
	hint := ""
	switch {
	case errors.Is(err, clone.ErrNotAtomic):
		hint = "Put data and transaction logs into one file system, without links, or use neo4j+dump with stop=yes."
	case errors.Is(err, freeze.ErrNeeded):
		hint = "The database must be on a file system of its own, and programs, scratch, logs and caches on another one."
	case errors.Is(err, freeze.ErrLate):
		hint = "What takes the snapshot must do so within 5 seconds, and write nothing to the file system: nobody could meanwhile. It is thawed."
	case errors.Is(err, freeze.ErrUnsupported):
		hint = "Leave out freeze, and take a snapshot that is atomic by itself; or use neo4j+dump with stop=yes."
	case errors.Is(err, clone.ErrUnfit):
		hint = "Name what the file system of the database is: via=btrfs, zfs or lvm, or a program of your own with via=command."
	case errors.Is(err, clone.ErrFull):
		hint = "Free space in the pool, or make it larger: what is written while there is a snapshot takes space, and a pool that is full stops the server."
	case errors.Is(err, clone.ErrTool):
		hint = "Run it by hand as this user; snapshots mostly need root."
	case errors.Is(err, home.ErrInconsistent):
		hint = "Check the live database: the snapshot is what it has on disk. Without check=yes it would be shipped as it is."
	case errors.Is(err, home.ErrEnded), errors.Is(err, ErrNeedsRecovery):
		hint = "The scratch server could not recover the clone: --verbose shows what it says; it may need more with memory=MIB."
	}
	if hint == "" {
		return s.admin.fail("capture", err)
	}
	return &snapshot.Error{Op: "capture", Name: s.database, Err: err, Hint: cmp.Or(carried(err), hint)}
}

// carried is the hint that an error has already.
func carried(err error) string {
	if known, ok := errors.AsType[*snapshot.Error](err); ok {
		return known.Hint
	}
	return ""
}
