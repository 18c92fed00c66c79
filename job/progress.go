package job

import (
	"math"
	"sync/atomic"

	"github.com/snapferry/snapferry/archive"
)

// Progress is how far a run is. It may be read while the run goes on.
type Progress struct {
	data    archive.Progress
	phase   atomic.Pointer[string]
	capture atomic.Uint64 // bits of the fraction
}

// Status is the progress at one instant.
type Status struct {
	Phase   string  // "capture", "ship", "copy", "restore", "verify"; empty before the first
	Capture float64 // how much of the capture is taken, 0 to 1, where the source tells
	Total   int64   // raw bytes to do; 0 while unknown
	Done    int64   // raw bytes done, those found in the vault included
	Reused  int64   // raw bytes found in the vault
	Stored  int64   // stored bytes moved
	Objects int64   // segments moved
}

// Status reads the progress.
func (p *Progress) Status() Status {
	s := Status{Capture: math.Float64frombits(p.capture.Load()), Total: p.data.Total.Load(), Done: p.data.Done.Load(),
		Reused: p.data.Reused.Load(), Stored: p.data.Stored.Load(), Objects: p.data.Objects.Load()}
	if phase := p.phase.Load(); phase != nil {
		s.Phase = *phase
	}
	return s
}

func (p *Progress) enter(phase string) { p.phase.Store(&phase) }

func (p *Progress) captured(fraction float64) { p.capture.Store(math.Float64bits(fraction)) }
