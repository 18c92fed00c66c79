package neo4j

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// A copy of a database is a tar with its files as they are: databases/NAME,
// transactions/NAME (in 3.5 both are one), and conf/neo4j.conf if that was asked
// for.
const (
	copyFolder = "copy" // of a restore: where it is unpacked
	copyStore  = "databases"
	copyLogs   = "transactions"
	copyConf   = "conf/neo4j.conf"
)

// What the fact "artifact" says of copies.
const (
	factArtifact  = "artifact"
	copyClean     = "copy of the files"
	copyCrash     = "crash-consistent copy of the files"
	factRecovery  = install.FactRecovery
	recoveryIsDue = "required"
)

// IsCopy reports whether the facts of a backup say that it is a copy of the files
// of a database, which is restored by a server that recovers it where that is due.
func IsCopy(facts map[string]string) bool {
	return facts[factArtifact] == copyClean || facts[factArtifact] == copyCrash
}

// copyStopped copies a database that nobody uses into the scratch folder. One
// that changes meanwhile is no copy.
func (s *source) copyStopped(ctx context.Context, folder *scratch) (made dumped) {
	before, err := s.idle()
	if err != nil {
		return dumped{err: err}
	}
	if made.facts, err = s.copyFacts(ctx); err != nil {
		return dumped{err: err}
	}
	conf, err := s.publicConf()
	if err != nil {
		return dumped{err: s.admin.fail("copy", err)}
	}
	if err := s.writeCopy(ctx, folder.dump, s.at, conf); err != nil {
		return dumped{err: s.admin.fail("copy", err)}
	}
	after, err := s.idle()
	if err != nil {
		return dumped{err: err}
	}
	if before != after {
		return dumped{err: s.admin.fail("copy", fmt.Errorf("%w: a server may have been started", snapshot.ErrChanged))}
	}
	made.state = before
	return made
}

// idle is the state of a store that nobody has open.
func (s *source) idle() (string, error) {
	if s.at.data == "" {
		return "", s.admin.fail("copy", ErrNoDatabase)
	}
	_, open, err := s.admin.Version.OpenedBy(install.Store{Data: s.at.data, Logs: s.at.transactions})
	if err == nil && open {
		err = ErrInUse
	}
	if err != nil {
		return "", s.admin.fail("copy", err)
	}
	state, err := s.at.state()
	if err != nil {
		return "", s.admin.fail("copy", fmt.Errorf("read the store's files: %w", err))
	}
	return state, nil
}

// copyFacts are those of a store that may need recovery, which whoever restores
// the copy lets it have.
func (s *source) copyFacts(ctx context.Context) (map[string]string, error) {
	out, err := s.admin.output(ctx, s.admin.Version.Info(s.database, s.at.data)...)
	if err != nil {
		return nil, err
	}
	info, err := s.admin.Version.ParseInfo(out)
	if err != nil {
		s.admin.log.Warn("neo4j-admin gave no usable answer about the store", "database", s.database, "error", err)
	}
	if info.InUse {
		return nil, s.admin.fail("copy", ErrInUse)
	}
	return s.factsOfCopy(info, copyClean), nil
}

func (s *source) factsOfCopy(info install.StoreInfo, artifact string) map[string]string {
	facts := info.Facts()
	if info.RecoveryRequired {
		facts[factRecovery], artifact = recoveryIsDue, copyCrash
	}
	facts["database"], facts["neo4j"], facts[factArtifact] = s.database, s.admin.Version.Text, artifact
	return facts
}

// publicConf is the configuration without its secrets; nil: it was not asked for.
func (s *source) publicConf() ([]byte, error) {
	if !s.conf {
		return nil, nil
	}
	raw, err := os.ReadFile(filepath.Join(s.admin.Conf, "neo4j.conf"))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return install.WithoutSecrets(raw), nil
}

// writeCopy writes the tar of a database, whose files nobody changes.
func (s *source) writeCopy(ctx context.Context, to string, at store, conf []byte) (err error) {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := &sparseWriter{file: file}
	w := &copyWriter{ctx: ctx, tar: tar.NewWriter(out)}
	if err := w.folder(at.data, path.Join(copyStore, s.database)); err != nil {
		return err
	}
	logs := path.Join(copyLogs, s.database)
	if s.admin.Version.Major < 4 { // it finds them beside the store
		logs = path.Join(copyStore, s.database)
	}
	if at.transactions != at.data {
		if err := w.folder(at.transactions, logs); err != nil {
			return err
		}
	}
	if conf != nil {
		if err := w.write(copyConf, int64(len(conf)), s.now(), bytes.NewReader(conf)); err != nil {
			return err
		}
	}
	if err := w.tar.Close(); err != nil {
		return err
	}
	return out.finish()
}

// copyWriter writes files into a tar.
type copyWriter struct {
	ctx context.Context //nolint:containedctx // that of the capture
	tar *tar.Writer
}

// folder adds a folder and what is in it, but the lock of the store and the mark
// of one in quarantine.
func (w *copyWriter) folder(root, name string) error {
	// Who owns the store might put a link in the place of a file that we, perhaps
	// as root, are about to read.
	within, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		inside := path.Join(name, filepath.ToSlash(rel))
		switch info, err := e.Info(); {
		case err != nil:
			return err
		case e.IsDir():
			return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: inside + "/", Mode: 0o700, ModTime: info.ModTime(), Format: tar.FormatPAX})
		case e.Name() == "database_lock" || e.Name() == "quarantine_marker":
			return nil
		case !e.Type().IsRegular():
			return fmt.Errorf("%w: %s is neither a file nor a folder", snapshot.ErrUnsafe, at)
		default:
			file, err := within.Open(rel)
			if err != nil {
				return err
			}
			return errors.Join(w.write(inside, info.Size(), info.ModTime(), file), file.Close())
		}
	})
	return errors.Join(err, within.Close())
}

func (w *copyWriter) write(name string, size int64, at time.Time, from io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	// Whole files only: one that has grown is not copied to where it was.
	n, err := io.Copy(w.tar, &contextReader{ctx: w.ctx, r: from})
	if err == nil && n != size {
		err = fmt.Errorf("%w: it had %d bytes and now %d", snapshot.ErrChanged, size, n)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return nil
}

// sparseWriter leaves out what is zero: the logs of transactions are made large,
// and mostly are empty.
type sparseWriter struct {
	file *os.File
	at   int64
}

// sparseBlock is the least that is left out.
const sparseBlock = 4096

func (w *sparseWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		block := p[done:min(len(p), done+sparseBlock)]
		if !allZero(block) {
			if _, err := w.file.WriteAt(block, w.at); err != nil {
				return done, err
			}
		}
		done += len(block)
		w.at += int64(len(block))
	}
	return len(p), nil
}

func allZero(block []byte) bool {
	for _, b := range block {
		if b != 0 {
			return false
		}
	}
	return true
}

// finish gives the file its length, which ends with zeros.
func (w *sparseWriter) finish() error { return w.file.Truncate(w.at) }

// verifyCopy proves a copy whole, makes it durable, and describes it.
func verifyCopy(ctx context.Context, at string) (_ *marker, err error) {
	file, err := os.OpenFile(at, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	all := io.TeeReader(&contextReader{ctx: ctx, r: file}, sum)
	m := &marker{Version: markerVersion}
	for r := tar.NewReader(all); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the copy: %w", err)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			return nil, fmt.Errorf("read the copy: %w", err)
		}
		if header.Typeflag == tar.TypeReg {
			m.Files++
			m.Bytes += n
		}
	}
	if _, err := io.Copy(io.Discard, all); err != nil {
		return nil, fmt.Errorf("read the copy: %w", err)
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("sync copy: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat copy: %w", err)
	}
	m.fileMark = markOf(info, hex.EncodeToString(sum.Sum(nil)))
	return m, nil
}
