package lifecycle

import (
	"slices"
	"time"
)

// Run is one run of a job in a history that is made up, or one that was.
type Run struct {
	Time   time.Time
	Failed bool
	Full   bool // it takes a full backup, whatever a chain would allow
}

// Point is a backup of such a history: something that can be restored for a
// time.
type Point struct {
	Promise
	// Parent is the index of the point that it is a differential of; -1: it is
	// a full backup.
	Parent int
	// Floor is until when it is restorable.
	Floor Floor
}

// Full reports whether the point needs no other.
func (p *Point) Full() bool { return p.Parent < 0 }

// At reports whether it is there at an instant.
func (p *Point) At(t time.Time) bool { return !t.Before(p.Time) && p.Floor.Holds(t) }

// History is what comes of runs under a policy.
type History struct {
	Points []Point     // of the runs that succeeded, in the order of time
	Failed []time.Time // of the others

	simulation *Simulation
}

// Simulation is what runs are played against.
type Simulation struct {
	Policy Policy
	// Rules are in force in the store: those of the policy, or others.
	Rules []Ruleset
	// Root and Series are where the backups of the runs are: a prefix without a
	// slash at its end, and a name, or "".
	Root, Series string
	// There are points that exist before the first run, in the order of time.
	There []Point
}

// Simulate plays runs under a policy whose rules are in force in a store of that
// kind, which is empty before.
func (p Policy) Simulate(s Store, runs []Run) History {
	return Simulation{Policy: p, Rules: []Ruleset{s.Ruleset("", p.Rules(s))}}.Play(runs)
}

// Play plays runs, which are in the order of time. Backups take no time. What is
// decided is decided by the functions that decide in earnest.
func (s Simulation) Play(runs []Run) History {
	p := s.Policy
	h := History{Points: slices.Clone(s.There), simulation: &s}
	last := map[Tier]Period{} // the newest period of each kind that a point stands for
	for i := range h.Points {
		for _, k := range h.Points[i].Stands {
			last[k] = p.Period(k, h.Points[i].Time)
		}
	}
	for _, run := range runs {
		if run.Failed {
			h.Failed = append(h.Failed, run.Time)
			continue
		}
		point := Point{Parent: -1, Promise: p.Promote(run.Time, func(q Period) bool { return last[q.kind] == q })}
		if parent := len(h.Points) - 1; parent >= 0 && !run.Full && p.MaxChain > 0 {
			h.extend(&point, parent)
		}
		if point.Full() {
			point.Floor = FloorOf(h.closure(&point), s.Rules...)
		}
		for _, k := range point.Stands {
			last[k] = p.Period(k, run.Time)
		}
		h.Points = append(h.Points, point)
	}
	return h
}

// extend makes the point a differential of the one before, where that is
// allowed.
func (h *History) extend(point *Point, parent int) {
	p := h.simulation.Policy
	root := parent
	for !h.Points[root].Full() {
		root = h.Points[root].Parent
	}
	point.Parent = parent
	point.Floor = FloorOf(h.closure(point), h.simulation.Rules...)
	if !h.Points[parent].Floor.Holds(point.Time) || !p.MayExtend(point.Floor, h.Points[root].Time, point.Time, point.Until) {
		point.Parent = -1
	}
}

// closure is the point and all that it needs.
func (h *History) closure(p *Point) (members []Member) {
	root, series := h.simulation.Root, h.simulation.Series
	if series != "" {
		series += "/"
	}
	for {
		members = append(members, Member{Name: p.Time.UTC().Format(time.RFC3339), Created: p.Time, Complete: true,
			Catalog: Prefix(root, p.Tier, Catalog) + series, Data: Prefix(root, p.Tier, Data) + series})
		if p.Full() {
			return members
		}
		p = &h.Points[p.Parent]
	}
}

// On returns the indexes of the points that are there at an instant.
func (h *History) On(t time.Time) (indexes []int) {
	// Points are in the order of time: those after t need no look.
	end, _ := slices.BinarySearchFunc(h.Points, t, func(p Point, t time.Time) int {
		if p.Time.After(t) {
			return 1
		}
		return -1
	})
	for i := range h.Points[:end] {
		if h.Points[i].At(t) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// LastPoint returns when the last point goes if no run succeeds after those of
// the history, as the function of that name.
func (h *History) LastPoint() (last time.Time, never bool) {
	floors := make([]Floor, len(h.Points))
	for i := range h.Points {
		floors[i] = h.Points[i].Floor
	}
	return LastPoint(floors)
}
