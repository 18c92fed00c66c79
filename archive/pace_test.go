package archive

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/archive/memory"
)

// model is a machine and a vault without a clock: the cores take a number of
// ticks for a segment, the line moves a number of bytes a tick, and there is
// room for so many bytes that are compressed and not stored.
type model struct {
	ticks [4]float64 // for one segment at each level of the ladder
	bytes [4]float64 // of one compressed segment
	line  float64    // bytes a tick
	room  float64
	noise float64 // random part of every time, either way
}

// run ships that many segments at the levels that choose returns, and tells how many
// ticks it took and how often each level was used.
func (m model) run(segments int, choose func(backlog) int) (ticks float64, used [4]int) {
	r := rand.New(rand.NewPCG(1, 2))
	var queue []float64 // what is left of each segment that waits
	waiting := 0.0
	upload := func(dt float64) {
		budget := dt * m.line * (1 + m.noise*(2*r.Float64()-1))
		for len(queue) > 0 && budget > 0 {
			part := min(budget, queue[0])
			queue[0] -= part
			budget -= part
			waiting -= part
			if queue[0] == 0 {
				queue = queue[1:]
			}
		}
	}
	for range segments {
		stuck := false
		for waiting+m.bytes[0] > m.room { // until the worst case fits
			upload(0.01)
			ticks += 0.01
			stuck = true
		}
		level := choose(backlog{fill: waiting / (m.room - m.bytes[0]), stuck: stuck})
		used[level]++
		dt := m.ticks[level] * (1 + m.noise*(2*r.Float64()-1))
		upload(dt)
		ticks += dt
		queue = append(queue, m.bytes[level])
		waiting += m.bytes[level]
	}
	return ticks + waiting/m.line, used
}

// At every rate of the line the pace is nearly as good as the best level that
// somebody who knew the rate could have fixed.
func TestPace(t *testing.T) {
	const segments = 200
	m := model{ticks: [4]float64{1, 1.7, 3.5, 14}, bytes: [4]float64{10, 9, 8.2, 7.6}, room: 60}
	for _, noise := range []float64{0, 0.5} {
		for _, line := range []float64{0.2, 0.5, 1, 2, 2.4, 3, 4, 5, 6, 8, 10, 12, 40} {
			m.line, m.noise = line, noise
			best := 0.0
			for level := range 4 {
				if ticks, _ := m.run(segments, func(backlog) int { return level }); best == 0 || ticks < best {
					best = ticks
				}
			}
			p := newPace(3)
			ticks, used := m.run(segments, func(b backlog) int {
				p.segment(b)
				return p.at
			})
			t.Logf("noise %.1f, line %5.1f: %.3f of the best fixed level, levels %v", noise, line, ticks/best, used)
			if ticks > 1.1*best {
				t.Errorf("noise %.1f, line %.1f: %.0f ticks, the best fixed level takes %.0f; levels %v", noise, line, ticks, best, used)
			}
		}
	}
}

// From the first full backlog on, the hardest level is reached within a few
// segments, and left at once when the line becomes fast.
func TestPaceConverges(t *testing.T) {
	p := newPace(3)
	for i := range 8 {
		if p.segment(backlog{fill: 1, stuck: true}); i < leastPatience-1 && p.at > 0 {
			t.Error("one look was enough")
		}
	}
	if p.level() != frame.Best {
		t.Errorf("after eight full backlogs: %s", p.level())
	}
	for range 3 {
		p.chunk(backlog{})
	}
	if p.level() != frame.Fastest {
		t.Errorf("after three chunks without backlog: %s", p.level())
	}
	capped := newPace(1)
	for range 20 {
		capped.segment(backlog{fill: 2})
	}
	if capped.level() != frame.Default {
		t.Errorf("a pace that may go to default is at %s", capped.level())
	}
}

// A level that is too hard is tried ever more rarely.
func TestPaceLearns(t *testing.T) {
	p := newPace(3)
	tries := 0
	for range 200 {
		before := p.at
		p.segment(backlog{fill: 1, stuck: p.at < 2})
		if p.at == 2 && before < 2 {
			tries++
		}
		if p.at == 2 {
			p.segment(backlog{fill: 0.1})
		}
	}
	if tries < 3 || tries > 20 {
		t.Errorf("%d tries of a level that never lasted", tries)
	}
	p = newPace(3)
	for range 30 {
		p.segment(backlog{fill: 0.7})
		p.segment(backlog{fill: 1, stuck: true})
	}
	if p.at != 0 {
		t.Errorf("a backlog that is full now and then raised the level to %s", p.level())
	}
}

// The memory of harder encoders is asked for as a whole, and comes back from
// everybody, also from those who still hold it.
func TestAllowance(t *testing.T) {
	const workers, chunk = 3, 1 << 20
	need := workers * frame.Better.Extra(chunk)
	budget := memory.NewBudget(need)
	a := newAllowance(budget, workers, chunk)
	if got := frame.Ladder()[a.reach(need)]; got != frame.Better || a.reach(0) != 0 {
		t.Errorf("reach %s", got)
	}
	var holds [workers]bool
	use := func(i int, want, expected frame.Level) {
		t.Helper()
		if got := a.use(want, &holds[i]); got != expected {
			t.Errorf("worker %d wants %s and may use %s, not %s", i, want, got, expected)
		}
	}
	free := func(n int64) error {
		t.Helper()
		if !budget.TryAcquire(n) {
			return fmt.Errorf("%d bytes are not free", n)
		}
		budget.Release(n)
		return nil
	}
	use(0, frame.Best, frame.Fastest)
	for _, level := range []frame.Level{frame.Default, frame.Better, frame.Default} {
		if err := a.grant(t.Context(), level); err != nil {
			t.Fatal(err)
		}
	}
	if budget.TryAcquire(1) {
		t.Error("the grant did not take what it needs")
	}
	use(0, frame.Best, frame.Better)
	use(1, frame.Default, frame.Default)
	use(2, frame.Fastest, frame.Fastest)
	a.revoke()
	if err := free(frame.Better.Extra(chunk)); err != nil {
		t.Error("worker 2:", err)
	}
	if err := a.grant(t.Context(), frame.Default); err != nil || a.granted != frame.Fastest {
		t.Errorf("granted %s while two workers still hold their encoders: %v", a.granted, err)
	}
	use(0, frame.Better, frame.Fastest)
	use(1, frame.Fastest, frame.Fastest)
	if err := free(need); err != nil || holds != [workers]bool{} {
		t.Error("all have let go:", err, holds)
	}
	if err := a.grant(t.Context(), frame.Better); err != nil {
		t.Fatal(err)
	}
	use(1, frame.Better, frame.Better)
	a.close()
	if err := free(need); err != nil {
		t.Error("closed:", err)
	}
}
