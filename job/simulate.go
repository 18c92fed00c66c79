package job

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/chart"
)

// SimulateRequest is a history to be made up.
type SimulateRequest struct {
	Policy   lifecycle.Policy
	Store    string // s3, s3-compatible, gcs, azure or none
	Schedule string // a crontab line, in the zone of the policy
	From     time.Time
	Days     int // 1 to 36,500
	// Failures are runs that fail: 2027-01-04, 2027-02-01..2027-02-10, 10%.
	Failures []string
	Seed     uint64 // which runs the percentage hits
	// FullEvery takes a full backup after so many days at the latest, in a
	// policy with chains; 0: when the chain may not grow any more.
	FullEvery int
	On        time.Time // a day to look at; zero: none
	Chart     io.Writer // for an SVG; nil: none
}

// SimulateReport is what the runs leave.
type SimulateReport struct {
	Store     string    `json:"store"`
	Retention string    `json:"retention"`
	Zone      string    `json:"zone"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	// EmptyOn is when the last restore point may go, if no run succeeds after
	// To; absent if it never does, or there is none.
	EmptyOn *time.Time          `json:"empty_on,omitempty"`
	Points  []RestorePoint      `json:"points"`
	Failed  []time.Time         `json:"failed,omitempty"`
	Days    []SimulatedDay      `json:"days"`
	On      *RestorePointsOfDay `json:"on,omitempty"`
}

// RestorePoint is a backup of a simulation.
type RestorePoint struct {
	Time   time.Time `json:"time"`
	Tier   string    `json:"tier"`
	Stands []string  `json:"stands"` // kinds of periods
	Kind   string    `json:"kind"`   // full or differential
	// Until is the end of what is promised, RestorableUntil the earliest
	// instant at which a rule may act; absent: never.
	Until           *time.Time `json:"until,omitempty"`
	RestorableUntil *time.Time `json:"restorable_until,omitempty"`
}

// SimulatedDay is one day, and what is there at its end.
type SimulatedDay struct {
	Date   string         `json:"date"`
	Runs   int            `json:"runs"`
	Failed int            `json:"failed"`
	Tier   string         `json:"tier,omitempty"` // of its last backup
	Points int            `json:"points"`
	Tiers  map[string]int `json:"tiers"` // how many points of each
	Oldest string         `json:"oldest,omitempty"`
}

// RestorePointsOfDay are those that are there at the end of a day.
type RestorePointsOfDay struct {
	Date   string         `json:"date"`
	Points []RestorePoint `json:"points"`
}

const maxSimulatedDays = 36_500

// Simulate tells day by day which restore points a policy leaves.
func Simulate(req SimulateRequest) (*SimulateReport, error) {
	store, err := parseStore(req.Store)
	if err != nil {
		return nil, err
	}
	from, to, err := req.span()
	if err != nil {
		return nil, err
	}
	runs, err := req.runs(from, to)
	if err != nil {
		return nil, err
	}
	return req.report(store, req.Policy.Simulate(store, runs), runs, from, to)
}

// report tells of a history between two midnights. What was there before its
// first run is part of it.
func (req *SimulateRequest) report(store lifecycle.Store, h lifecycle.History, runs []lifecycle.Run, from, to time.Time) (*SimulateReport, error) {
	zone := from.Location()
	report := &SimulateReport{Store: string(store), Retention: FormatRetention(req.Policy), Zone: zone.String(), From: from.UTC(), To: to.UTC()}
	for _, t := range h.Failed {
		report.Failed = append(report.Failed, t.UTC())
	}
	for i := range h.Points {
		report.Points = append(report.Points, restorePoint(&h.Points[i]))
	}
	if last, never := h.LastPoint(); !never && !last.IsZero() {
		last = last.UTC()
		report.EmptyOn = &last
	}
	report.days(&h, runs, from, req.Days)
	if !req.On.IsZero() {
		report.On = pointsOn(&h, req.On, zone)
	}
	if req.Chart == nil {
		return report, nil
	}
	title := fmt.Sprintf("%s on %s: restore points of %q", report.Retention, store, req.Schedule)
	c := chart.Chart{Title: title, From: from, To: to, History: h}
	if report.On != nil {
		c.On = endOfDay(req.On, zone)
	}
	return report, c.Write(req.Chart)
}

// span is the time of a simulation, from midnight to midnight.
func (req *SimulateRequest) span() (from, to time.Time, err error) {
	if req.Policy.IsZero() {
		return from, to, usage("simulate", errors.New("nothing is kept for a time"), keepHint)
	}
	if req.Days < 1 || req.Days > maxSimulatedDays {
		return from, to, usage(fmt.Sprintf("%d days", req.Days), fmt.Errorf("they are not between 1 and %d", maxSimulatedDays), "give it with --days")
	}
	zone := zoneOf(req.Policy)
	y, m, d := req.From.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+req.Days, 0, 0, 0, 0, zone), nil
}

func parseStore(name string) (lifecycle.Store, error) {
	known := []string{string(lifecycle.S3), string(lifecycle.S3Compatible), string(lifecycle.GCS), string(lifecycle.Azure), string(lifecycle.NoRules)}
	if !slices.Contains(known, name) {
		return "", usage("store "+name, errors.New("no such kind of store"), Suggest(name, known))
	}
	return lifecycle.Store(name), nil
}

func zoneOf(p lifecycle.Policy) *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// runs are those of the schedule between two instants, with the failures.
func (req *SimulateRequest) runs(from, to time.Time) (runs []lifecycle.Run, err error) {
	plan, err := parseSchedule(req.Schedule, from.Location())
	if err != nil {
		return nil, err
	}
	fails, err := parseFailures(req.Failures, req.Seed, from.Location())
	if err != nil {
		return nil, err
	}
	const most = 1_000_000
	var full time.Time
	for t := plan.Next(from.Add(-time.Second)); t.Before(to) && !t.IsZero(); t = plan.Next(t) {
		r := lifecycle.Run{Time: t, Failed: fails(t)}
		if !r.Failed && req.FullEvery > 0 && !t.Before(full.AddDate(0, 0, req.FullEvery)) {
			r.Full, full = true, t
		}
		if runs = append(runs, r); len(runs) > most {
			return nil, usage("schedule "+req.Schedule, fmt.Errorf("it has more than %d runs in that time", most), "simulate fewer days")
		}
	}
	if len(runs) == 0 {
		return nil, usage("schedule "+req.Schedule, errors.New("it has no run in that time"), "simulate more days, or correct the schedule")
	}
	return runs, nil
}

// parseFailures returns which runs fail.
func parseFailures(texts []string, seed uint64, zone *time.Location) (func(time.Time) bool, error) {
	const hint = "write a day such as 2027-01-04, days such as 2027-02-01..2027-02-10, or a percentage such as 10%"
	percent := 0.0
	type days struct{ from, to time.Time }
	var spans []days
	for _, text := range texts {
		if number, ok := strings.CutSuffix(text, "%"); ok {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil || n < 0 || n > 100 {
				return nil, usage("failures "+text, errors.New("it is no percentage"), hint)
			}
			percent = n
			continue
		}
		first, last, ranged := strings.Cut(text, "..")
		if !ranged {
			last = first
		}
		from, err1 := time.ParseInLocation(time.DateOnly, first, zone)
		to, err2 := time.ParseInLocation(time.DateOnly, last, zone)
		if err1 != nil || err2 != nil || to.Before(from) {
			return nil, usage("failures "+text, errors.New("these are no days"), hint)
		}
		spans = append(spans, days{from, to.AddDate(0, 0, 1)})
	}
	random := rand.New(rand.NewPCG(seed, seed)) // chance that repeats
	return func(t time.Time) bool {
		unlucky := random.Float64()*100 < percent
		return unlucky || slices.ContainsFunc(spans, func(d days) bool { return !t.Before(d.from) && t.Before(d.to) })
	}, nil
}

func restorePoint(p *lifecycle.Point) RestorePoint {
	r := RestorePoint{Time: p.Time.UTC(), Tier: string(p.Tier), Stands: kindNames(p.Stands), Kind: "full"}
	if !p.Full() {
		r.Kind = "differential"
	}
	if !p.Until.IsZero() {
		until := p.Until.UTC()
		r.Until = &until
	}
	if !p.Floor.Never() {
		until := p.Floor.At.UTC()
		r.RestorableUntil = &until
	}
	return r
}

func kindNames(tiers []lifecycle.Tier) []string {
	names := make([]string, len(tiers))
	for i, t := range tiers {
		names[i] = string(t)
	}
	return names
}

func endOfDay(day time.Time, zone *time.Location) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, zone).Add(-time.Second)
}

func pointsOn(h *lifecycle.History, day time.Time, zone *time.Location) *RestorePointsOfDay {
	on := &RestorePointsOfDay{Date: day.Format(time.DateOnly), Points: []RestorePoint{}}
	for _, i := range h.On(endOfDay(day, zone)) {
		on.Points = append(on.Points, restorePoint(&h.Points[i]))
	}
	return on
}

// days counts what is there at the end of each day.
func (s *SimulateReport) days(h *lifecycle.History, runs []lifecycle.Run, from time.Time, days int) {
	// The points of the runs come after those that were there.
	zone, run, point := from.Location(), 0, len(h.Points)-len(runs)+len(h.Failed)
	for i := range days {
		day := from.AddDate(0, 0, i)
		end := endOfDay(day, zone)
		x := SimulatedDay{Date: day.Format(time.DateOnly), Tiers: map[string]int{}}
		for ; run < len(runs) && !runs[run].Time.After(end); run++ {
			x.Runs++
			if runs[run].Failed {
				x.Failed++
				continue
			}
			x.Tier = string(h.Points[point].Tier)
			point++
		}
		there := h.On(end)
		x.Points = len(there)
		for _, p := range there {
			x.Tiers[string(h.Points[p].Tier)]++
		}
		if len(there) > 0 {
			x.Oldest = h.Points[there[0]].Time.In(zone).Format(time.DateOnly)
		}
		s.Days = append(s.Days, x)
	}
}

// TiersOf are the names of the tiers that have points in a simulation, from the
// shortest on.
func TiersOf(s *SimulateReport) (names []string) {
	for _, name := range tierNames() {
		if slices.ContainsFunc(s.Points, func(p RestorePoint) bool { return p.Tier == name }) {
			names = append(names, name)
		}
	}
	return names
}

// StoreName is the kind of store that the URL of a vault names, as
// SimulateRequest calls it.
func StoreName(url string) string { return string(storeOf(url)) }
