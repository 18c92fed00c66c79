package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is one run of a command line.
type sample struct {
	wall time.Duration
	rss  int64 // bytes, peak of the largest process of the line
}

// runner runs shell command lines in one environment.
type runner struct {
	env []string // nil: that of this program
	dir string
}

// run runs the line with bash, so that what is printed can be pasted. A failure
// carries the end of what the command said. The peak memory is that of the
// largest single process: a pipeline may have used more in all.
func (r runner) run(ctx context.Context, line string) (sample, error) {
	// bash replaces itself for a single command, and has children for a pipe.
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; "+line)
	cmd.Env = r.env
	cmd.Dir = r.dir
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	ownGroup(cmd)
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("run %s: %w\n%s", line, err, out.String())
	}
	return sample{wall: wall, rss: peakRSS(cmd.ProcessState)}, nil
}

// tail keeps the last bytes written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 * kib
	if t.Len() > 4*keep {
		rest := bytes.Clone(t.Bytes()[t.Len()-keep:])
		t.Reset()
		t.Buffer.Write(rest)
	}
	return t.Buffer.Write(p)
}

func medianWall(samples []sample) time.Duration {
	walls := make([]time.Duration, len(samples))
	for i, s := range samples {
		walls[i] = s.wall
	}
	slices.Sort(walls)
	if n := len(walls); n%2 == 0 {
		return (walls[n/2-1] + walls[n/2]) / 2
	}
	return walls[len(walls)/2]
}

func maxRSS(samples []sample) int64 {
	var most int64
	for _, s := range samples {
		most = max(most, s.rss)
	}
	return most
}

// eachWall shows all samples, so that a reader sees how far they spread.
func eachWall(samples []sample) string {
	words := make([]string, len(samples))
	for i, s := range samples {
		words[i] = fmt.Sprintf("%.2f", s.wall.Seconds())
	}
	return strings.Join(words, " ")
}

// bandwidth writes limits in bytes a second as job.Tuning has them; 0 is none.
func bandwidth(up, down int64) string {
	text := func(rate int64) string {
		if rate == 0 {
			return "off"
		}
		return strconv.FormatInt(rate, 10)
	}
	return text(up) + ":" + text(down)
}
