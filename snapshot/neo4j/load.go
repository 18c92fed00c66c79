package neo4j

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/swap"
)

// The folders of a restore, in the folder of the data: so that putting the
// database in place is renaming it.
const (
	stagePrefix = ".snapferry-restore-" // and the database: what is being restored
	oldPrefix   = ".snapferry-old-"     // and the database and the time: what was there before
	swapName    = "swap.json"
)

// LoadOptions are what a target needs besides its URL.
type LoadOptions struct {
	Options
	// Overwrite lets a database that is there be replaced. It stays beside.
	Overwrite bool
	// DropOld removes the database that was replaced, once the new one serves.
	DropOld bool
}

// OpenTarget checks the URL of a target, into which a dump is loaded: beside the
// database, where it is checked, and then put in its place by renaming. A server
// that runs is stopped for that moment alone, if the URL says stop=yes.
func OpenTarget(u *url.URL, options LoadOptions) (snapshot.Target, error) {
	opened, err := Open(u, options.Options)
	if err != nil {
		return nil, err
	}
	return &loadTarget{source: opened.(*source), options: options}, nil
}

type loadTarget struct {
	*source
	options LoadOptions

	at    install.Store // where the database is, or will be
	data  string
	stage string // our folder
	logs  string // the stage of transaction logs that are on another file system; empty: they are not
	lock  *os.File
	home  *home.Home // in which the database is made; nil: not yet
	// What is fetched is one of: a dump that is loaded as it comes; the folder of a
	// copy; a dump, or the chain of .backup files, the full one first.
	loading *home.Loading
	copied  bool
	script  string // of users and roles, that a .backup file has
	fetched []fetched
}

// Create finds out everything that can be, before a byte is fetched.
func (t *loadTarget) Create(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	backup := isArtifactName(info.Name)
	if !info.Sole && !backup {
		return nil, t.refuse(snapshot.ErrUsage, errors.New("a dump is one image"), "Name it with --image, or restore into a folder.")
	}
	if t.until != "" && !backup {
		return nil, t.refuse(snapshot.ErrUsage, errors.New("a dump is of one instant"), "Leave out until, which is for backups with their differentials.")
	}
	if t.lock == nil {
		if err := t.prepare(ctx); err != nil {
			return nil, err
		}
	}
	if info.Form != snapshot.FormTar && !backup {
		sink, err := t.createStream(ctx)
		if !errors.Is(err, install.ErrVersion) {
			return sink, err
		}
	}
	return t.createFile(ctx, info)
}

func (t *loadTarget) dumps() string { return filepath.Join(t.stage, "dump") }

func (t *loadTarget) refuse(class, why error, hint string) error {
	return &snapshot.Error{Op: "restore", Name: t.database, Err: fmt.Errorf("%w: %w", class, why), Hint: hint}
}

// prepare locates the database, takes the lock, and finishes or removes what an
// earlier restore has left.
func (t *loadTarget) prepare(ctx context.Context) error {
	if err := t.locate(ctx); err != nil {
		return err
	}
	if err := os.Mkdir(t.stage, t.admin.owner.FolderMode()); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a folder beside the database: %w", err)
	}
	if err := t.ours(); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(t.stage, home.LockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := home.LockFile(lock); err != nil {
		return errors.Join(t.refuse(snapshot.ErrUnsafe, errors.New("another restore of it is under way"), "Wait for it to end."), lock.Close())
	}
	t.lock = lock
	if _, err := t.finishEarlier(ctx); err != nil {
		return err
	}
	if err := t.clear(); err != nil {
		return err
	}
	_, running, err := install.RunningOn(t.data)
	if err != nil {
		return err
	}
	if running && !t.stop {
		return t.refuse(snapshot.ErrUnsafe, errors.New("the server is running"),
			"Add stop=yes: it is stopped for a moment once the database is loaded and checked. Or stop it by hand.")
	}
	if entries, err := os.ReadDir(t.at.Data); err == nil && len(entries) > 0 && !t.options.Overwrite {
		return t.refuse(snapshot.ErrNotEmpty, errors.New("the database is there: "+t.at.Data), "Add --overwrite: it is put beside, and stays until you remove it.")
	}
	if err := t.served(ctx); err != nil {
		return err
	}
	return t.renamable()
}

// ours refuses a folder that somebody else has put there: as root, we would
// remove what it leads to.
func (t *loadTarget) ours() error {
	info, err := os.Lstat(t.stage)
	if err != nil {
		return err
	}
	if !private(info) {
		return t.refuse(snapshot.ErrUnsafe, fmt.Errorf("%s belongs to another user, or is open to others", t.stage), "Look what it is, and remove it.")
	}
	return os.Chmod(t.stage, t.admin.owner.FolderMode()) // it may have been made for another owner
}

// served refuses a database that Community would not serve: it would look as if
// it had been restored.
func (t *loadTarget) served(ctx context.Context) error {
	conf, err := t.admin.ReadConf("")
	if err != nil {
		return err
	}
	byDefault, err := conf.DefaultDatabase(ctx)
	if err != nil {
		return t.admin.fail("restore", err)
	}
	enterprise, err := conf.Enterprise(ctx)
	if err != nil {
		return err
	}
	_, err = os.Stat(t.at.Data)
	if enterprise || err == nil || t.database == byDefault || t.database == install.System {
		return nil
	}
	return t.refuse(snapshot.ErrUsage, fmt.Errorf("this server serves %s and not %s", byDefault, t.database),
		"Restore into neo4j+load:///"+byDefault+", whatever the database was called before; or configure the name first.")
}

// renamable tries, with empty folders, what will be done with the database: that
// the folders are on one file system, and that we may.
func (t *loadTarget) renamable() error {
	from := map[string]string{filepath.Dir(t.at.Data): t.stage}
	if t.logs == "" {
		from[filepath.Dir(t.at.Logs)] = t.stage
	}
	for folder, stage := range from {
		probe, there := filepath.Join(stage, "probe"), filepath.Join(folder, stagePrefix+"probe")
		err := errors.Join(os.MkdirAll(folder, 0o755), os.Mkdir(probe, 0o700))
		if err == nil {
			err = os.Rename(probe, there)
		}
		if err = errors.Join(err, removeAny(probe), removeAny(there)); err != nil {
			return t.refuse(snapshot.ErrUnsafe, fmt.Errorf("the database cannot be put in place by renaming: %w", err),
				"Folders of data and databases must be on one file system, and be writable; nothing was touched. Else restore into a file, and load it with neo4j-admin.")
		}
	}
	return nil
}

func removeAny(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// locate finds the version, and where things are.
func (t *loadTarget) locate(ctx context.Context) error {
	if err := t.admin.findVersion(ctx); err != nil {
		return err
	}
	t.admin.owner = home.OwnerOf(ctx, t.admin.Installation)
	conf, err := t.admin.ReadConf("")
	if err != nil {
		return t.admin.fail("restore", err)
	}
	if conf.Moved() {
		return t.refuse(snapshot.ErrUsage, errors.New("an internal setting puts the stores elsewhere"), "Restore into a file, and load it with neo4j-admin.")
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return t.admin.fail("restore", err)
	}
	if t.data, err = install.RealFolder(data); err != nil {
		return t.refuse(snapshot.ErrNotFound, err, "home must be the installation whose database is restored.")
	}
	if t.at, err = conf.Store(ctx, t.database); err != nil {
		return t.admin.fail("restore", err)
	}
	t.stage = filepath.Join(t.data, stagePrefix+t.database)
	if root := filepath.Dir(t.at.Logs); t.admin.Version.Major >= 4 && root != filepath.Join(data, "transactions") {
		t.logs = filepath.Join(root, stagePrefix+t.database)
	}
	return nil
}

// finishEarlier does what a restore that died had begun: it puts the database in
// place and starts the server.
func (t *loadTarget) finishEarlier(ctx context.Context) (found bool, err error) {
	found, err = guard.Recover(ctx, filepath.Join(t.stage, stoppedName), t.who(), t.source.options.Log)
	if err != nil {
		return found, t.explainDown(err)
	}
	note := filepath.Join(t.stage, swapName)
	if _, err := os.Lstat(note); errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	_, running, err := install.RunningOn(t.data)
	if running && err == nil && !t.open() { // one of Enterprise goes on without the database
		conf, confErr := t.admin.ReadConf("")
		if err = confErr; err == nil {
			var enterprise bool
			enterprise, err = conf.Enterprise(ctx)
			running = !enterprise
		}
	}
	if err != nil || running {
		return found, t.refuse(snapshot.ErrUnsafe,
			errors.Join(errors.New("an earlier restore died while it put the database in place, and a server was started since"), err),
			"Stop the server, and run snapferry recover with this target: what it served meanwhile is put beside.")
	}
	swapped, err := swap.Finish(note)
	return found || swapped, err
}

// clear removes what a restore has left that put nothing in place.
func (t *loadTarget) clear() error {
	at := filepath.Join(t.stage, homeName)
	if err := home.EndServer(filepath.Join(at, "data"), t.source.options.Log); err != nil {
		return err
	}
	err := errors.Join(os.RemoveAll(at), os.RemoveAll(filepath.Join(t.stage, "dump")))
	if t.logs != "" {
		err = errors.Join(err, os.RemoveAll(t.logs))
	}
	if err != nil {
		return fmt.Errorf("remove what an earlier restore has left: %w", err)
	}
	return nil
}

// Commit loads, checks, and puts the database in place.
func (t *loadTarget) Commit(ctx context.Context) error {
	if err := t.load(ctx); err != nil {
		return err
	}
	old, err := t.place(ctx)
	if err != nil {
		return err
	}
	if err := t.keepScript(); err != nil {
		return err
	}
	if t.options.DropOld {
		for _, folder := range old {
			if err := os.RemoveAll(folder); err != nil {
				return fmt.Errorf("the database is restored; remove the one before: %w", err)
			}
		}
		old = nil
	}
	for _, folder := range old {
		t.source.options.Log.Warn("the database that was there before stays; remove it when you are sure", "folder", folder)
	}
	return t.release()
}

// place renames the new database into its place while nobody uses it.
func (t *loadTarget) place(ctx context.Context) (old []string, err error) {
	moves, old := t.moves()
	note := filepath.Join(t.stage, swapName)
	put := func() error {
		if err := swap.Write(note, moves); err != nil {
			return err
		}
		_, err := swap.Finish(note)
		if err != nil {
			err = errors.Join(err, swap.Undo(note))
		}
		return err
	}
	spec, running, err := t.server(ctx, []*source{t.source}, filepath.Join(t.stage, stoppedName))
	switch {
	case err != nil:
		return nil, err
	case running && spec.ByDatabase && t.stop && !t.open():
		if err = put(); err == nil {
			t.source.options.Log.Warn("the server does not serve the database yet: START DATABASE, or CREATE DATABASE where it has none of that name, does",
				"database", t.database)
		}
	case !running:
		err = put()
	case !t.stop:
		err = t.refuse(snapshot.ErrUnsafe, errors.New("a server was started meanwhile"), "Stop it, or add stop=yes, and restore again.")
	default:
		spec.Swap, spec.Databases = note, map[string]install.Store{t.database: t.at}
		_, err = t.whileDown(ctx, spec, []*os.File{t.lock}, func(context.Context, func(int)) error { return put() })
	}
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, folder := range old {
		if _, err := os.Lstat(folder); err == nil {
			kept = append(kept, folder)
		}
	}
	return kept, nil
}

// open reports whether a server has the database open, or may have.
func (t *loadTarget) open() bool {
	_, open, err := t.admin.Version.OpenedBy(t.at)
	return err != nil || open
}

// moves are the folders that are put in place, and where the old ones go.
func (t *loadTarget) moves() (moves []swap.Move, old []string) {
	stamp := t.now().UTC().Format("20060102T150405Z")
	beside := filepath.Join(t.data, oldPrefix+t.database+"-"+stamp)
	fresh := filepath.Join(t.stage, homeName, "data")
	moves = []swap.Move{{New: filepath.Join(fresh, "databases", t.database), At: t.at.Data, Old: filepath.Join(beside, "databases")}}
	old = []string{beside}
	switch {
	case t.at.Logs == t.at.Data: // as in 3.5
	case t.logs != "":
		elsewhere := filepath.Join(filepath.Dir(t.logs), oldPrefix+t.database+"-"+stamp)
		moves = append(moves, swap.Move{New: filepath.Join(t.logs, t.database), At: t.at.Logs, Old: elsewhere})
		old = append(old, elsewhere)
	default:
		moves = append(moves, swap.Move{New: filepath.Join(fresh, "transactions", t.database), At: t.at.Logs, Old: filepath.Join(beside, "transactions")})
	}
	return moves, old
}

// Abort removes what was made. The database that was there was not touched.
func (t *loadTarget) Abort() error {
	if t.lock == nil {
		return nil
	}
	var err error
	if t.loading != nil {
		err = t.loading.Abort()
	}
	for _, f := range t.fetched {
		err = errors.Join(err, f.file.Abort())
	}
	for _, name := range []string{swapName, stoppedName} {
		if _, statErr := os.Lstat(filepath.Join(t.stage, name)); statErr == nil {
			// The new database is not in place, or the server does not serve: what
			// makes that good later must stay.
			lock := t.lock
			t.lock = nil
			return errors.Join(err, lock.Close())
		}
	}
	return errors.Join(err, t.release())
}

// release removes our folder.
func (t *loadTarget) release() error {
	if t.lock == nil {
		return nil
	}
	lock := t.lock
	t.lock = nil
	err := t.clear()
	if err == nil {
		err = os.RemoveAll(t.stage)
	}
	return errors.Join(err, lock.Close())
}

// now of a restore names what was there before, and is never the same twice.
func (t *loadTarget) now() time.Time {
	if now := t.source.now(); !now.IsZero() {
		return now
	}
	return time.Unix(0, 0)
}
