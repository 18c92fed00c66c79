package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/snapferry/snapferry/job"
)

// barEvery is the time between two looks at the progress on a terminal.
const barEvery = 200 * time.Millisecond

// watch shows the progress of a run until the returned function is called,
// which waits until the last of it is shown.
func (d *deps) watch(p *job.Progress) (stop func()) {
	if d.global.quiet {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		if d.terminal {
			d.drawBar(p, done)
			return
		}
		d.logProgress(p, done)
	}()
	return func() {
		close(done)
		<-ended
	}
}

// logProgress writes a line now and then, whatever -v says.
func (d *deps) logProgress(p *job.Progress, done <-chan struct{}) {
	log := slog.New(slog.NewTextHandler(d.stderr, nil))
	tick := time.NewTicker(d.progressEvery)
	defer tick.Stop()
	m := meter{now: d.now}
	m.add(p.Status())
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		s := p.Status()
		m.add(s)
		attrs := []any{"phase", s.Phase, "done", formatBytes(s.Done), "stored", formatBytes(s.Stored), "rate", formatBytes(int64(m.rate())) + "/s"}
		if s.Total > 0 {
			attrs = append(attrs, "total", formatBytes(s.Total), "percent", int(100*fraction(s)), "eta", m.eta(s).String())
		}
		if s.Capture > 0 {
			attrs = append(attrs, "captured_percent", int(100*s.Capture))
		}
		log.Info("progress", attrs...)
	}
}

// drawBar draws a bar with rate and ETA.
func (d *deps) drawBar(p *job.Progress, done <-chan struct{}) {
	m := meter{now: d.now}
	var line barLine
	bars := mpb.New(mpb.WithOutput(d.stderr.out), mpb.WithWidth(48), mpb.WithRefreshRate(barEvery))
	bar := bars.New(0, mpb.BarStyle().Rbound("|").Lbound("|"),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return line.get().before })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return line.get().after })))
	d.stderr.show(bars)
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	for running := true; running; {
		s := p.Status()
		m.add(s)
		line.set(m, s)
		bar.SetTotal(max(s.Total, 1), false)
		bar.SetCurrent(min(s.Done, max(s.Total, 1)))
		select {
		case <-done:
			running = false
		case <-tick.C:
		}
	}
	d.stderr.show(nil)
	bar.Abort(true)
	bars.Wait()
}

// meterWindow is the time over which a rate is measured.
const meterWindow = 30 * time.Second

// meter tells how fast bytes pass. What was found in the vault passes in no
// time and is not counted.
type meter struct {
	now     func() time.Time
	samples []meterSample
}

type meterSample struct {
	at   time.Time
	done int64
}

func (m *meter) add(s job.Status) {
	now := m.now()
	m.samples = append(m.samples, meterSample{now, s.Done - s.Reused})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= meterWindow {
		m.samples = m.samples[1:]
	}
}

// rate is in bytes a second.
func (m *meter) rate() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(last.done-first.done) / seconds
}

// eta is how long the rest takes at this rate; 0 if nobody knows.
func (m *meter) eta(s job.Status) time.Duration {
	rate := m.rate()
	if rate <= 0 || s.Total <= s.Done {
		return 0
	}
	return time.Duration(float64(s.Total-s.Done) / rate * float64(time.Second)).Round(time.Second)
}

func fraction(s job.Status) float64 {
	if s.Total <= 0 {
		return 0
	}
	return min(1, float64(s.Done)/float64(s.Total))
}

// text is what stands around the bar.
func (m *meter) text(s job.Status) (before, after string) {
	before = s.Phase
	if s.Phase == "capture" && s.Capture > 0 {
		before += fmt.Sprintf(" %d%%", int(100*s.Capture))
	}
	after = fmt.Sprintf("%s  %s/s", formatBytes(s.Done), formatBytes(int64(m.rate())))
	if s.Total > 0 {
		after = fmt.Sprintf("%3d%%  %s of %s  %s/s", int(100*fraction(s)), formatBytes(s.Done), formatBytes(s.Total), formatBytes(int64(m.rate())))
	}
	if eta := m.eta(s); eta > 0 {
		after += "  ETA " + eta.String()
	}
	return before + " ", " " + after
}
