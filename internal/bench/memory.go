package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// memoryLimit is what no run may need more than, in bytes.
const memoryLimit = 256 * mib

// memoryRow is one kind of source whose backup and restore are weighed.
type memoryRow struct {
	name    string
	make    func(path string) error // creates the source; nil for a stream
	backup  string                  // SOURCE stands for its path
	restore string                  // TARGET stands for the path of the result
}

func memoryRows(b bench) []memoryRow {
	vault := fmt.Sprintf("'s3://snapferry/v?endpoint=%s&region=us-east-1'", b.server.endpoint)
	up := b.snapferry + " backup SOURCE " + vault + " --job m"
	down := b.snapferry + " restore " + vault + "#m/latest TARGET"
	file := func(kind string) func(string) error {
		return func(path string) error { return writeFile(path, kind, 4, gib) }
	}
	stream := fmt.Sprintf("%s -generate %d | %s backup - %s --job m", b.self, b.streamGiB, b.snapferry, vault)
	return []memoryRow{
		{"1 GiB mix", file("mix"), up, down},
		{"1 GiB mix, --workers 16", file("mix"), up + " --workers 16", down + " --workers 16"},
		{"1 GiB noise", file("noise"), up, down},
		{fmt.Sprintf("%d GiB sparse, 2 GiB of data", b.sparseGiB),
			func(path string) error { return writeSparse(path, b.sparseGiB*gib, 2*gib) }, up, down},
		{fmt.Sprintf("%d GiB stream", b.streamGiB), nil, stream, b.snapferry + " restore " + vault + "#m/latest - >/dev/null"},
		{fmt.Sprintf("folder of %d files", b.files), func(path string) error { return writeFolder(path, b.files) }, up, down},
	}
}

// weighAll runs every row once: peak memory varies far less than time.
func weighAll(ctx context.Context, b bench) error {
	floor, err := b.run(ctx, "true")
	if err != nil {
		return err
	}
	b.out.printf("%-30s %10s %10s %10s %10s\n", "", "up MiB", "down MiB", "up s", "down s")
	lines := make([]string, 0, 12)
	for _, row := range memoryRows(b) {
		up, down, err := row.weigh(ctx, b)
		if err != nil {
			return err
		}
		b.out.printf("%-30s %10d %10d %10.1f %10.1f   %s\n", row.name, up.rss/mib, down.rss/mib, up.wall.Seconds(), down.wall.Seconds(),
			verdict(max(up.rss, down.rss), memoryLimit))
		for _, line := range []string{row.backup, row.restore} {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	for _, line := range lines {
		b.out.printf("  $ %s\n", line)
	}
	b.out.printf("peak of the resident memory (wait4); the least that is measured this way is %d MiB\n", floor.rss/mib)
	return nil
}

func verdict(rss, limit int64) string {
	if rss > limit {
		return fmt.Sprintf("ABOVE %d MiB", limit/mib)
	}
	return "ok"
}

func (r memoryRow) weigh(ctx context.Context, b bench) (up, down sample, err error) {
	source, target := filepath.Join(b.dir, "source"), filepath.Join(b.dir, "target")
	paths := strings.NewReplacer("SOURCE", source, "TARGET", target)
	if err := b.server.empty(); err != nil {
		return up, down, err
	}
	for _, path := range []string{source, target} {
		if err := os.RemoveAll(path); err != nil {
			return up, down, err
		}
	}
	if r.make != nil {
		if err := r.make(source); err != nil {
			return up, down, fmt.Errorf("make %s: %w", r.name, err)
		}
	}
	if up, err = b.run(ctx, paths.Replace(r.backup)); err != nil {
		return up, down, err
	}
	if down, err = b.run(ctx, paths.Replace(r.restore)); err != nil {
		return up, down, err
	}
	for _, path := range []string{source, target} {
		if err := os.RemoveAll(path); err != nil {
			return up, down, err
		}
	}
	return up, down, nil
}
