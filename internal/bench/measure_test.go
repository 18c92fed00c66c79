package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
)

func TestRunWeighsAllOfAPipeline(t *testing.T) {
	testenv.Tool(t, "bash")
	r := runner{dir: t.TempDir()}
	small, err := r.run(context.Background(), "true")
	if err != nil {
		t.Fatal(err)
	}
	// The middle of the pipeline is the one that needs memory.
	large, err := r.run(context.Background(), "true | head -c 314572800 /dev/zero | tail -c 314572799 | wc -c >/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if large.rss < max(small.rss, 290*mib) {
		t.Errorf("a pipeline that holds 300 MiB peaked at %d bytes, true at %d", large.rss, small.rss)
	}
}

func TestRunReportsTheFailingPartAndItsWords(t *testing.T) {
	testenv.Tool(t, "bash")
	_, err := runner{dir: t.TempDir()}.run(context.Background(), "echo no such luck >&2; false | cat")
	if err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("got %v, want an error with the output of the command", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	testenv.Tool(t, "bash")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := (runner{dir: t.TempDir()}).run(ctx, "sleep 600 | cat"); err == nil {
		t.Error("a cancelled command succeeded")
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s to end: a part of the pipeline lived on", took)
	}
}

func TestMedianWall(t *testing.T) {
	of := func(seconds ...int) []sample {
		samples := make([]sample, len(seconds))
		for i, s := range seconds {
			samples[i].wall = time.Duration(s) * time.Second
		}
		return samples
	}
	for _, test := range []struct {
		in   []sample
		want time.Duration
	}{
		{of(5), 5 * time.Second},
		{of(9, 1, 5), 5 * time.Second},
		{of(4, 2), 3 * time.Second},
		{of(8, 2, 4, 100), 6 * time.Second},
	} {
		if got := medianWall(test.in); got != test.want {
			t.Errorf("median of %v is %s, want %s", test.in, got, test.want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var out tail
	for range 10_000 {
		if _, err := out.Write([]byte("many words, ")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.Write([]byte("and the last")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasSuffix(got, "and the last") || len(got) > 32*kib {
		t.Errorf("%d bytes are kept, ending %q", len(got), got[len(got)-12:])
	}
}
