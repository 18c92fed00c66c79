//go:build linux

package neo4j

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// onExt4 starts a server whose data is on an ext4, whose image is on a btrfs: a
// copy of the image takes a moment, and is atomic only if nobody writes.
func onExt4(t *testing.T) (d *daemon, image string) {
	t.Helper()
	testenv.Tool(t, "mkfs.ext4")
	image = filepath.Join(mountBtrfs(t), "image")
	at := t.TempDir()
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 1<<30)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", "-l", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	d = prepareDaemon(t, testenv.Neo4jLTS)
	d.data = filepath.Join(at, "data")
	conf := filepath.Join(d.home.Home, "conf", "neo4j.conf")
	text, err := os.ReadFile(conf)
	if err == nil {
		text = append(text, []byte("\n"+d.in.Version.Name(install.DataDirectory)+"="+d.data+"\n")...)
		err = errors.Join(os.Mkdir(d.data, 0o755), os.WriteFile(conf, text, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	d.start()
	return d, image
}

// A copy of a disk's image that is made while nobody writes is a snapshot.
func TestFrozenSnapshot(t *testing.T) {
	t.Parallel()
	for range testenv.Effort(0, 1) { // freeze has the sample
		testFrozenSnapshot(t)
	}
}

func testFrozenSnapshot(t *testing.T) {
	t.Helper()
	d, image := onExt4(t)
	program := filepath.Join(t.TempDir(), "snap")
	script := fmt.Sprintf(`#!/bin/sh
set -e
case $1 in
take) cp --reflink=always %[1]s %[1]s.$2; mount -o loop %[1]s.$2 "$3"; echo "$3/data" ;;
remove) mounted=$(losetup --noheadings --output NAME --associated %[1]s.$2); for d in $mounted; do umount "$d"; done; rm -f %[1]s.$2 ;;
esac
`, image)
	syscall.ForkLock.Lock() // a script that is open for writing anywhere cannot be run
	err := os.WriteFile(program, []byte(script), 0o755)
	syscall.ForkLock.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	c := d.client()
	await(t, func() bool { return c.acknowledged.Load() > 1000 })
	s := d.snapshotSource("&via=command&freeze=yes&program=" + url.QueryEscape(program))
	s.options.Unfreezer = []string{os.Args[0], asThawer}
	before := c.acknowledged.Load()
	taken, err := s.Capture(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, d.log())
	}
	d.drilled(taken, before)
	closeCapture(t, taken)
	c.stop()
	d.wantNoClone()
}
