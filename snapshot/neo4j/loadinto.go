package neo4j

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/restore"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// fetched is a file or a folder that comes with a restore, and lies in our
// folder until it is a database.
type fetched struct {
	name string
	file snapshot.Target
}

// createFile takes what neo4j-admin reads from files alone, and copies.
func (t *loadTarget) createFile(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	if len(t.fetched) == 0 {
		if err := os.Mkdir(t.dumps(), 0o700); err != nil {
			return nil, fmt.Errorf("make a folder for the dump: %w", err)
		}
	}
	name := t.database + ".dump"
	switch {
	case isArtifactName(info.Name):
		name = info.Name
	case info.Form == snapshot.FormTar:
		name, t.copied = copyFolder, true
	}
	file, err := restore.Target(filepath.Join(t.dumps(), name), restore.Options{Scratch: true, Log: t.source.options.Log})
	if err != nil {
		return nil, err
	}
	t.fetched = append(t.fetched, fetched{name, file})
	info.Sole = true // in its own file
	return file.Create(ctx, info)
}

// createStream lets neo4j-admin load a dump as it is fetched: that takes less
// time, and no room. What is cut off never gets into place.
func (t *loadTarget) createStream(ctx context.Context) (snapshot.Sink, error) {
	if _, err := t.admin.Version.LoadStream(t.database); err != nil {
		return nil, err
	}
	err := t.makeHome(ctx)
	if err == nil {
		t.loading, err = t.home.LoadStream(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &loadSink{t}, nil
}

// loadSink is the way to a neo4j-admin that loads.
type loadSink struct{ target *loadTarget }

func (s *loadSink) Write(b []byte) (int, error) {
	n, err := s.target.loading.Write(b)
	if err != nil {
		err = s.target.explainLoad(err)
	}
	return n, err
}

func (s *loadSink) Close() error {
	if err := s.target.loading.Finish(); err != nil {
		return s.target.explainLoad(err)
	}
	return nil
}

// makeHome makes the scratch home in which the new database is made.
func (t *loadTarget) makeHome(ctx context.Context) error {
	_, beside, err := install.RunningOn(t.data)
	if err != nil {
		return err
	}
	if t.logs != "" {
		if err := errors.Join(os.Mkdir(t.logs, 0o700), t.admin.owner.Give(t.logs)); err != nil {
			return fmt.Errorf("make a folder beside the transaction logs: %w", err)
		}
	}
	t.home, err = home.Make(ctx, home.Options{Live: t.admin.Installation, Dir: filepath.Join(t.stage, homeName), Database: t.database, Logs: t.logs,
		Memory: t.memory, As: t.admin.owner, Background: beside, TempDir: t.source.options.TempDir, Log: t.admin.log})
	return err
}

// load makes the new database in the stage, and proves it.
func (t *loadTarget) load(ctx context.Context) error {
	if t.loading == nil {
		if err := t.loadFetched(ctx); err != nil {
			return err
		}
	} else if err := t.loading.Finish(); err != nil {
		return t.explainLoad(err)
	}
	if t.check { // which refuses one that is not clean
		if err := t.home.Check(ctx); err != nil {
			return t.explainLoad(err)
		}
	}
	return os.RemoveAll(t.dumps())
}

// loadFetched makes the database of what lies in our folder.
func (t *loadTarget) loadFetched(ctx context.Context) error {
	for _, f := range t.fetched {
		if err := f.file.Commit(ctx); err != nil {
			return err
		}
	}
	if err := t.makeHome(ctx); err != nil {
		return err
	}
	if t.copied {
		if err := t.home.Adopt(ctx, filepath.Join(t.dumps(), copyFolder)); err != nil {
			return t.explainLoad(err)
		}
		return nil
	}
	if err := t.admin.owner.Give(t.dumps()); err != nil {
		return err
	}
	for _, f := range t.fetched {
		if err := t.admin.owner.Give(filepath.Join(t.dumps(), f.name)); err != nil {
			return err
		}
	}
	chain, err := t.chained(ctx)
	if err != nil {
		return err
	}
	if chain {
		err = t.home.Restore(ctx, filepath.Join(t.dumps(), t.fetched[len(t.fetched)-1].name), t.until)
	} else {
		err = t.home.Load(ctx, t.dumps())
	}
	if err != nil {
		return t.explainLoad(err)
	}
	return nil
}

// chained reports whether what was fetched is restored as a chain, which takes
// the Enterprise edition, and not loaded. What neither can be is refused.
func (t *loadTarget) chained(ctx context.Context) (bool, error) {
	last := t.fetched[len(t.fetched)-1].name
	if !isArtifactName(last) {
		return false, nil
	}
	m, err := readMember(filepath.Join(t.dumps(), last))
	if err != nil {
		return false, err
	}
	b := m.Header.Backup
	t.script = b.Script
	if !strings.EqualFold(b.Database, t.database) {
		return false, t.refuse(snapshot.ErrUsage, fmt.Errorf("it is a backup of the database %s", b.Database),
			"Name it in the URL: "+LoadScheme+":///"+strings.ToLower(b.Database)+"?home=DIR.")
	}
	if len(t.fetched) == 1 && m.Header.Kind == artifact.Full && b.Recovered && t.until == "" {
		return false, nil
	}
	conf, err := t.admin.ReadConf("")
	if err != nil {
		return false, err
	}
	if enterprise, err := conf.Enterprise(ctx); err != nil || !enterprise {
		return false, errors.Join(t.refuse(snapshot.ErrUsage, errors.New("the Community edition loads whole full backups alone"),
			"Restore the chain into a folder, and aggregate it with the neo4j-admin of an Enterprise edition; or restore its full backup."), err)
	}
	return true, nil
}

func (t *loadTarget) explainLoad(err error) error {
	if failed, ok := errors.AsType[*home.AdminError](err); ok {
		if hint, reason := install.Explain(failed.Text, t.database, t.admin.Home); reason != nil {
			return &snapshot.Error{Op: "load", Name: t.database, Err: fmt.Errorf("%w (%w)", reason, err), Hint: hint}
		}
	}
	return &snapshot.Error{Op: "load", Name: t.database, Err: err, Hint: "The database that is there was not touched. Verify the backup, or restore another one."}
}

// keepScript keeps the Cypher that makes users and roles again, where neo4j-admin
// leaves it, and says what to do with it. It is run by nobody: it changes who may
// do what.
func (t *loadTarget) keepScript() error {
	if t.script == "" {
		return nil
	}
	folder := filepath.Join("scripts", t.database)
	name := filepath.Join(folder, "restore_metadata.cypher")
	if err := t.writeScript(folder, name); err != nil {
		return fmt.Errorf("the database is restored; keep the script of its users: %w", err)
	}
	t.source.options.Log.Warn("the backup has users and roles, which are not restored by themselves: look into the script, and run it with cypher-shell",
		"run", fmt.Sprintf("cypher-shell -d system --param \"database => '%s'\" -f %s", t.database, filepath.Join(t.data, name)))
	return nil
}

// writeScript writes the script below the data folder, and nowhere else: who owns
// that folder might have put a link there, and we may be root.
func (t *loadTarget) writeScript(folder, name string) (err error) {
	root, err := os.OpenRoot(t.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := root.WriteFile(name, []byte(t.script), 0o600); err != nil {
		return err
	}
	owner := t.admin.owner
	if owner == nil {
		return nil
	}
	for _, at := range []string{filepath.Dir(folder), folder, name} {
		if err := root.Lchown(at, int(owner.UID), int(owner.GID)); err != nil {
			return err
		}
	}
	return nil
}
