package archive

import (
	"context"

	"github.com/snapferry/snapferry/archive/frame"
)

// pace chooses how hard to compress. It looks at the backlog, which is what
// was compressed and is not stored yet: a full one says that the vault is what
// everybody waits for, and that the cores have time; one that drains says that
// they have none. So the level goes up only while the backlog is full and no
// core is busy, and down as soon as half of it is gone. Between the two it
// stays, and the backlog keeps the uploads busy while it settles.
//
// It knows neither time nor rates, and so needs nothing to be tuned: between
// two levels of which one is too easy and one too hard, it changes as often as
// it takes to keep both sides busy.
type pace struct {
	top int // the hardest level that may be chosen, as an index of the ladder
	at  int
	// full is how often in a row the backlog was seen full.
	full int
	// since counts the segments since the level last went up.
	since int
	// patience is how often in a row the backlog must be full before the
	// level goes up to this one. A level that was too hard at once doubles it.
	patience [maxRungs]int
}

const (
	maxRungs = 8
	// leastPatience keeps a single late upload from changing anything.
	leastPatience = 2
	mostPatience  = 64
	// shortStay is a number of segments: a level that had to be left within
	// them was too hard.
	shortStay = 4
	// lowBacklog and emptyBacklog are parts of a full one.
	lowBacklog   = 0.5
	emptyBacklog = 0.125
)

func newPace(top int) *pace {
	p := &pace{top: top}
	for i := range p.patience {
		p.patience[i] = leastPatience
	}
	return p
}

// backlog is what can be seen of the uploads at one moment.
type backlog struct {
	// fill is how full it is, 1 being full.
	fill float64
	// stuck: there was no room for another segment, and no core had anything
	// to do.
	stuck bool
}

func (p *pace) level() frame.Level { return frame.Ladder()[p.at] }

// segment is told the backlog whenever another segment is begun.
func (p *pace) segment(b backlog) frame.Level {
	p.since++
	switch {
	case b.stuck || b.fill >= 1:
		p.full++
		if p.at < p.top && p.full >= p.patience[p.at+1] {
			p.at++
			p.since = 0
		}
	case b.fill < lowBacklog:
		p.easier()
	default:
		p.full = 0
	}
	return p.level()
}

// chunk is told it whenever another chunk is handed out: a segment at the
// hardest level may take longer than the backlog lasts.
func (p *pace) chunk(b backlog) frame.Level {
	if b.fill < emptyBacklog {
		p.easier()
	}
	return p.level()
}

func (p *pace) easier() {
	p.full = 0
	if p.at == 0 {
		return
	}
	if p.since <= shortStay {
		p.patience[p.at] = min(2*p.patience[p.at], mostPatience)
	} else {
		p.patience[p.at] = leastPatience
	}
	p.at--
	p.since = shortStay + 1 // what is left now was not gone up to
}

// easyEnough is how many segments in a row are made at the fastest level
// before the memory of harder encoders goes back to the segments.
const easyEnough = 8

// makeRoom waits for n bytes of memory for another segment, and lets what that
// tells of the backlog set the level.
func (s *shipment) makeRoom(ctx context.Context, n int64) error {
	stuck := false
	if !s.budget.TryAcquire(n) {
		if err := s.budget.Acquire(ctx, n); err != nil {
			return err
		}
		stuck = int(s.idle.Load()) == s.workers
	}
	if s.pace == nil {
		return nil
	}
	level := s.pace.segment(backlog{fill: s.fill(), stuck: stuck})
	if level == frame.Fastest {
		if s.easy++; s.easy == easyEnough {
			s.extra.revoke()
		}
	} else {
		s.easy = 0
		if err := s.extra.grant(ctx, level); err != nil {
			return err
		}
	}
	s.want.Store(level)
	return nil
}

// paceChunk lets the backlog set the level before a chunk is handed out.
func (s *shipment) paceChunk() {
	if s.pace != nil {
		s.want.Store(s.pace.chunk(backlog{fill: s.fill()}))
	}
}

// fill is how full the backlog is: what waits or is on its way as a part of
// the memory there is for it, or, if that is more, the longest queue as a part
// of the uploads that may be under way.
func (s *shipment) fill() float64 {
	room := s.budget.Size() - s.reserved() - s.held - s.extra.bytes() - s.segmentMemory()
	fill := float64(s.unsent.Load()) / float64(max(room, 1))
	for _, b := range s.berths {
		fill = max(fill, b.waiting())
	}
	return fill
}

// setLevel makes a worker's encoder ready for its next chunk, at the level
// that is wanted, or the hardest below it that there is memory for.
func (s *shipment) setLevel(w *worker) (frame.Level, error) {
	if s.pace == nil {
		return s.level, nil
	}
	level := s.extra.use(s.want.Load().(frame.Level), &w.holds) //nolint:forcetypeassert // nothing else is stored
	if !w.holds {
		return level, w.enc.Relax()
	}
	return level, w.enc.Use(level)
}
