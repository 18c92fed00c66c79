package untar

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxImplied bounds what is remembered of folders that the tar does not list.
const maxImplied = 1 << 16

// folder is an open folder of the directory.
type folder struct {
	name string
	root *os.Root
	dir  *os.File // the same, for system calls that want a descriptor
}

func openFolder(root *os.Root, name string) (*folder, error) {
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	dir, err := sub.Open(".")
	if err != nil {
		_ = sub.Close()
		return nil, err
	}
	return &folder{name: name, root: sub, dir: dir}, nil
}

func (f *folder) close() {
	_ = f.dir.Close()
	_ = f.root.Close()
}

// enter opens the folder of the next entry, and closes that of the last.
func (x *Extractor) enter(name string) (*folder, error) {
	if x.at != nil && x.at.name == name {
		return x.at, nil
	}
	x.closeFolder()
	f, err := x.open(name)
	if err != nil {
		return nil, err
	}
	x.at = f
	return f, nil
}

func (x *Extractor) closeFolder() {
	if x.at != nil {
		x.at.close()
		x.at = nil
	}
}

// open goes down to the folder name, part by part. os.Root keeps us below the
// directory; here we also refuse symbolic links that stay inside. A folder that
// the tar does not mention before its content is made.
func (x *Extractor) open(name string) (*folder, error) {
	f, err := openFolder(x.root, ".")
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	if name == "." {
		return f, nil
	}
	done := ""
	for part := range strings.SplitSeq(name, "/") {
		done = path.Join(done, part)
		next, err := x.descend(f, part, done)
		f.close()
		if err != nil {
			return nil, err
		}
		f = next
	}
	f.name = name
	return f, nil
}

func (x *Extractor) descend(f *folder, part, done string) (*folder, error) {
	info, err := f.root.Lstat(part)
	if errors.Is(err, fs.ErrNotExist) {
		if len(x.implied) == maxImplied {
			return nil, refuse(done, "too many folders without an entry of their own")
		}
		x.implied[done] = true
		if err := f.root.Mkdir(part, 0o755); err != nil {
			return nil, fmt.Errorf("make folder %s: %w", quote(done), err)
		}
		info, err = f.root.Lstat(part)
	}
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", quote(done), err)
	}
	if !info.IsDir() {
		return nil, refuse(done, "something lies below it, and it is not a folder")
	}
	next, err := openFolder(f.root, part)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", quote(done), err)
	}
	return next, nil
}
