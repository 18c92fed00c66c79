package neo4j

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
)

// recoverTarget finishes a restore that died while it put the database in place.
func recoverTarget(ctx context.Context, u *url.URL, options Options) (bool, error) {
	opened, err := OpenTarget(u, LoadOptions{Options: options})
	if err != nil {
		return false, err
	}
	t := opened.(*loadTarget)
	if err := t.locate(ctx); err != nil {
		return false, err
	}
	t.lock, err = os.OpenFile(filepath.Join(t.stage, home.LockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := t.ours(); err != nil {
		return false, errors.Join(err, t.lock.Close())
	}
	if err := home.LockFile(t.lock); err != nil {
		return false, errors.Join(t.refuse(snapshot.ErrUnsafe, errors.New("a restore of it is under way"), "Wait for it to end."), t.lock.Close())
	}
	found, err := t.finishEarlier(ctx)
	if err != nil {
		return found, errors.Join(err, t.lock.Close())
	}
	return found, t.release()
}
