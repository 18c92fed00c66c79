package artifact

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func member(name string, kind Kind, minute int, lowest, highest int64) Member {
	return Member{Name: name, Header: Header{Kind: kind, Backup: &Backup{Database: "neo4j", DatabaseID: "id", Time: time.Unix(int64(minute)*60, 0).UTC(), Lowest: lowest, Highest: highest}}}
}

func TestLatestChains(t *testing.T) {
	full, first, second := member("full", Full, 1, 1, 10), member("d1", Differential, 2, 11, 20), member("d2", Differential, 3, 21, 25)
	for name, c := range map[string]struct {
		all  []Member
		want string
		gap  string
	}{
		"in order":               {[]Member{full, first, second}, "full d1 d2", ""},
		"in any order":           {[]Member{second, full, first}, "full d1 d2", ""},
		"empty ones":             {[]Member{full, member("e", Differential, 5, 0, 0), first}, "full d1", ""},
		"one is missing":         {[]Member{full, second}, "full", "transactions 11 to 20 are missing before d2"},
		"no full":                {[]Member{first, second}, "", "there is no full backup"},
		"a newer full":           {[]Member{full, first, member("full2", Full, 9, 1, 22), second}, "full2 d2", ""},
		"the first overlaps":     {[]Member{full, member("o", Differential, 2, 5, 15)}, "full o", ""},
		"a later one overlaps":   {[]Member{full, first, member("o", Differential, 4, 15, 30)}, "full d1", ""},
		"twice":                  {[]Member{full, first, member("d1 again", Differential, 3, 11, 20), second}, "full d1 d2", ""},
		"a dump is no member":    {[]Member{full, {Name: "x.dump", Header: Header{Kind: Dump}}}, "full", ""},
		"two of the same minute": {[]Member{member("small", Full, 1, 1, 5), full}, "full", ""},
	} {
		got := LatestChains(c.all)
		if len(got) != 1 {
			t.Fatalf("%s: %d chains", name, len(got))
		}
		var names []string
		for _, m := range got[0].Members {
			names = append(names, m.Name)
		}
		if strings.Join(names, " ") != c.want || got[0].Gap != c.gap {
			t.Errorf("%s: %q, gap %q; want %q, %q", name, names, got[0].Gap, c.want, c.gap)
		}
	}
	other := member("other", Full, 1, 1, 5)
	other.Header.Backup.DatabaseID, other.Header.Backup.Database = "a", "a"
	if got := LatestChains([]Member{full, other}); len(got) != 2 || got[0].Database != "a" || got[1].Highest() != 10 {
		t.Errorf("%+v", got)
	}
}

// Whatever is in a folder: a chain begins with a full backup, its members touch,
// and without a gap nothing newer is left over that could follow.
func TestChainsTouch(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []Member
		at := int64(0)
		for i := range rapid.IntRange(1, 12).Draw(rt, "members") {
			size := rapid.Int64Range(1, 20).Draw(rt, "size")
			if rapid.IntRange(0, 3).Draw(rt, "kind") == 0 {
				all = append(all, member(fmt.Sprint("f", i), Full, i, 1, at+size))
			} else {
				all = append(all, member(fmt.Sprint("d", i), Differential, i, at+1, at+size))
			}
			at += size
		}
		lost := slices.DeleteFunc(slices.Clone(all), func(Member) bool { return rapid.IntRange(0, 4).Draw(rt, "lost") == 0 })
		for _, c := range LatestChains(lost) {
			if len(c.Members) == 0 {
				if c.Gap == "" {
					rt.Fatal("no members and no gap")
				}
				continue
			}
			if c.Members[0].Header.Kind != Full {
				rt.Fatalf("it begins with %s", c.Members[0].Name)
			}
			for i, m := range c.Members[1:] {
				before := c.Members[i].Header.Backup.Highest
				if b := m.Header.Backup; b.Lowest > before+1 || i > 0 && b.Lowest != before+1 || b.Highest <= before {
					rt.Fatalf("%s does not follow %d", m.Name, before)
				}
			}
			for _, m := range lost {
				if b := m.Header.Backup; c.Gap == "" && m.Header.Kind == Differential && b.Lowest == c.Highest()+1 {
					rt.Fatalf("%s is left over", m.Name)
				}
			}
		}
	})
}

// The files of testdata/chain are what the writer of these tests makes: a chain
// with a gap, for those who test what a user sees.
func TestChainFiles(t *testing.T) {
	for name, s := range map[string]struct {
		lowest, highest int64
		flags           byte
	}{"full": {1, 10, 7}, "first": {11, 20, 2}, "third": {31, 40, 2}} {
		b := goodBackup(FormatBackupZstd2)
		b.lowest, b.highest, b.flags = s.lowest, s.highest, s.flags
		path := filepath.Join("testdata", "chain", name+".backup")
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.encode(t), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := Verify(bytes.NewReader(f))
		if err != nil || info.Backup.Lowest != s.lowest || info.Backup.Highest != s.highest {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

var update = flag.Bool("update", false, "write the files of testdata/chain again")
