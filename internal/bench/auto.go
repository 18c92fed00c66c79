package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/job"
)

// autoRates are the lines that levels are compared on, in bytes of stored data
// a second.
func autoRates() []int64 { return []int64{20_000_000, 100_000_000, 400_000_000} }

// autoAim is how close auto is meant to come to the best fixed level.
const autoAim = 0.9

// autoAll backs the mix up to a vault that takes so many bytes a second, with
// each fixed level and with auto, in turns.
func autoAll(ctx context.Context, b bench) error {
	in := filepath.Join(b.dir, "mix.img")
	if err := writeFile(in, "mix", 42, b.size); err != nil {
		return err
	}
	levels := append(frame.Ladder(), frame.Auto)
	for _, rate := range autoRates() {
		rows := map[frame.Level][]sample{}
		reports := map[frame.Level]*job.BackupReport{}
		for round := range b.autoRounds {
			for i := range levels {
				level := levels[(i+round)%len(levels)]
				s, report, err := throttled(ctx, b, in, level, rate)
				if err != nil {
					return err
				}
				rows[level], reports[level] = append(rows[level], s), report
				b.log.Info("measured", "rate", rate, "level", level, "seconds", s.wall.Seconds())
			}
		}
		printAuto(b.out, rate, rows, reports)
	}
	return nil
}

func throttled(ctx context.Context, b bench, in string, level frame.Level, rate int64) (sample, *job.BackupReport, error) {
	vault, remove, err := fresh(b.dir, "vault")
	if err != nil {
		return sample{}, nil, err
	}
	r := inProcess()
	r.Tuning = job.Tuning{Level: string(level), Bandwidth: bandwidth(rate, 0)}
	var report *job.BackupReport
	s, err := timed(func() (err error) {
		report, err = r.Backup(ctx, job.BackupRequest{Source: in, Job: "auto", Vaults: []job.Vault{{URL: "discard://" + vault}}})
		return err
	})
	return s, report, errors.Join(err, remove())
}

func printAuto(w *printer, rate int64, rows map[frame.Level][]sample, reports map[frame.Level]*job.BackupReport) {
	w.printf("-- a line of %d MB/s\n%-10s %10s %10s   %s\n", rate/1_000_000, "", "s", "stored MB", "chunks")
	best := frame.Fastest
	for _, level := range append(frame.Ladder(), frame.Auto) {
		w.printf("%-10s %10.2f %10d   %v\n", level, medianWall(rows[level]).Seconds(), reports[level].StoredBytes/1_000_000, reports[level].Levels)
		if slices.Contains(frame.Ladder(), level) && medianWall(rows[level]) < medianWall(rows[best]) {
			best = level
		}
	}
	w.printf("auto: %.2f x the speed of %s, the best fixed level (aim %.1f)\n", ratioOf(medianWall(rows[best]), medianWall(rows[frame.Auto])), best, autoAim)
}
