package neo4j

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// scratch is our folder below the one the user gave: one for each source, found
// again by its name, held by one run at a time.
//
// neo4j-admin may run as somebody else, who gets a folder of its own in it: in
// ours, nobody else can put anything in the way of our files.
type scratch struct {
	dir   string
	dumps string         // folder of the dump file
	dump  string         // its path
	owner *process.Owner // who writes it; nil: who we are
	lock  *os.File
}

// captureScratch captures the dump in a scratch folder, which it makes unless
// that was done for several databases at once.
func (s *source) captureScratch(ctx context.Context, info snapshot.Info) (_ snapshot.Capture, err error) {
	if s.ready == nil {
		if err := prepare(ctx, []*source{s}); err != nil {
			return nil, err
		}
	}
	made := s.ready
	s.ready = nil
	if made.err != nil {
		return nil, made.err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.folder.release())
		}
	}()
	dump := made.dump
	info.Facts = dump.Facts
	file, err := os.Open(made.folder.dump)
	if err != nil {
		return nil, s.admin.fail("capture", fmt.Errorf("open dump: %w", err))
	}
	info.Resumable = dump.State != ""
	if info.Fingerprint, err = dump.fingerprint(info); err != nil {
		return nil, s.admin.fail("capture", errors.Join(err, file.Close()))
	}
	return &scratchCapture{admin: s.admin, info: info, dump: dump, folder: made.folder, file: file}, nil
}

// openFolder makes or finds our folder below the one that the URL names, and takes
// its lock.
func (s *source) openFolder() (*scratch, error) {
	parent, err := install.RealFolder(s.scratch)
	if err != nil {
		return nil, &snapshot.Error{Op: "capture", Name: s.scratch, Err: fmt.Errorf("%w: open scratch folder: %w", snapshot.ErrUsage, err),
			Hint: "scratch must be an existing folder with room for the whole dump."}
	}
	folder, err := openScratch(parent, s.identity(), s.admin.owner)
	if err == nil && s.raw {
		folder.dump = filepath.Join(folder.dumps, s.database+".tar")
	}
	return folder, err
}

// dumpStopped dumps a database that nobody uses. The state is that of the store,
// empty if somebody used it right before or after: the dump is good then, but
// nobody can say later which state it has.
func (s *source) dumpStopped(ctx context.Context, folder *scratch) (made dumped) {
	before, err := s.at.state()
	if err != nil {
		return dumped{err: s.admin.fail("capture", fmt.Errorf("read the store's files: %w", err))}
	}
	// One after the other: info says of a store that it is in use while it is
	// dumped.
	if made.facts, made.err = s.facts(ctx, s.at); made.err != nil {
		return made
	}
	if made.err = s.admin.dumpTo(ctx, folder.dumps); made.err != nil {
		return made
	}
	after, err := s.at.state()
	if err != nil {
		return dumped{err: s.admin.fail("capture", fmt.Errorf("read the store's files: %w", err))}
	}
	if before == after {
		made.state = before
	}
	return made
}

func (a *admin) dumpTo(ctx context.Context, dir string) error {
	out, text, err := process.Output(ctx, a.command(a.Version.DumpTo(a.database, dir)))
	_, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		return a.failText("dump", text+"\n"+string(out), err)
	case err != nil:
		return a.startFailure("dump", err)
	}
	return nil
}

// verifyFile proves the dump whole, makes it durable, and describes it.
func verifyFile(ctx context.Context, path string) (*marker, error) {
	m, _, err := verifyArtifact(ctx, path)
	return m, err
}

// verifyArtifact is verifyFile, with what the artifact says of itself.
func verifyArtifact(ctx context.Context, path string) (_ *marker, content artifact.Info, err error) {
	// Sync needs a file open for writing on some systems.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, content, fmt.Errorf("open dump: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	if content, err = artifact.Verify(io.TeeReader(&contextReader{ctx: ctx, r: file}, sum)); err != nil {
		return nil, content, err
	}
	if err := file.Sync(); err != nil {
		return nil, content, fmt.Errorf("sync dump: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, content, fmt.Errorf("stat dump: %w", err)
	}
	return &marker{fileMark: markOf(info, hex.EncodeToString(sum.Sum(nil))), Version: markerVersion, Files: content.Files, Bytes: content.Bytes}, content, nil
}

// hashFile is the SHA-256 of a file, in hexadecimal.
func hashFile(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, &contextReader{ctx: ctx, r: file})
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, file.Close())
}

// contextReader ends a long read when the context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// openScratch makes or finds our folder and takes its lock. The owner is who
// writes dumps into it; nil: who we are.
func openScratch(parent string, id snapshot.Identity, owner *process.Owner) (*scratch, error) {
	dir := folderOf(parent, id)
	s := &scratch{dir: dir, dumps: filepath.Join(dir, "dump"), owner: owner}
	s.dump = filepath.Join(s.dumps, id.ID+".dump")
	refuse := func(err error, hint string) (*scratch, error) {
		return nil, &snapshot.Error{Op: "capture", Name: dir, Err: err, Hint: hint}
	}
	// A run that ends removes the folder; then we try once more.
	for range 10 {
		if err := os.Mkdir(dir, owner.FolderMode()); err != nil && !errors.Is(err, fs.ErrExist) {
			return refuse(fmt.Errorf("make scratch folder: %w", err), "The scratch folder must be writable for this user.")
		}
		if info, err := os.Lstat(dir); err == nil && !private(info) {
			return refuse(fmt.Errorf("%w: the folder belongs to another user or is open to others", snapshot.ErrUnsafe),
				"Remove it, or give another scratch folder; what is found in it would be backed up.")
		}
		// It may have been made for another owner.
		if err := os.Chmod(dir, owner.FolderMode()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return refuse(fmt.Errorf("let the owner of the data into the scratch folder: %w", err), "The scratch folder must be one that this user may change.")
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return refuse(fmt.Errorf("open lock of scratch folder: %w", err), "The scratch folder must be writable for this user.")
		}
		if err := home.LockFile(lock); err != nil {
			return refuse(errors.Join(fmt.Errorf("%w: another run uses this scratch folder: %w", snapshot.ErrUnsafe, err), lock.Close()),
				"Wait for the other backup of this database, or give another scratch folder.")
		}
		if sameFile(lock) {
			s.lock = lock
			return s, nil
		}
		if err := lock.Close(); err != nil {
			return refuse(fmt.Errorf("close lock of scratch folder: %w", err), "")
		}
	}
	return refuse(fmt.Errorf("%w: the scratch folder keeps vanishing", snapshot.ErrUnsafe), "Another run uses it; wait for it to end.")
}

// folderOf is our folder of a source below parent.
func folderOf(parent string, id snapshot.Identity) string {
	sum := sha256.Sum256([]byte(id.Host + "\x00" + id.Path + "\x00" + id.ID))
	return filepath.Join(parent, "snapferry-"+id.ID+"-"+hex.EncodeToString(sum[:6]))
}

// sameFile reports whether the open lock is still the one at its place: the
// run that held it before may have removed it.
func sameFile(lock *os.File) bool {
	open, err := lock.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(lock.Name())
	return err == nil && os.SameFile(open, now)
}

// prepare makes the folder of the dump.
func (s *scratch) prepare() error {
	err := os.Mkdir(s.dumps, 0o700)
	if err == nil {
		err = s.owner.Give(s.dumps)
	}
	if err != nil {
		return fmt.Errorf("make folder of the dump: %w", err)
	}
	return nil
}

// clear removes the dump and its marker, also what a killed run left.
func (s *scratch) clear() error {
	err := os.RemoveAll(s.dumps)
	for _, path := range []string{s.marker(), s.marker() + ".new", filepath.Join(s.dir, guard.LogName)} {
		if rmErr := os.Remove(path); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	if err != nil {
		return fmt.Errorf("clear scratch folder: %w", err)
	}
	return nil
}

// release gives the folder up. It goes away if nothing is left in it.
func (s *scratch) release() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) > 1 {
		return errors.Join(err, s.lock.Close())
	}
	err = removeLocked(s.lock)
	// Another run may have begun to use it meanwhile; then it is not empty.
	if rmErr := os.Remove(s.dir); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) && !errors.Is(rmErr, fs.ErrExist) {
		err = errors.Join(err, rmErr)
	}
	return err
}

type scratchCapture struct {
	admin  *admin
	info   snapshot.Info
	dump   *marker
	folder *scratch
	file   *os.File
	passed bool // Check has succeeded
}

func (c *scratchCapture) Info() snapshot.Info { return c.info }

func (c *scratchCapture) Images() []snapshot.Image {
	image := snapshot.Image{Name: filepath.Base(c.folder.dump), Form: snapshot.FormRaw, Size: c.dump.Size, Data: c.file, Compressed: true}
	if filepath.Ext(image.Name) == ".tar" {
		image.Form, image.Compressed = snapshot.FormTar, false
	}
	return []snapshot.Image{image}
}

// Check confirms that the dump file is still the one that was verified.
func (c *scratchCapture) Check(context.Context) error {
	info, err := c.file.Stat()
	if err != nil {
		return c.admin.fail("dump", fmt.Errorf("stat dump: %w", err))
	}
	if !c.dump.describes(info) {
		return c.admin.fail("dump", fmt.Errorf("%w: %s", snapshot.ErrChanged, c.folder.dump))
	}
	c.passed = true
	return nil
}

// Close removes the dump if Check has passed, or if no later run could tell
// that the dump is still of the store's state. Else it stays to be resumed.
func (c *scratchCapture) Close() error {
	err := errors.Join(c.file.Close(), c.folder.leave(c.info.Resumable && !c.passed))
	if err != nil {
		return c.admin.fail("close", err)
	}
	return nil
}

// leave gives the folder up, with the dump in it if that may be resumed.
func (s *scratch) leave(dump bool) error {
	if dump {
		return s.release()
	}
	return errors.Join(s.clear(), s.release())
}

// fingerprint is made of the dump's own hash: equal fingerprints, equal bytes.
func (m *marker) fingerprint(info snapshot.Info) ([32]byte, error) {
	if m.State == "" {
		var random [32]byte
		_, err := rand.Read(random[:])
		return random, err
	}
	return fingerprintOf(info.Identity, m.SHA256), nil
}

// fingerprintOf is that of a file whose hash is sum, as the state of a source.
func fingerprintOf(id snapshot.Identity, sum string) [32]byte {
	return sha256.Sum256([]byte(id.Type + "\x00" + id.Host + "\x00" + id.Path + "\x00" + id.ID + "\x00" + sum))
}
