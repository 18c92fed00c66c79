//go:build linux

package neo4j

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
)

// cleanup looks for what snapshots have left, as the command does.
func (d *daemon) cleanup(params string, remove bool) ([]Leftover, error) {
	d.Helper()
	u, err := url.Parse(params + "&home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch))
	if err != nil {
		d.Fatal(err)
	}
	return Cleanup(d.Context(), u, Options{Host: "test-host", Now: time.Now, Log: testenv.Log(d.T)}, remove)
}

// testCleanupOpened looks at the snapshot of a run that was killed while its
// scratch server ran, which goes on.
func testCleanupOpened(d *daemon) {
	left, err := d.cleanup(SnapshotScheme+":///neo4j?via=btrfs", false)
	if err != nil || len(left) != 1 || !left[0].Opened || left[0].Process == 0 || left[0].Removed || time.Since(left[0].Made) > time.Hour {
		d.Errorf("%+v, %v", left, err)
	}
}

// testCleanup finds snapshots whose scratch folder is gone by their names, and
// touches nothing else.
func testCleanup(d *daemon) {
	volume := filepath.Dir(d.data)
	made := time.Date(2026, time.November, 30, 3, 0, 0, 0, time.UTC)
	ours, system := clone.Label("neo4j", made), clone.Label("system", made)
	theirs := []string{"." + clone.Label("other", made), ".snapferry-neo4j-by-hand", "neo4j"}
	for _, name := range append(theirs, "."+ours, "."+system) {
		if out, err := exec.CommandContext(d.Context(), "btrfs", "subvolume", "snapshot", volume, filepath.Join(volume, name)).CombinedOutput(); err != nil {
			d.Fatalf("%v\n%s", err, out)
		}
	}
	folder := "." + clone.Label("neo4j", made.Add(time.Hour)) // which is no subvolume
	if err := os.Mkdir(filepath.Join(volume, folder), 0o755); err != nil {
		d.Fatal(err)
	}
	theirs = append(theirs, folder)
	for _, remove := range []bool{false, true} {
		left, err := d.cleanup(SnapshotScheme+":///?via=btrfs", remove)
		if err != nil || len(left) != 2 || left[0] != (Leftover{Label: ours, Made: made, Removed: remove}) || left[1].Label != system {
			d.Errorf("%+v, %v", left, err)
		}
	}
	if left, err := d.cleanup(SnapshotScheme+":///?via=btrfs", true); err != nil || len(left) != 0 {
		d.Errorf("once more: %+v, %v", left, err)
	}
	for _, name := range theirs {
		path := filepath.Join(volume, name)
		if _, err := os.Lstat(path); err != nil {
			d.Error(err)
		} else if out, err := exec.CommandContext(d.Context(), "btrfs", "subvolume", "delete", path).CombinedOutput(); err != nil && name != folder {
			d.Errorf("%v\n%s", err, out)
		}
	}
	if err := os.Remove(filepath.Join(volume, folder)); err != nil {
		d.Error(err)
	}
	for _, params := range []string{Scheme + ":///neo4j?stop=yes", SnapshotScheme + ":///neo4j?via=command&program=/bin/true"} {
		if left, err := d.cleanup(params, true); !errors.Is(err, snapshot.ErrUsage) {
			d.Errorf("%s: %+v, %v", params, left, err)
		}
	}
	if left, err := d.cleanup(SnapshotScheme+":///neo4j?via=zfs", true); err == nil {
		d.Errorf("zfs: %+v", left)
	}
	testCleanupBusy(d)
}

// testCleanupBusy leaves a run that is under way alone.
func testCleanupBusy(d *daemon) {
	s := d.snapshotSource("&via=btrfs")
	if err := s.look(d.Context()); err != nil {
		d.Fatal(err)
	}
	folder, err := s.openFolder()
	if err != nil {
		d.Fatal(err)
	}
	if _, err := d.cleanup(SnapshotScheme+":///neo4j?via=btrfs", false); err != nil {
		d.Errorf("to look is always possible: %v", err)
	}
	if _, err := d.cleanup(SnapshotScheme+":///neo4j?via=btrfs", true); !errors.Is(err, snapshot.ErrUnsafe) {
		d.Errorf("while a run is under way: %v", err)
	}
	if err := folder.release(); err != nil {
		d.Error(err)
	}
}
