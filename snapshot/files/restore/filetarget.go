package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// FileTarget returns the target that makes a regular file of an image. If path
// is an existing directory, ends in a separator, or several images are
// restored, each becomes a file of its own name in the directory path.
//
// The bytes go to a hidden sibling, ".NAME.snapferry-…", which Commit makes
// durable and renames, and Abort removes. Holes stay holes. A file that is
// replaced keeps its mode.
func FileTarget(path string, opts Options) snapshot.Target {
	return &fileTarget{path: path, opts: opts.withDefaults()}
}

type fileTarget struct {
	path string
	opts Options

	mu    sync.Mutex
	parts []*filePart
	made  string // directory that was made for the files
	done  bool
}

// filePart is one file on its way.
type filePart struct {
	final, temp string
	exists      bool // something is at final, and may be replaced
	file        *os.File
	size        int64
	closed      bool
	scratch     bool
	err         error
}

func (t *fileTarget) Create(ctx context.Context, info snapshot.ImageInfo) (snapshot.Sink, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	part, err := t.place(info)
	if err != nil {
		return nil, targetError(t.path, err, info.Size)
	}
	mode := fs.FileMode(0o666)
	if err := t.admit(part, &mode); err != nil {
		return nil, targetError(part.final, err, info.Size)
	}
	if part.temp, err = t.opts.sibling(part.final); err != nil {
		return nil, err
	}
	t.warnSpace(part.final, info.Size)
	if part.file, err = os.OpenFile(part.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode); err != nil {
		return nil, targetError(part.final, err, info.Size)
	}
	t.parts = append(t.parts, part)
	if part.exists { // the umask does not apply to what was there
		err = part.file.Chmod(mode)
	}
	if err == nil && info.Size > 0 {
		err = part.file.Truncate(info.Size)
	}
	if err != nil {
		return nil, targetError(part.final, err, info.Size)
	}
	if info.Size < 0 {
		return &fileStreamSink{fileSink: fileSink{part: part}}, nil
	}
	return &fileRandomSink{fileSink: fileSink{part: part}}, nil
}

// place finds where the file of an image goes, and makes the directory for
// several.
func (t *fileTarget) place(info snapshot.ImageInfo) (*filePart, error) {
	path, at, err := resolveTarget(t.path)
	if err != nil {
		return nil, err
	}
	into := !info.Sole || strings.HasSuffix(t.path, string(filepath.Separator)) || strings.HasSuffix(t.path, "/")
	if at != nil && at.IsDir() {
		into = true
	} else if at != nil && into {
		return nil, notEmpty(t.path, "it is not a directory")
	}
	if into {
		name, err := fileName(info.Name)
		if err != nil {
			return nil, err
		}
		if at == nil {
			if err := os.Mkdir(path, 0o777); err != nil {
				return nil, err
			}
			t.made = path
		}
		if path, _, err = resolveTarget(filepath.Join(path, name)); err != nil {
			return nil, err
		}
	}
	for _, other := range t.parts {
		if strings.EqualFold(other.final, path) {
			return nil, fmt.Errorf("%w: two images have the name %s", snapshot.ErrUnsafe, filepath.Base(path))
		}
	}
	return &filePart{final: path, size: info.Size, scratch: t.opts.Scratch}, nil
}

// fileName makes the name of a file of the name of an image, of which only the
// last element counts.
func fileName(image string) (string, error) {
	name := image[strings.LastIndexAny(image, `/\`)+1:]
	if name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0 || !filepath.IsLocal(name) {
		return "", fmt.Errorf("%w: an image of the name %q cannot be a file", snapshot.ErrUnsafe, image)
	}
	return name, nil
}

// admit refuses to replace what must stay, and learns the mode of what goes.
func (t *fileTarget) admit(part *filePart, mode *fs.FileMode) error {
	info, err := os.Lstat(part.final)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return notEmpty(part.final, "it is a "+sys.Kind(info.Mode()))
	}
	if info.Size() > 0 && !t.opts.Overwrite {
		return notEmpty(part.final, fmt.Sprintf("a file of %d bytes", info.Size()))
	}
	part.exists, *mode = true, info.Mode().Perm()
	return nil
}

// warnSpace speaks up early if an image may not fit. It may after all: a sparse
// one takes less than its size, so this is no reason to refuse.
func (t *fileTarget) warnSpace(path string, size int64) {
	free, ok := freeSpace(filepath.Dir(path))
	if ok && size > free {
		t.opts.Log.Warn("the target may be too small, unless the image has large holes",
			"target", path, "image_bytes", size, "free_bytes", free)
	}
}

// Commit renames the files to their places, and makes that durable.
func (t *fileTarget) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.parts) == 0 {
		return errors.New("commit a target without an image")
	}
	for _, p := range t.parts {
		if !p.closed || p.err != nil {
			return fmt.Errorf("commit %s: it was not written to its end", p.final)
		}
	}
	for _, p := range t.parts {
		if err := t.publish(p); err != nil {
			return targetError(p.final, err, p.size)
		}
	}
	t.done = true
	if t.opts.Scratch {
		return nil
	}
	folders := []string{filepath.Dir(t.parts[0].final)}
	if t.made != "" {
		folders = append(folders, filepath.Dir(t.made))
	}
	for _, folder := range folders {
		if err := syncDir(folder); err != nil {
			return targetError(folder, err, -1)
		}
	}
	return nil
}

func (t *fileTarget) publish(p *filePart) error {
	if !p.exists || !t.opts.Overwrite {
		// Somebody may have put a file there in the meantime.
		if info, err := os.Lstat(p.final); err == nil && (!p.exists || info.Size() > 0) {
			return notEmpty(p.final, "it appeared while the restore ran")
		}
	}
	if !p.exists {
		return renameNew(p.temp, p.final)
	}
	return os.Rename(p.temp, p.final)
}

// Abort removes the unfinished files.
func (t *fileTarget) Abort() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil
	}
	t.done = true
	var errs []error
	for _, p := range t.parts {
		if !p.closed {
			_ = p.file.Close()
		}
		if err := os.Remove(p.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, targetError(p.temp, err, -1))
		}
	}
	if t.made != "" {
		if err := os.Remove(t.made); err != nil {
			errs = append(errs, targetError(t.made, err, -1))
		}
	}
	return errors.Join(errs...)
}
