// Package chart draws which restore points a policy leaves, as an SVG.
package chart

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// Chart is what is drawn: one bar a point, from when it was taken to when a
// rule may remove it, the promised part of it darker; below, how many points
// there are; red where runs failed.
type Chart struct {
	Title    string
	From, To time.Time
	History  lifecycle.History
	On       time.Time // a day to mark; zero: none
}

// The measures of the picture, in pixels.
const (
	width, left, right = 1200, 56, 24
	top, bars          = 84, 520
	gap, area, bottom  = 28, 110, 46
	height             = top + bars + gap + area + bottom
)

const style = `<style>
svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#444}.title{font-size:18px;font-weight:600;fill:#111}
.grid{stroke:#e4e4e4}.year{stroke:#aaa}.fail{stroke:#d62728;stroke-width:1.5}.on{stroke:#111;stroke-dasharray:4 3}
.count{fill:#8884;stroke:#888}.soft{opacity:.35}
.hourly{fill:#9aa0a6}.daily{fill:#4c78a8}.weekly{fill:#2a9d8f}.monthly{fill:#e08a2e}.yearly{fill:#8e5ea2}.manual{fill:#777}
@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#bbb}.title{fill:#eee}.grid{stroke:#2a2d33}.year{stroke:#555}.on{stroke:#eee}}
</style>
`

// canvas draws one chart.
type canvas struct {
	*Chart
	w *bufio.Writer
}

// Write draws the chart. Its only errors are those of w.
func (c *Chart) Write(w io.Writer) error {
	d := canvas{c, bufio.NewWriter(w)}
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">`+"\n", width, height)
	d.printf("<title>%s</title>\n%s", escape(c.Title), style)
	d.printf(`<text class="title" x="%d" y="30">%s</text>`+"\n", left, escape(c.Title))
	d.legend()
	d.grid()
	d.points()
	d.counts()
	for _, t := range c.History.Failed {
		d.printf(`<path class="fail" d="M%.1f %dv8"><title>%s: the run failed</title></path>`+"\n", d.x(t), top+bars+6, t.Format(time.DateTime))
	}
	if !c.On.IsZero() {
		x := d.x(c.On)
		d.printf(`<path class="on" d="M%.1f %dV%d"/><text x="%.1f" y="%d" text-anchor="middle">%s: %d</text>`+"\n",
			x, top, top+bars+gap+area, x, top-6, c.On.Format(time.DateOnly), len(c.History.On(c.On)))
	}
	d.printf("</svg>\n")
	return d.w.Flush()
}

// printf writes; Flush tells of errors.
func (d *canvas) printf(format string, args ...any) { _, _ = fmt.Fprintf(d.w, format, args...) }

// x is where an instant is, at the edge if it is beyond.
func (d *canvas) x(t time.Time) float64 {
	part := float64(t.Sub(d.From)) / float64(d.To.Sub(d.From))
	return left + min(max(part, 0), 1)*(width-left-right)
}

func (d *canvas) legend() {
	x := left
	for _, t := range lifecycle.Tiers() {
		n := 0
		for i := range d.History.Points {
			if d.History.Points[i].Tier == t {
				n++
			}
		}
		if n > 0 {
			d.printf(`<rect class="%s" x="%d" y="46" width="12" height="12"/><text x="%d" y="56">%s (%d)</text>`+"\n", t, x, x+17, t, n)
			x += 120
		}
	}
	d.printf(`<text x="%d" y="56">dark: promised; light: until a rule may act; red: failed</text>`+"\n", x)
}

// grid draws a line at each month, each quarter of long charts.
func (d *canvas) grid() {
	months := 1
	for d.To.Sub(d.From) > time.Duration(months)*26*30*24*time.Hour {
		months *= 3
	}
	y, m, _ := d.From.Date()
	for t := time.Date(y, m, 1, 0, 0, 0, 0, d.From.Location()); !t.After(d.To); t = t.AddDate(0, 1, 0) {
		if t.Before(d.From) || int(t.Month()-1)%min(months, 12) != 0 {
			continue
		}
		class := "grid"
		if t.Month() == time.January {
			class = "year"
		}
		x := d.x(t)
		d.printf(`<path class="%s" d="M%.1f %dV%d"/>`, class, x, top, top+bars+gap+area)
		label := t.Format("Jan")
		if class == "year" || months >= 12 {
			label = t.Format("2006")
		}
		d.printf(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, height-bottom+20, label)
	}
}

// points draws the bars, the oldest on top.
func (d *canvas) points() {
	n := len(d.History.Points)
	if n == 0 {
		return
	}
	row := float64(bars) / float64(n)
	thick := min(max(row*.8, .6), 12)
	for i := range d.History.Points {
		p := &d.History.Points[i]
		y := top + row*float64(i)
		from, promised, to := d.x(p.Time), d.x(p.Until), d.x(p.Floor.At)
		until := "for ever"
		if p.Floor.Never() {
			promised, to = width-right, width-right
		} else {
			until = "until " + p.Floor.At.In(d.From.Location()).Format(time.DateTime)
		}
		d.printf(`<g class="%s"><title>%s %s, restorable %s</title><rect x="%.1f" y="%.2f" width="%.1f" height="%.2f"/>`,
			p.Tier, p.Time.In(d.From.Location()).Format(time.DateTime), strings.Join(stands(p), ", "), until, from, y, max(promised-from, .6), thick)
		if to > promised {
			d.printf(`<rect class="soft" x="%.1f" y="%.2f" width="%.1f" height="%.2f"/>`, promised, y, to-promised, thick)
		}
		d.printf("</g>\n")
	}
}

func stands(p *lifecycle.Point) (texts []string) {
	for _, t := range p.Stands {
		texts = append(texts, string(t))
	}
	return texts
}

// counts draws how many points there are.
func (d *canvas) counts() {
	const steps = 400
	var most int
	var line [steps + 1]int
	for i := range line {
		line[i] = len(d.History.On(d.From.Add(d.To.Sub(d.From) * time.Duration(i) / steps)))
		most = max(most, line[i])
	}
	base := top + bars + gap + area
	d.printf(`<path class="count" d="M%d %d`, left, base)
	for i, n := range line {
		x := left + float64(width-left-right)*float64(i)/steps
		d.printf("L%.1f %.1f", x, float64(base)-float64(n*area)/float64(max(most, 1)))
	}
	d.printf(`V%dZ"/>`+"\n", base)
	d.printf(`<text x="%d" y="%d" text-anchor="end">%d</text><text x="%d" y="%d" text-anchor="end">0</text>`+"\n", left-6, base-area+10, most, left-6, base)
	d.printf(`<text x="%d" y="%d">restore points</text>`+"\n", left+6, base-area+10)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
