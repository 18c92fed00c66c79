//go:build linux

package clone

import (
	"errors"
	"testing"
	"time"
)

func TestLabel(t *testing.T) {
	now := time.Date(2026, time.November, 30, 3, 4, 5, 0, time.UTC)
	names := []string{"neo4j", "my.graph-1"}
	for _, name := range names {
		c := &Clone{Label: Label(name, now)}
		if made, ours := c.Made(names); !ours || !made.Equal(now) {
			t.Errorf("%s: %s, %t", c.Label, made, ours)
		}
		if _, ours := c.Made([]string{"other"}); ours {
			t.Errorf("%s is taken for one of another database", c.Label)
		}
	}
	for _, label := range []string{"", LabelPrefix, "snapferry-neo4j", "snapferry-neo4j-by-hand", "snapferry-neo4j-20261130T030405Z-0a1b2c3", "snapferry-neo4j-20261130T030405Z-0a1b2c3g",
		"snapferry-neo4j-20261330T030405Z-0a1b2c3d", "snapferry-neo4jx20261130T030405Z-0a1b2c3d", "snapferry--20261130T030405Z-0a1b2c3d", "otherferry-neo4j-20261130T030405Z-0a1b2c3d"} {
		if _, ours := (&Clone{Label: label}).Made(names); ours {
			t.Errorf("%s is ours", label)
		}
	}
}

// What was left is found by the output of the tools, and removed.
func TestLeftZFS(t *testing.T) {
	folder := t.TempDir()
	root, err := rootOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	const second = LabelPrefix + "neo4j-0a1c"
	k := newTools(t, map[string]string{"zfs": `case "$*" in
*name,mountpoint*) printf 'tank/db/neo4j\t` + root + `\n' ;;
*'-t snapshot'*) printf 'tank/db/neo4j@daily\ntank/db/neo4j@` + label + `\ntank/db/neo4j@` + second + `\n' ;;
*'-o mountpoint tank/` + label + `') echo /scratch/clone ;;
*'-o mountpoint'*) exit 1 ;;
esac`})
	left, err := Left(t.Context(), Request{Via: ZFS, Folders: []string{folder}})
	if err != nil || len(left) != 2 || left[0].Label != label || left[0].Place != "/scratch/clone" || left[1].Label != second || left[1].Place != "" {
		t.Fatalf("%+v, %v", left, err)
	}
	k.want("zfs list -H -t filesystem -o name,mountpoint "+root, "zfs list -H -t snapshot -o name -d 1 tank/db/neo4j",
		"zfs list -H -o mountpoint tank/"+label, "zfs list -H -o mountpoint tank/"+second)
	if err := left[0].Remove(t.Context()); err != nil {
		t.Error(err)
	}
	k.want("zfs list -H -t all -o name tank/"+label, "zfs destroy tank/"+label, "zfs list -H -t all -o name tank/db/neo4j@"+label, "zfs destroy tank/db/neo4j@"+label)
}

func TestLeftLVM(t *testing.T) {
	folder := t.TempDir()
	root, err := rootOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	const second = LabelPrefix + "neo4j-0a1c"
	k := newTools(t, map[string]string{
		"findmnt": `case "$*" in *SOURCE*) echo /dev/mapper/vg0-neo4j ext4 ` + root + ` ;; *` + label + `|'--mountpoint /scratch/clone') echo /scratch/clone ;; *) exit 1 ;; esac`,
		"lvs": `case "$*" in *pool_lv*) echo '  vg0,neo4j,' ;; *origin*) printf '  neo4j,\n  ` + label + `,neo4j\n  ` + second + `,neo4j\n  ` + LabelPrefix +
			`else,root\n  daily,neo4j\n' ;; esac`,
		"umount": "", "lvremove": ""})
	left, err := Left(t.Context(), Request{Via: LVM, Folders: []string{folder}})
	if err != nil || len(left) != 2 || left[0].Label != label || left[0].Place != "/scratch/clone" || left[1].Label != second || left[1].Place != "" {
		t.Fatalf("%+v, %v", left, err)
	}
	k.want("findmnt --noheadings --raw --output SOURCE,FSTYPE,TARGET --mountpoint "+root, "lvs --noheadings --separator , --options vg_name,lv_name,pool_lv /dev/mapper/vg0-neo4j",
		"lvs --noheadings --separator , --options lv_name,origin vg0",
		"findmnt --noheadings --raw --first-only --output TARGET --source /dev/vg0/"+label, "findmnt --noheadings --raw --first-only --output TARGET --source /dev/vg0/"+second)
	for _, c := range left {
		if err := c.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	k.want("findmnt --mountpoint /scratch/clone", "umount /scratch/clone", "lvs --noheadings --options lv_name vg0/"+label, "lvremove --yes vg0/"+label,
		"lvs --noheadings --options lv_name vg0/"+second, "lvremove --yes vg0/"+second)
	newTools(t, map[string]string{"findmnt": "echo /dev/mapper/vg0-neo4j ext4 " + root, "lvs": "exit 5"})
	if _, err := Left(t.Context(), Request{Via: LVM, Folders: []string{folder}}); !errors.Is(err, ErrTool) {
		t.Error(err)
	}
	if _, err := Left(t.Context(), Request{Via: Command, Program: "/bin/true", Folders: []string{folder}}); !errors.Is(err, ErrUnfit) {
		t.Error(err)
	}
}
