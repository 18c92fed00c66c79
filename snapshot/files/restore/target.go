// Package restore puts the images of a backup back: into a file, a directory,
// a block device, or a stream such as standard output.
//
// Files and directories grow in a hidden sibling, ".NAME.snapferry-…", that is
// made durable and renamed at the end, so that a restore that fails, or is
// killed, shows nothing at its target; a killed one leaves the sibling, which
// the next restore to that target names in a warning.
package restore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// Options say how a target is written. The zero value is usable.
type Options struct {
	// Overwrite allows to replace what is at the target. Without it, whatever
	// is there and not empty is refused with snapshot.ErrNotEmpty.
	Overwrite bool
	// Scratch is for files that need not outlive the machine: nothing waits until
	// the disk has them. Folders and devices do not look at it.
	Scratch bool
	// Stdout takes the bytes for the target "-"; nil means os.Stdout.
	Stdout io.Writer
	// Log takes warnings; nil means slog.Default().
	Log *slog.Logger
	// Rand names temporary files; nil means crypto/rand.
	Rand io.Reader
}

func (o Options) withDefaults() Options {
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

// sibling returns a fresh name beside path for what is not finished.
func (o Options) sibling(path string) (string, error) {
	random := make([]byte, 6)
	if _, err := io.ReadFull(o.Rand, random); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	base := filepath.Base(path)
	base = "." + base[:min(len(base), 200)] + ".snapferry-" // a name has at most 255 bytes
	o.warnLeftovers(filepath.Dir(path), base)
	return filepath.Join(filepath.Dir(path), base+hex.EncodeToString(random)), nil
}

// warnLeftovers names what restores to the same target left behind when they
// were killed. It removes nothing: one of them may be running.
func (o Options) warnLeftovers(dir, base string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // whoever needs the directory will say so
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), base) {
			o.Log.Warn("an unfinished restore lies beside the target; remove it unless it is still running", "path", filepath.Join(dir, e.Name()))
		}
	}
}

// Target returns the target that path names: "-" is standard output, a block
// device is written in place, a pipe or a character device gets the bytes in
// order. Anything else is decided by the image: a tar is unpacked into a
// directory, unless path ends in ".tar"; all other images become files.
func Target(path string, opts Options) (snapshot.Target, error) {
	opts = opts.withDefaults()
	if path == "-" {
		return StdoutTarget(opts.Stdout), nil
	}
	if path == "" {
		return nil, &snapshot.Error{
			Op: "restore", Name: `""`, Err: fmt.Errorf("%w: the path is empty", snapshot.ErrUsage),
			Hint: "give the path of a file, a directory or a device, or - for standard output",
		}
	}
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, targetError(path, err, -1)
	}
	if err == nil {
		switch mode := info.Mode(); {
		case sys.IsBlockDevice(mode):
			return DeviceTarget(path, opts), nil
		case mode&(fs.ModeCharDevice|fs.ModeNamedPipe) != 0:
			return &streamTarget{path: path}, nil
		case !mode.IsRegular() && !mode.IsDir():
			return nil, &snapshot.Error{
				Op: "restore", Name: path, Err: fmt.Errorf("%w: it is a %s", snapshot.ErrUsage, sys.Kind(mode)),
				Hint: "give the path of a file, a directory or a device, or - for standard output",
			}
		}
	}
	return &pathTarget{path: path, opts: opts}, nil
}

// pathTarget waits for the first image to know whether it becomes a file or a
// directory.
type pathTarget struct {
	path   string
	opts   Options
	chosen snapshot.Target
}

func (t *pathTarget) Create(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	if t.chosen == nil {
		if info.Form == snapshot.FormTar && info.Sole && !strings.HasSuffix(t.path, ".tar") {
			t.chosen = DirTarget(t.path, t.opts)
		} else {
			t.chosen = FileTarget(t.path, t.opts)
		}
	}
	return t.chosen.Create(ctx, info)
}

func (t *pathTarget) Commit(ctx context.Context) error {
	if t.chosen == nil {
		return errors.New("commit a target without an image")
	}
	return t.chosen.Commit(ctx)
}

func (t *pathTarget) Abort() error {
	if t.chosen == nil {
		return nil
	}
	return t.chosen.Abort()
}

// targetError gives the failure of a system call at a target the shape a user
// can act on. need is the size of the image in bytes, -1 if unknown.
func targetError(path string, err error, need int64) error {
	var known *snapshot.Error
	if errors.As(err, &known) {
		return err
	}
	e := &snapshot.Error{Op: "restore", Name: path, Err: sys.Cause(err)}
	switch {
	case sys.IsNoSpace(err):
		e.Hint = spaceHint(path, need)
	case errors.Is(err, snapshot.ErrUnsafe):
		e.Hint = "the backup was not made by this program, or was tampered with: restore it to a .tar file and look into it"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "restore as a user who may write there, or name another target"
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = "make the folder that the target lies in first"
	case sys.IsNotDir(err):
		e.Hint = "a part of the path is a file: name another target"
	}
	return e
}

func spaceHint(path string, need int64) string {
	free := "no"
	if n, ok := freeSpace(filepath.Dir(path)); ok {
		free = fmt.Sprint(n)
	}
	if need < 0 {
		return fmt.Sprintf("the file system of the target has %s bytes free: make room, or name a target elsewhere", free)
	}
	return fmt.Sprintf("the target needs up to %d bytes, its file system has %s bytes free: make room, or name a target elsewhere", need, free)
}

func notEmpty(path, what string) error {
	return &snapshot.Error{
		Op: "restore", Name: path, Err: fmt.Errorf("%w: %s", snapshot.ErrNotEmpty, what),
		Hint: "name another target, or give --overwrite to replace what is there",
	}
}

// resolveTarget returns the absolute path behind path and what is there now;
// nil if nothing is. A symbolic link stands for what it points to, so that a
// rename replaces that and not the link.
func resolveTarget(path string) (string, fs.FileInfo, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", nil, err
	}
	target, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(abs); err == nil {
			return "", nil, notEmpty(path, "it is a symbolic link to what does not exist")
		}
		return abs, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	info, err := os.Lstat(target)
	if err != nil {
		return "", nil, err
	}
	return target, info, nil
}

// firstError is the first of several errors that is one.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
