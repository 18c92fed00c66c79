package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
	"github.com/snapferry/snapferry/snapshot/files/untar"
)

// DirTarget returns the target that unpacks a tar image as the directory path;
// see package untar for what is restored and what is refused. Owners, device
// nodes and set-user-ID bits come back if the program runs as root.
//
// The tree grows in a hidden sibling that Commit makes durable and puts into
// place in one step. Where that cannot be (the directory is a mount point, is
// the working directory, or its parent is not ours to write to), it grows in a
// hidden folder inside, and Commit moves its content up, entry by entry. With
// Overwrite the old content goes away only after the new one is in place.
func DirTarget(path string, opts Options) snapshot.Target {
	return &dirTarget{path: path, opts: opts.withDefaults()}
}

type dirTarget struct {
	path string
	opts Options

	stage *staging
	sink  *tarSink
	done  bool
}

func (t *dirTarget) Create(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !info.Sole || t.sink != nil || info.Form != snapshot.FormTar {
		return nil, &snapshot.Error{
			Op: "restore", Name: t.path, Err: fmt.Errorf("%w: only one image, a tar, can be unpacked", snapshot.ErrUsage),
			Hint: "restore into a file",
		}
	}
	if t.stage != nil {
		return nil, errors.New("create a target again that failed")
	}
	stage, err := newStaging(t.path, t.opts)
	if err != nil {
		return nil, targetError(t.path, err, info.Size)
	}
	t.stage = stage
	root, err := os.OpenRoot(stage.tree)
	if err != nil {
		return nil, targetError(t.path, err, info.Size)
	}
	t.sink = newTarSink(t.path, info.Size, root, untar.Options{
		Owner: os.Geteuid() == 0, Sync: !syncsTrees, Log: t.opts.Log,
	})
	return t.sink, nil
}

// Commit makes the tree durable, then visible.
func (t *dirTarget) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.sink == nil || !t.sink.closed || t.sink.err != nil {
		return fmt.Errorf("commit %s: it was not unpacked to its end", t.path)
	}
	err := t.stage.publish(t.sink.extractor.SealTop)
	if err != nil {
		return targetError(t.path, err, t.sink.size)
	}
	t.done = true
	// The restore is complete: what cannot be cleaned up is no failure of it.
	if err := t.stage.remove(); err != nil {
		t.opts.Log.Warn("the replaced content could not be removed", "path", t.stage.temp, "error", err)
	}
	return nil
}

// Abort removes the unfinished tree.
func (t *dirTarget) Abort() error {
	if t.done || t.stage == nil {
		return nil
	}
	t.done = true
	if t.sink != nil && !t.sink.closed {
		_ = t.sink.Close()
	}
	if err := t.stage.remove(); err != nil {
		return targetError(t.stage.temp, err, -1)
	}
	return nil
}

// tarSink unpacks what is written to it, in a goroutine of its own that ends
// with Close.
type tarSink struct {
	path      string
	size      int64
	n         int64
	extractor *untar.Extractor
	pipe      *io.PipeWriter
	finished  chan error
	closed    bool
	err       error
}

func newTarSink(path string, size int64, root *os.Root, opts untar.Options) *tarSink {
	r, w := io.Pipe()
	s := &tarSink{path: path, size: size, extractor: untar.New(root, opts), pipe: w, finished: make(chan error, 1)}
	go func() {
		err := s.extractor.Extract(r)
		_ = root.Close()
		_ = r.CloseWithError(err) // wakes a writer; never fails
		s.finished <- err
	}()
	return s
}

func (s *tarSink) Write(p []byte) (int, error) {
	n, err := s.pipe.Write(p)
	s.n += int64(n)
	if err != nil {
		return n, targetError(s.path, err, s.size)
	}
	return n, nil
}

// Close waits until all that was written is unpacked.
func (s *tarSink) Close() error {
	s.closed = true
	_ = s.pipe.Close() // never fails
	if err := <-s.finished; err != nil {
		s.err = targetError(s.path, err, s.size)
	} else {
		s.err = checkLength(s.path, s.n, s.size)
	}
	return s.err
}

// emptyDir reports whether nothing is in a directory; lost+found is nothing in
// one that is mounted.
func emptyDir(path string, mounted bool) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return len(names) == 0 || (mounted && len(names) == 1 && names[0] == lostFound), nil
}

// isMountPoint reports whether a directory lies on another file system than
// its parent.
func isMountPoint(path string) (bool, error) {
	dev, ino, err := sys.Place(path)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	aboveDev, aboveIno, err := sys.Place(filepath.Dir(path))
	if err != nil {
		return false, err
	}
	return dev != aboveDev || ino == aboveIno, nil
}

// removeTree removes path and what is below, also folders that do not let us in.
func removeTree(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return nil
	})
	return firstError(walkErr, os.RemoveAll(path))
}
