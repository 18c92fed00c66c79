//go:build linux

package clone

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tools puts programs in the place of those of zfs and lvm, which write down how
// they are called, and print what the real ones print by their manuals. No file
// system of these kinds is mounted where the tests run.
type tools struct {
	*testing.T
	dir string
}

func newTools(t *testing.T, answers map[string]string) *tools {
	t.Helper()
	k := &tools{t, t.TempDir()}
	for name, answer := range answers {
		script := "#!/bin/sh\necho \"" + name + " $*\" >>" + filepath.Join(k.dir, "calls") + "\n" + answer + "\n"
		syscall.ForkLock.Lock() // a script that is open for writing anywhere cannot be run
		err := os.WriteFile(filepath.Join(k.dir, name), []byte(script), 0o755)
		syscall.ForkLock.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", k.dir+":"+os.Getenv("PATH"))
	return k
}

func (k *tools) want(lines ...string) {
	k.Helper()
	calls, err := os.ReadFile(filepath.Join(k.dir, "calls"))
	if got := strings.TrimSpace(string(calls)); err != nil || got != strings.Join(lines, "\n") {
		k.Errorf("called:\n%s\nwanted:\n%s\n%v", got, strings.Join(lines, "\n"), err)
	}
	if err := os.Remove(filepath.Join(k.dir, "calls")); err != nil {
		k.Error(err)
	}
}

const label = LabelPrefix + "neo4j-0a1b"

func TestZFS(t *testing.T) {
	folder := t.TempDir()
	root, err := rootOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	k := newTools(t, map[string]string{"zfs": `case "$*" in *name,mountpoint*) printf 'tank/db/neo4j\t` + root + `\n' ;; esac`})
	c, err := Plan(t.Context(), Request{Via: ZFS, Folders: []string{folder}, Label: label, Place: "/scratch/clone"})
	if err != nil {
		t.Fatal(err)
	}
	k.want("zfs list -H -t filesystem -o name,mountpoint " + root)
	if err := c.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.want("zfs snapshot tank/db/neo4j@"+label, "zfs clone -o readonly=off -o mountpoint=/scratch/clone tank/db/neo4j@"+label+" tank/"+label)
	rel, err := filepath.Rel(root, folder)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := c.Path(folder); err != nil || at != filepath.Join("/scratch/clone", rel) {
		t.Errorf("%s, %v", at, err)
	}
	if err := saved(t, c).Remove(t.Context()); err != nil {
		t.Error(err)
	}
	k.want("zfs list -H -t all -o name tank/"+label, "zfs destroy tank/"+label, "zfs list -H -t all -o name tank/db/neo4j@"+label, "zfs destroy tank/db/neo4j@"+label)
	newTools(t, map[string]string{"zfs": "exit 1"})
	if err := saved(t, c).Remove(t.Context()); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	if _, err := Plan(t.Context(), Request{Via: ZFS, Folders: []string{folder}, Label: label}); !errors.Is(err, ErrTool) {
		t.Error(err)
	}
	newTools(t, map[string]string{"zfs": `printf 'tank\t/elsewhere\n'`})
	if _, err := Plan(t.Context(), Request{Via: ZFS, Folders: []string{folder}, Label: label}); !errors.Is(err, ErrUnfit) {
		t.Error(err)
	}
}

func TestLVM(t *testing.T) {
	folder := t.TempDir()
	root, err := rootOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct{ fs, pool, create, mount string }{
		"thick ext4": {"ext4", "", "--extents 20%ORIGIN", "rw"},
		"thin xfs":   {"xfs", "pool", "--setactivationskip n", "rw,nouuid"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTools(t, map[string]string{"findmnt": "echo /dev/mapper/vg0-neo4j " + v.fs + " " + root, "lvs": "echo '  vg0,neo4j," + v.pool + "'",
				"lvcreate": "", "mount": "", "umount": "", "lvremove": ""})
			c, err := Plan(t.Context(), Request{Via: LVM, Folders: []string{folder}, Label: label, Place: "/scratch/clone"})
			if err != nil {
				t.Fatal(err)
			}
			k.want("findmnt --noheadings --raw --output SOURCE,FSTYPE,TARGET --mountpoint "+root, "lvs --noheadings --separator , --options vg_name,lv_name,pool_lv /dev/mapper/vg0-neo4j")
			if err := c.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.want("lvcreate --snapshot --name "+label+" "+v.create+" vg0/neo4j", "mount -o "+v.mount+" /dev/vg0/"+label+" /scratch/clone")
			if err := saved(t, c).Remove(t.Context()); err != nil {
				t.Error(err)
			}
			k.want("findmnt --mountpoint /scratch/clone", "umount /scratch/clone", "lvs --noheadings --options lv_name vg0/"+label, "lvremove --yes vg0/"+label)
		})
	}
	for _, answer := range []string{"", "echo one two", "exit 1"} {
		newTools(t, map[string]string{"findmnt": answer, "lvs": ""})
		if _, err := Plan(t.Context(), Request{Via: LVM, Folders: []string{folder}, Label: label}); !errors.Is(err, ErrUnfit) && !errors.Is(err, ErrTool) {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// saved is what a later run knows of a clone.
func saved(t *testing.T, c *Clone) *Clone {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clone.json")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestUnfit(t *testing.T) {
	folder := t.TempDir()
	for name, req := range map[string]Request{"btrfs": {Via: Btrfs}, "a way": {Via: "tape"}, "no program": {Via: Command, Program: "/no/such"}} {
		req.Folders, req.Base, req.Label = []string{folder}, folder, label
		if _, err := Plan(t.Context(), req); !errors.Is(err, ErrUnfit) && !errors.Is(err, ErrTool) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Symlink("/", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Atomic([]string{folder}); !errors.Is(err, ErrNotAtomic) {
		t.Error(err)
	}
	if err := Atomic([]string{t.TempDir(), "/proc/self/task"}); !errors.Is(err, ErrNotAtomic) {
		t.Error(err)
	}
	if c, err := Load(filepath.Join(folder, "none")); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"via": "btrfs", "label": "snapferry-neo4j-00", "origin": "/data"}`))
	f.Add([]byte(`{"via": "zfs", "label": "tank@other"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		// What is removed always has a name of ours.
		if c, err := parse(raw); err == nil && (!strings.HasPrefix(c.Label, LabelPrefix) || strings.ContainsAny(c.Label, "/@")) {
			t.Errorf("%q was taken: %+v", raw, c)
		}
	})
}
