// Package files captures what a file system holds: a regular file, a
// directory, a block device, and a stream such as standard input. Package
// restore, below it, puts it back.
//
// A file and a device are images of their own bytes; the holes of a sparse
// file are left out of the extents and are never read. A directory is one
// image too: a POSIX tar (PAX) that exists only as arithmetic over a list of
// entries, so that any range of it can be read at any time without a staging
// area. The list lives in an unlinked temporary file, and memory stays the
// same for ten files and for ten million.
//
// Whatever changes between Capture and Check fails the backup with the name of
// the file: size, modification time, change time and inode are compared, for a
// directory those of every entry. A write through a shared memory mapping that
// the kernel has not yet noted in the times of the file is the known gap.
//
// Mount points below a directory are followed. Sockets cannot be kept and are
// skipped with a warning; device nodes and named pipes are kept as entries.
// Several names of one regular file are restored as one file.
package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// Options say how a source is opened. The zero value is usable.
type Options struct {
	// Host is the name of this machine in the identity of the source; empty
	// asks the system.
	Host string
	// Log takes warnings; nil means slog.Default().
	Log *slog.Logger
	// TempDir holds the entry list of a directory, about 100 bytes an entry;
	// empty means os.TempDir(). The file has no name there, so nothing is left
	// behind by a process that is killed.
	TempDir string
	// Rand gives the fingerprints of what cannot be read again; nil means
	// crypto/rand.
	Rand io.Reader
}

func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return o, fmt.Errorf("ask host name: %w", err)
		}
		o.Host = host
	}
	return o, nil
}

func (o Options) randomFingerprint() (sum [32]byte, err error) {
	if _, err := io.ReadFull(o.Rand, sum[:]); err != nil {
		return sum, fmt.Errorf("read random bytes: %w", err)
	}
	return sum, nil
}

// Open returns the source at path: a regular file, a directory or a block
// device, or a symbolic link to one. The link is followed at each Capture; the
// identity of the source is the path as given, made absolute.
//
// What does not exist is a *snapshot.Error that wraps snapshot.ErrNotFound;
// what cannot be a source (socket, pipe, character device) wraps
// snapshot.ErrUsage.
func Open(path string, opts Options) (snapshot.Source, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, captureError(path, err)
	}
	s := &source{path: abs, opts: opts}
	if _, _, err := s.resolve(); err != nil {
		return nil, err
	}
	return s, nil
}

// source is a path that can be captured again and again.
type source struct {
	path string
	opts Options
}

// Name is the last element of the path, or the host for the root folder.
func (s *source) Name() string {
	base := filepath.Base(s.path)
	if base == string(filepath.Separator) || base == "." {
		return s.opts.Host
	}
	return base
}

// resolve follows the path to what it names now.
func (s *source) resolve() (string, fs.FileMode, error) {
	target, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return "", 0, captureError(s.path, err)
	}
	info, err := os.Lstat(target)
	if err != nil {
		return "", 0, captureError(s.path, err)
	}
	mode := info.Mode()
	switch {
	case mode.IsRegular(), mode.IsDir(), sys.IsBlockDevice(mode):
		return target, mode, nil
	}
	return "", 0, &snapshot.Error{
		Op: "capture", Name: s.path, Err: fmt.Errorf("%w: it is a %s", snapshot.ErrUsage, sys.Kind(mode)),
		Hint: "give a file, a directory or a block device; pipe other data in and use - as the source",
	}
}

// Capture takes the state of the source as it is now.
func (s *source) Capture(ctx context.Context) (snapshot.Capture, error) {
	target, mode, err := s.resolve()
	if err != nil {
		return nil, err
	}
	switch {
	case mode.IsDir():
		return s.captureDir(ctx, target)
	case mode.IsRegular():
		return s.captureFile(target)
	default:
		return s.captureDevice(target)
	}
}

// captureError gives the failure of a system call while a capture is taken the
// shape a user can act on.
func captureError(path string, err error) error {
	return sourceError("capture", path, err)
}

func sourceError(op, path string, err error) error {
	var known *snapshot.Error
	if errors.As(err, &known) {
		return err
	}
	e := &snapshot.Error{Op: op, Name: path, Err: sys.Cause(err)}
	switch {
	case errors.Is(err, snapshot.ErrChanged):
		e.Hint = "stop what writes to the source, or back up a snapshot of it, then run again"
	case errors.Is(err, fs.ErrNotExist), sys.IsNotDir(err):
		e.Err = fmt.Errorf("%w: %w", snapshot.ErrNotFound, sys.Cause(err))
		e.Hint = "check the path, and that the file system it lies on is mounted"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "run as a user who may read it, or leave it out of the source"
	case sys.IsNameTooLong(err):
		e.Hint = "move the tree closer to the root of its file system, or back up a part of it"
	case sys.IsNoSpace(err):
		e.Hint = "the entry list of a directory needs about 100 bytes an entry: free space in the folder for temporary files, or name another one"
	}
	return e
}
