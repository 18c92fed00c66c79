package main

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/job"
)

// Without a terminal there is a line now and then, whatever -v says; with
// --quiet there is none.
func TestProgressLines(t *testing.T) {
	source := filepath.Join(t.TempDir(), "noise")
	if err := job.WriteMix(t.Context(), source, "noise", 2<<20); err != nil {
		t.Fatal(err)
	}
	for _, quiet := range []bool{false, true} {
		var stdout, stderr bytes.Buffer
		d := deps{stdin: strings.NewReader(""), stdout: &stdout, stderr: newConsole(&stderr), now: time.Now, progressEvery: 20 * time.Millisecond}
		args := []string{"backup", source, filepath.Join(t.TempDir(), "vault"), "--segment", "256KiB", "--chunk", "256KiB", "--bandwidth", "4MB"}
		if quiet {
			args = append(args, "--quiet")
		}
		if code := run(context.Background(), args, d); code != exitDone {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		line := regexp.MustCompile(`(?m)^time=\S+ level=INFO msg=progress phase=ship done="\S+ \S+" stored="\S+ \S+" rate="\S+ \S+/s" total="2\.0 MiB" percent=\d+ eta=\S+$`)
		if got := line.MatchString(stderr.String()); got == quiet {
			t.Errorf("quiet %v: %q", quiet, stderr.String())
		}
	}
}

func TestMeter(t *testing.T) {
	now := time.Unix(0, 0)
	m := meter{now: func() time.Time { return now }}
	if m.rate() != 0 || m.eta(job.Status{Total: 100}) != 0 {
		t.Error("a rate without a sample")
	}
	// A thousand bytes were there before; a hundred come each second.
	for i := range 100 {
		m.add(job.Status{Done: 1000 + int64(i)*100, Reused: 1000, Total: 100_000})
		now = now.Add(time.Second)
	}
	if got := m.rate(); got != 100 {
		t.Errorf("the rate is %v", got)
	}
	if got := m.eta(job.Status{Done: 50_000, Total: 100_000}); got != 500*time.Second {
		t.Errorf("the ETA is %v", got)
	}
	// An old standstill is forgotten.
	for range 40 {
		m.add(job.Status{Done: 20_000, Reused: 1000})
		now = now.Add(time.Second)
	}
	if got := m.rate(); got != 0 {
		t.Errorf("after a standstill the rate is %v", got)
	}
	if fraction(job.Status{Done: 200, Total: 100}) != 1 || fraction(job.Status{Done: 1}) != 0 {
		t.Error("a fraction outside its range")
	}
}
