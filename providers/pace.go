package providers

import "time"

// Concurrency is how many operations of one kind may be in flight.
type Concurrency struct {
	Start int // at first; 0 means Max
	Max   int // at most; 0 means no limit
}

// The rules by which a limit moves.
const (
	// paceWindow is how long throughput is measured before the limit moves
	// again: long enough to hold some round trips and buffers.
	paceWindow = time.Second
	// paceGain is how much more a larger limit must bring to be kept.
	paceGain = 1.05
	// paceHold is how many windows a limit that was found best is kept before
	// a larger one is tried again: what else uses the line changes.
	paceHold = 15
)

// pace decides how many transfers may be in flight. It knows no clock and no
// goroutines: it is told what happened, and limit is the answer.
//
// While the limit holds transfers back, it grows by a quarter as long as
// throughput grows with it, and goes one step back when it does not. A store
// that throttles halves it, at most once in a window; then it grows by one a
// window up to just below what was too much, and stays there for a while.
type pace struct {
	max, limit int

	// Of the window that is measured.
	since     time.Time
	bytes     int64
	held      bool // somebody had to wait
	throttled bool

	smaller int     // the limit before the last step up; 0: none is judged
	rate    float64 // bytes a second with it
	hold    int     // windows left before the next step up
	recover int     // what the limit grows back to, one a window
}

func newPace(c Concurrency, now time.Time) pace {
	start := c.Start
	if start <= 0 || start > c.Max {
		start = c.Max
	}
	return pace{max: c.Max, limit: start, since: now}
}

// moved counts bytes.
func (p *pace) moved(n int) { p.bytes += int64(n) }

// waited tells that the limit held a transfer back.
func (p *pace) waited() { p.held = true }

// throttle tells that the store asked to slow down.
func (p *pace) throttle(now time.Time) {
	p.tick(now)
	if p.throttled {
		return // answers to what was in flight already
	}
	p.throttled = true
	p.recover = p.limit - 1
	p.limit = max(1, p.limit/2)
	p.smaller, p.hold = 0, paceHold
}

// tick ends the window if its time is over, and moves the limit.
func (p *pace) tick(now time.Time) {
	took := now.Sub(p.since)
	if took < 0 { // the clock was set back
		p.since = now
		return
	}
	if took < paceWindow {
		return
	}
	p.judge(float64(p.bytes) / took.Seconds())
	p.since, p.bytes, p.held, p.throttled = now, 0, false, false
}

// judge moves the limit by the throughput of a whole window.
func (p *pace) judge(rate float64) {
	switch {
	case p.throttled:
		// Halved already.
	case p.limit < p.recover:
		p.limit++
	case !p.held:
		// Whatever the throughput is, the limit is not the reason.
		p.smaller = 0
	case p.smaller > 0 && rate < p.rate*paceGain:
		p.limit, p.smaller, p.hold = p.smaller, 0, paceHold
	case p.hold > 0:
		p.hold--
	default:
		p.grow(rate)
	}
}

func (p *pace) grow(rate float64) {
	larger := min(p.max, p.limit+max(1, p.limit/4))
	if larger == p.limit {
		p.smaller = 0
		return
	}
	p.smaller, p.rate, p.limit = p.limit, rate, larger
}
