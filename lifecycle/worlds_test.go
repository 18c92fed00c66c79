package lifecycle_test

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Nothing that is promised goes, and nothing is listed of which a part may be
// gone, whatever the store does within its rules.
func TestWorlds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if bad := newWorld(rt, fromRapid(rt), none).check(); bad != "" {
			rt.Fatal(bad)
		}
	})
	worlds := 2_000
	if more := os.Getenv("SNAPFERRY_WORLDS"); more != "" {
		var err error
		if worlds, err = strconv.Atoi(more); err != nil {
			t.Fatal(err)
		}
	}
	var next atomic.Int64
	var group sync.WaitGroup
	all := tally{n: map[string]int{}}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for seed := next.Add(1); seed <= int64(worlds) && !t.Failed(); seed = next.Add(1) {
				w := newWorld(t, fromSeed(uint64(seed)), none)
				all.add(w)
				if bad := w.check(); bad != "" {
					t.Errorf("world %d: %s", seed, bad)
				}
				if seed%100_000 == 0 {
					t.Logf("world %d has been played", seed)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d worlds", worlds)
	for _, what := range slices.Sorted(maps.Keys(all.n)) {
		t.Logf("%9d %s", all.n[what], what)
	}
	for _, what := range measures() {
		if n := all.n[what]; n < worlds/20 && !t.Failed() {
			t.Errorf("%d %s in %d worlds are too few to tell", n, what, worlds)
		}
	}
}

// tally counts what the worlds had, so that nobody takes for tested what never
// happened.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func measures() []string {
	return []string{"complete", "differentials", "of two hosts", "resumed", "resumed and complete", "copied since asked for", "copied from another vault",
		"of a clock ahead", "at midnight", "at the end of a month", "at a change of clocks", "on or after a leap day"}
}

func (a *tally) add(w *world) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range w.vaults {
		for _, b := range v.backups {
			a.n["backups"]++
			for what, so := range v.traits(b) {
				if so {
					a.n[what]++
				}
			}
		}
	}
}

func (v *vault) traits(b *backup) map[string]bool {
	const near = 2 * time.Second
	before, after := b.t.Add(-near).In(v.zone), b.t.Add(near).In(v.zone)
	_, change := before.ZoneBounds()
	_, month, day := b.t.In(v.zone).Date()
	copied := b.late || b.asked != ""
	return map[string]bool{
		"complete":                  b.committed,
		"differentials":             b.parent != nil,
		"of two hosts":              b.twin && b.committed,
		"resumed":                   b.resumed,
		"resumed and complete":      b.resumed && b.committed,
		"copied since asked for":    b.asked != "" && !b.late && b.committed,
		"copied from another vault": b.late && b.committed,
		"of a clock ahead":          !copied && !b.t.Equal(b.id),
		"at midnight":               before.Day() != after.Day(),
		"at the end of a month":     before.Month() != after.Month(),
		"at a change of clocks":     !change.IsZero() && !change.After(after),
		"on or after a leap day":    month == time.February && day == 29 || before.Month() == time.February && before.Day() == 29,
	}
}
