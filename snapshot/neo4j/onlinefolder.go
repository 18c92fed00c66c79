package neo4j

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// captureFolder is an online backup of a release before 5: a folder, which
// neo4j-admin brings up to date where it lies in chain_dir, and which is shipped
// whole each time.
func (s *onlineSource) captureFolder(ctx context.Context, folder *chainFolder) (_ snapshot.Capture, err error) {
	if s.online.kind == kindDiff || s.online.fullEvery > 0 {
		return nil, &snapshot.Error{Op: "back up", Name: s.database, Err: fmt.Errorf("%w: before 5 every backup is whole", snapshot.ErrUsage),
			Hint: "Leave out type and full_every; with chain_dir neo4j-admin fetches what is new alone."}
	}
	at := folder.path(s.database)
	if s.online.chainDir == "" || s.online.kind == kindFull {
		if err := os.RemoveAll(at); err != nil {
			return nil, s.admin.fail("back up", err)
		}
	}
	if err := s.reachable(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && s.online.chainDir == "" {
			err = errors.Join(err, os.RemoveAll(at))
		}
	}()
	text, status, err := s.runAdmin(ctx, s.admin.Version.Backup(s.task(folder.files, install.BackupFull)))
	switch {
	case err != nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case status != nil:
		err = s.explain(text, status)
	case !install.IsFolder(at):
		err = s.admin.fail("back up", fmt.Errorf("%w, and ended with status 0%s", ErrNoArtifact, quoteLast(text)))
	}
	if err != nil {
		return nil, err
	}
	packed, err := files.Open(at, files.Options{Host: s.options.Host, Log: s.options.Log, TempDir: s.options.TempDir})
	if err != nil {
		return nil, err
	}
	c, err := packed.Capture(ctx)
	if err != nil {
		return nil, err
	}
	info := c.Info()
	// The next run changes the folder: nothing of this one can be read again.
	info.Identity, info.Resumable = s.identity(), false
	info.Facts["database"], info.Facts["neo4j"], info.Facts["artifact"] = s.database, s.admin.Version.Text, "folder"
	return &folderCapture{Capture: c, source: s, folder: folder, info: info}, nil
}

// folderCapture is a backup that is a folder, as a tar.
type folderCapture struct {
	snapshot.Capture
	source *onlineSource
	folder *chainFolder
	info   snapshot.Info
}

func (c *folderCapture) Info() snapshot.Info { return c.info }

// Close leaves the folder where the next backup brings it up to date, or removes
// it. What neo4j-admin puts aside when it could not, is removed as well.
func (c *folderCapture) Close() error {
	err := c.Capture.Close()
	remove, globErr := filepath.Glob(c.folder.path(c.source.database + ".err.*"))
	err = errors.Join(err, globErr)
	if c.source.online.chainDir == "" {
		remove = append(remove, c.folder.path(c.source.database))
	}
	for _, path := range remove {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err = errors.Join(err, c.folder.give()); err != nil {
		return c.source.admin.fail("close", err)
	}
	return nil
}
