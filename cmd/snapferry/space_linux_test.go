package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/internal/testenv"
)

// smallDisk mounts a file system of the given size, as mount writes it.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("snapferry-test", dir, "tmpfs", 0, "size="+size); err != nil {
		testenv.Missing(t, "the right to mount a small file system (run as root): "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func noiseFile(t *testing.T, bytes int) (path string, content []byte) {
	t.Helper()
	path, content = filepath.Join(t.TempDir(), "noise"), make([]byte, bytes)
	_, _ = rand.Read(content) // never fails
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// A vault without room fails with a hint and shows nothing; with more room the
// same command goes on where it was.
func TestNoSpaceInVault(t *testing.T) {
	disk := smallDisk(t, "4m")
	vault := serverVault{url: filepath.Join(disk, "vault"), dir: filepath.Join(disk, "vault"), env: environ(t, nil)}
	source, content := noiseFile(t, 8<<20)
	args := []string{"backup", source, vault.url, "--job", "s", "--segment", "1MiB", "--chunk", "256KiB"}
	o := vault.run(t, args...)
	if o.code != exitFailed || checkErrorLines(o.stderr) != "" || !strings.Contains(o.stderr, "no space left") || !strings.Contains(o.stderr, "hint: free space") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if o := vault.run(t, "list", vault.url); o.code != 0 || o.stdout != "" {
		t.Errorf("list: %+v", o)
	}
	kept := segmentsOf(t, vault.dir, "s")
	if err := unix.Mount("snapferry-test", disk, "tmpfs", unix.MS_REMOUNT, "size=32m"); err != nil {
		t.Fatal(err)
	}
	if o := vault.run(t, args...); o.code != 0 {
		t.Errorf("with more room: %s", o.stderr)
	}
	for path, is := range segmentsOf(t, vault.dir, "s") {
		if was, ok := kept[path]; ok && was != is {
			t.Errorf("%s was written again", path)
		}
	}
	target := filepath.Join(t.TempDir(), "out")
	if o := vault.run(t, "restore", vault.url+"#latest", target); o.code != 0 {
		t.Fatal(o.stderr)
	}
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the restored file differs: %v", err)
	}
}

// A target without room fails with a hint, and nothing is left there.
func TestNoSpaceAtTarget(t *testing.T) {
	disk := smallDisk(t, "4m")
	vault := vaults(t)["local"](t)
	source, _ := noiseFile(t, 8<<20)
	folder := filepath.Dir(source)
	for _, what := range []string{source, folder} {
		if o := vault.run(t, "backup", what, vault.url, "--job", filepath.Base(what)); o.code != 0 {
			t.Fatal(o.stderr)
		}
	}
	for _, c := range []struct{ series, target string }{
		{filepath.Base(source), "out"}, {filepath.Base(folder), "out"}, {filepath.Base(folder), "out.tar"},
	} {
		target := filepath.Join(disk, c.target)
		o := vault.run(t, "restore", vault.url+"#"+c.series+"/latest", target)
		if o.code != exitFailed || checkErrorLines(o.stderr) != "" || !strings.Contains(o.stderr, target) || !strings.Contains(o.stderr, "no space left") {
			t.Errorf("exit code %d: %s", o.code, o.stderr)
		}
		if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
			t.Errorf("left at the target: %v, %v", left, err)
		}
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		o := vault.run(t, "restore", vault.url+"#"+filepath.Base(source)+"/latest", "/dev/full")
		if o.code != exitFailed || checkErrorLines(o.stderr) != "" || !strings.Contains(o.stderr, "/dev/full") {
			t.Errorf("/dev/full: exit code %d: %s", o.code, o.stderr)
		}
	}
}
