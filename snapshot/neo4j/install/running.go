package install

import (
	"context"
	"path/filepath"
)

// RunningOn reports whether a server uses the stores below a folder of data,
// and its process, where the system tells: 0 if it is in another container. A
// server holds a lock there from its start to its end.
func RunningOn(data string) (pid int, running bool, err error) {
	return locked(filepath.Join(data, "databases", "store_lock"))
}

// Running is RunningOn for what an installation is configured to use.
func (in *Installation) Running(ctx context.Context) (pid int, running bool, err error) {
	conf, err := in.ReadConf("")
	if err != nil {
		return 0, false, err
	}
	data, err := conf.Data(ctx)
	if err != nil {
		return 0, false, err
	}
	return RunningOn(data)
}

// OpenedBy reports whether somebody has opened a database, a server or
// neo4j-admin, and who. Before 4 a database has no lock of its own: there it is
// whether a server uses it.
func (v Version) OpenedBy(store Store) (pid int, opened bool, err error) {
	if v.Major < 4 {
		return locked(filepath.Join(filepath.Dir(store.Data), "store_lock"))
	}
	return locked(filepath.Join(store.Data, "database_lock"))
}
