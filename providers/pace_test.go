package providers

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is a line and a store in simulated time.
type world struct {
	stream, line float64 // bytes a second of one transfer, and of all together
	throttleOver int     // the store throttles more in flight than these; 0: never
	demand       int     // transfers that want to be in flight
}

// run lets a pace live in the world for so many windows and returns its limits
// at their ends.
func (w world) run(p *pace, windows int) []int {
	var limits []int
	now := p.since
	for range windows {
		for range 10 {
			now = now.Add(paceWindow / 10)
			inside := min(w.demand, p.limit)
			if w.demand > p.limit {
				p.waited()
			}
			if w.throttleOver > 0 && inside > w.throttleOver {
				p.throttle(now)
			}
			p.moved(int(min(float64(inside)*w.stream, w.line) * paceWindow.Seconds() / 10))
			p.tick(now)
		}
		limits = append(limits, p.limit)
	}
	return limits
}

func begin(start, most int) *pace {
	p := newPace(Concurrency{Start: start, Max: most}, time.Unix(0, 0))
	return &p
}

// On a line that many streams fill, the limit grows to its maximum within
// seconds; where a few fill it, it stays with them.
func TestPaceFindsTheLine(t *testing.T) {
	for _, c := range []struct {
		line        float64
		least, most int
	}{
		{line: 1e9, least: 32, most: 32},
		{line: 80e6, least: 8, most: 8},
		{line: 40e6, least: 8, most: 8}, // it does not go below its start without being asked to
		{line: 160e6, least: 14, most: 18},
	} {
		p := begin(8, 32)
		limits := world{stream: 10e6, line: c.line, demand: 100}.run(p, 60)
		settled := 0
		for _, l := range limits[10:] {
			if l >= c.least && l <= c.most {
				settled++
			}
		}
		if settled < 40 {
			t.Errorf("a line of %g: %v", c.line, limits)
		}
	}
}

// A limit that holds nothing back is no reason to grow.
func TestPaceNeedsDemand(t *testing.T) {
	if limits := (world{stream: 1e6, line: 1e9, demand: 5}).run(begin(8, 32), 30); limits[29] != 8 {
		t.Errorf("limits %v", limits)
	}
}

// One burst of refusals halves the limit once; it comes back one by one.
func TestPaceBacksOff(t *testing.T) {
	p := begin(16, 16)
	now := p.since.Add(10 * time.Millisecond)
	for range 16 {
		p.throttle(now)
	}
	if p.limit != 8 {
		t.Fatalf("the limit after a burst is %d", p.limit)
	}
	limits := world{stream: 1e6, line: 1e9, demand: 100}.run(p, 20)
	for i, l := range limits {
		if want := min(8+i, 15); l != want {
			t.Fatalf("limits %v, want one more a window, up to 15", limits)
		}
	}
	if limits := (world{stream: 1e6, line: 1e9, demand: 100}).run(p, 10); limits[9] != 16 {
		t.Errorf("limits %v, want 16 again after a while", limits)
	}
	now = p.since
	for range 10 {
		now = now.Add(time.Hour)
		p.throttle(now)
	}
	if p.limit != 1 {
		t.Errorf("the limit of a store that always throttles is %d", p.limit)
	}
}

// A store that takes so many and no more is used well without being pestered.
func TestPaceUnderAThrottlingStore(t *testing.T) {
	for _, capacity := range []int{1, 3, 10, 20} {
		w := world{stream: 1e6, line: 1e9, throttleOver: capacity, demand: 100}
		limits := w.run(begin(8, 32), 300)[50:]
		over, sum := 0, 0
		for _, l := range limits {
			sum += min(l, capacity)
			if l > capacity {
				over++
			}
		}
		if used := float64(sum) / float64(len(limits)*capacity); used < 0.75 || over > len(limits)/10 {
			t.Errorf("of a capacity of %d, %.0f%% are used, %d windows of %d are over it: %v", capacity, 100*used, over, len(limits), limits)
		}
	}
}

func TestPaceStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := Concurrency{Start: rapid.IntRange(-1, 40).Draw(rt, "start"), Max: rapid.IntRange(1, 32).Draw(rt, "max")}
		now := time.Unix(1000, 0)
		p := newPace(c, now)
		rt.Repeat(map[string]func(*rapid.T){
			"time": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(-1e9, 5e9).Draw(rt, "ns")))
				p.tick(now)
			},
			"throttle": func(*rapid.T) { p.throttle(now) },
			"waited":   func(*rapid.T) { p.waited() },
			"moved":    func(rt *rapid.T) { p.moved(rapid.IntRange(0, 1<<30).Draw(rt, "bytes")) },
			"": func(rt *rapid.T) {
				if p.limit < 1 || p.limit > c.Max {
					rt.Fatalf("the limit is %d of %d", p.limit, c.Max)
				}
			},
		})
	})
}
