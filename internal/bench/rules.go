package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// What a check of rules and a simulation may need at most.
const (
	checkLimit    = 5 * time.Second
	checkMemory   = 256 * mib
	simulateLimit = time.Second
)

// rulesAll holds 1,000 rules against 10,000 backups, and plays ten years of
// dailies. The check is a benchmark of package job, in a process of its own.
func rulesAll(ctx context.Context, b bench) error {
	check, out := filepath.Join(b.dir, "check.test"), filepath.Join(b.dir, "out.txt")
	source, err := os.Getwd()
	if err != nil {
		return err
	}
	// The environment of the part is that of the S3 server, without Go's.
	build := runner{dir: source}
	if _, err := build.run(ctx, fmt.Sprintf("go test -c -o %s ./job", check)); err != nil {
		return err
	}
	line := fmt.Sprintf("%s -test.run '^$' -test.bench CheckRules -test.benchtime 1x >%s", check, out)
	s, err := b.run(ctx, line)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`(\d+) ns/op`).FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%s printed no time", line)
	}
	ns, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return err
	}
	took := time.Duration(ns)
	b.out.printf("%-34s %8.2f s   %s\n", "check, 10,000 backups, 1,000 rules", took.Seconds(), within(took, checkLimit))
	b.out.printf("%-34s %8d MiB %s\n", "  the same, with making them", s.rss/mib, verdict(s.rss, checkMemory))
	b.out.printf("  $ go test ./job -run '^$' -bench CheckRules -benchtime 1x\n")
	line = fmt.Sprintf("%s lifecycle simulate --retention daily=14,weekly=8,monthly=12,yearly=3 --days 3650 >%s", b.snapferry, out)
	if s, err = b.run(ctx, line); err != nil {
		return err
	}
	b.out.printf("%-34s %8.2f s   %s\n  $ %s\n", "simulate, 10 years of dailies", s.wall.Seconds(), within(s.wall, simulateLimit), line)
	return nil
}

func within(took, limit time.Duration) string {
	if took > limit {
		return "ABOVE " + limit.String()
	}
	return "ok"
}
