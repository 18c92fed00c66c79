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
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// scratch is our folder below the one the user gave: one for each source, found
// again by its name, held by one run at a time.
type scratch struct {
	dir  string
	dump string // path of the dump file
	lock *os.File
}

func (s *source) captureScratch(ctx context.Context, info snapshot.Info, store store) (_ snapshot.Capture, err error) {
	parent, err := install.RealFolder(s.scratch)
	if err != nil {
		return nil, &snapshot.Error{Op: "capture", Name: s.scratch, Err: fmt.Errorf("%w: open scratch folder: %w", snapshot.ErrUsage, err),
			Hint: "scratch must be an existing folder with room for the whole dump."}
	}
	folder, err := openScratch(parent, info.Identity)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, folder.release())
		}
	}()
	state, err := store.state()
	if err != nil {
		return nil, s.admin.fail("capture", fmt.Errorf("read the store's files: %w", err))
	}
	dump := folder.resume(state)
	if dump == nil {
		if dump, err = s.dumpToFile(ctx, folder, store, state); err != nil {
			return nil, errors.Join(err, folder.clear())
		}
	} else {
		s.options.Log.Info("resuming with the dump of an earlier run", "database", s.database, "file", folder.dump)
	}
	file, err := os.Open(folder.dump)
	if err != nil {
		return nil, s.admin.fail("capture", fmt.Errorf("open dump: %w", err))
	}
	info.Resumable = dump.State != ""
	if info.Fingerprint, err = dump.fingerprint(info); err != nil {
		return nil, s.admin.fail("capture", errors.Join(err, file.Close()))
	}
	return &scratchCapture{admin: s.admin, info: info, dump: dump, folder: folder, file: file}, nil
}

// dumpToFile makes and verifies the dump of a store in the given state, and
// leaves the marker by which a later run knows it.
func (s *source) dumpToFile(ctx context.Context, folder *scratch, store store, before string) (*marker, error) {
	if err := folder.clear(); err != nil {
		return nil, s.admin.fail("capture", err)
	}
	if err := folder.checkSpace(store, s.options.Log); err != nil {
		return nil, s.admin.fail("capture", err)
	}
	if err := s.admin.dumpTo(ctx, folder.dir); err != nil {
		return nil, err
	}
	dump, err := verifyFile(ctx, folder.dump)
	if err != nil {
		return nil, s.admin.fail("dump", err)
	}
	after, err := store.state()
	if err != nil {
		return nil, s.admin.fail("capture", fmt.Errorf("read the store's files: %w", err))
	}
	// If somebody used the database right before or after, the dump is good,
	// but nobody can say later which state it has.
	if before == after {
		dump.State = before
	}
	if err := folder.mark(dump); err != nil {
		return nil, s.admin.fail("capture", err)
	}
	return dump, nil
}

func (a *admin) dumpTo(ctx context.Context, dir string) error {
	p, err := a.start(ctx, a.Version.DumpTo(a.database, dir)...)
	if err != nil {
		return err
	}
	text, _ := io.ReadAll(io.LimitReader(p.stdout, maxAnswer)) // short, and only for an error message
	exitErr := p.finish()
	if err := p.stop(); err != nil {
		return a.fail("dump", err)
	}
	if ctx.Err() != nil {
		return a.fail("dump", context.Cause(ctx))
	}
	if exitErr != nil {
		return a.failText("dump", p.lines.text()+"\n"+string(text), exitErr)
	}
	return nil
}

// verifyFile proves the dump whole, makes it durable, and describes it.
func verifyFile(ctx context.Context, path string) (_ *marker, err error) {
	// Sync needs a file open for writing on some systems.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open dump: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	content, err := artifact.Verify(io.TeeReader(&contextReader{ctx: ctx, r: file}, sum))
	if err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("sync dump: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat dump: %w", err)
	}
	return &marker{
		Version: markerVersion, Size: info.Size(), Modified: info.ModTime().UnixNano(),
		SHA256: hex.EncodeToString(sum.Sum(nil)), Files: content.Files, Bytes: content.Bytes,
	}, nil
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

// openScratch makes or finds our folder and takes its lock.
func openScratch(parent string, id snapshot.Identity) (*scratch, error) {
	sum := sha256.Sum256([]byte(id.Host + "\x00" + id.Path + "\x00" + id.ID))
	dir := filepath.Join(parent, "snapferry-"+id.ID+"-"+hex.EncodeToString(sum[:6]))
	s := &scratch{dir: dir, dump: filepath.Join(dir, id.ID+".dump")}
	refuse := func(err error, hint string) (*scratch, error) {
		return nil, &snapshot.Error{Op: "capture", Name: dir, Err: err, Hint: hint}
	}
	// A run that ends removes the folder; then we try once more.
	for range 10 {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return refuse(fmt.Errorf("make scratch folder: %w", err), "The scratch folder must be writable for this user.")
		}
		if info, err := os.Lstat(dir); err == nil && !private(info) {
			return refuse(fmt.Errorf("%w: the folder belongs to another user or is open to others", snapshot.ErrUnsafe),
				"Remove it, or give another scratch folder; what is found in it would be backed up.")
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return refuse(fmt.Errorf("open lock of scratch folder: %w", err), "The scratch folder must be writable for this user.")
		}
		if err := lockFile(lock); err != nil {
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

// clear removes the dump and its marker, also what a killed run left.
func (s *scratch) clear() error {
	for _, path := range []string{s.marker(), s.marker() + ".new", s.dump} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear scratch folder: %w", err)
		}
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
	return []snapshot.Image{{
		Name: c.info.Identity.ID + ".dump", Form: snapshot.FormRaw, Size: c.dump.Size,
		Data: c.file, Compressed: true,
	}}
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
	err := c.file.Close()
	if c.passed || !c.info.Resumable {
		err = errors.Join(err, c.folder.clear())
	}
	if err = errors.Join(err, c.folder.release()); err != nil {
		return c.admin.fail("close", err)
	}
	return nil
}

// fingerprint is made of the dump's own hash: equal fingerprints, equal bytes.
func (m *marker) fingerprint(info snapshot.Info) ([32]byte, error) {
	if m.State == "" {
		var random [32]byte
		_, err := rand.Read(random[:])
		return random, err
	}
	id := info.Identity
	return sha256.Sum256([]byte(id.Type + "\x00" + id.Host + "\x00" + id.Path + "\x00" + id.ID + "\x00" + m.SHA256)), nil
}
