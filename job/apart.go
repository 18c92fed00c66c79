package job

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/archive/format"
)

// apart refuses a vault inside the folder that is backed up: the backup would
// change its own source, and hold the backups before it.
func (o *opened) apart(source format.Identity) error {
	if o.folder == "" || source.Type != "directory" {
		return nil
	}
	inside, err := below(source.Path, o.folder)
	if err != nil || !inside {
		return err
	}
	return usage(o.shown, errors.New("the vault lies inside the folder that is backed up, "+source.Path),
		"put the vault beside the folder, better on another disk, best in a bucket")
}

// below reports whether path is folder or lies in it. Links are followed as
// far as path exists.
func below(folder, path string) (bool, error) {
	root, err := os.Stat(folder)
	if err != nil {
		return false, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return false, err
	}
	for existing := path; ; existing = filepath.Dir(existing) {
		if resolved, err := filepath.EvalSymlinks(existing); err == nil {
			path = resolved
			break
		}
		if existing == filepath.Dir(existing) {
			return false, nil
		}
	}
	for {
		if at, err := os.Stat(path); err == nil && os.SameFile(at, root) {
			return true, nil
		}
		parent := filepath.Dir(path)
		if parent == path {
			return false, nil
		}
		path = parent
	}
}
