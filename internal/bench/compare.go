package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// contender is one way to bring a file to the S3 server and back.
type contender struct {
	name    string
	needs   []string // programs that must be found
	prepare string   // before each backup, not measured; may be empty
	backup  string
	restore string
	result  string // the restored file
}

// contenders are all ways that are compared, snapferry first. They back up the
// file in and restore into the empty folder out. snapferry writes what it
// restores to the disk before it says so; sync makes the others do the same.
func contenders(in, out, snapferry, endpoint string) []contender {
	vault := fmt.Sprintf("'s3://snapferry/v?endpoint=%s&region=us-east-1'", endpoint)
	file := filepath.Join(out, "file")
	return []contender{
		{
			name: "snapferry", needs: []string{snapferry}, result: file,
			backup:  fmt.Sprintf("%s backup %s %s --job mix", snapferry, in, vault),
			restore: fmt.Sprintf("%s restore %s#mix/latest %s", snapferry, vault, file),
		},
		{
			name: "zstd | aws", needs: []string{"zstd", "aws"}, result: file,
			backup:  fmt.Sprintf("zstd -1 -T0 -q -c %s | aws s3 cp --only-show-errors - s3://awscli/file.zst", in),
			restore: fmt.Sprintf("aws s3 cp --only-show-errors s3://awscli/file.zst - | zstd -d -q -o %[1]s && sync %[1]s", file),
		},
		{
			name: "zstd | rclone", needs: []string{"zstd", "rclone"}, result: file,
			backup:  fmt.Sprintf("zstd -1 -T0 -q -c %s | rclone rcat r:rclone/file.zst", in),
			restore: fmt.Sprintf("rclone cat r:rclone/file.zst | zstd -d -q -o %[1]s && sync %[1]s", file),
		},
		{
			name: "restic", needs: []string{"restic"}, result: filepath.Join(out, in),
			prepare: fmt.Sprintf("restic -q -r s3:%s/restic/r init", endpoint),
			backup:  fmt.Sprintf("restic -q -r s3:%s/restic/r backup %s", endpoint, in),
			restore: fmt.Sprintf("restic -q -r s3:%s/restic/r restore latest --target %s && sync %s", endpoint, out, filepath.Join(out, in)),
		},
	}
}

// found tells whether all programs of the contender are there.
func (c contender) found() bool {
	for _, program := range c.needs {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// compared is what was measured of one contender.
type compared struct {
	contender
	up, down []sample
}

// compareAll lets all contenders that are found take turns, round by round, so
// that what else the machine does hits all of them.
func compareAll(ctx context.Context, b bench) error {
	in, out := filepath.Join(b.dir, "mix.img"), filepath.Join(b.dir, "out")
	if err := writeFile(in, "mix", 42, b.size); err != nil {
		return err
	}
	want, err := hashFile(in)
	if err != nil {
		return err
	}
	var rows []compared
	for _, c := range contenders(in, out, b.snapferry, b.server.endpoint) {
		if c.found() {
			rows = append(rows, compared{contender: c})
		} else {
			b.out.printf("left out, not found: %s (make tools-bench)\n", c.name)
		}
	}
	for round := range b.rounds {
		for i := range rows {
			row := &rows[(i+round)%len(rows)]
			if err := row.once(ctx, b, out, want); err != nil {
				return err
			}
		}
		b.log.Info("round done", "round", round+1, "of", b.rounds)
	}
	printCompared(b.out, rows)
	return nil
}

// once runs the contender up and down on an empty server and compares what came
// back.
func (c *compared) once(ctx context.Context, b bench, out string, want [sha256.Size]byte) error {
	if err := b.server.empty(); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	if c.prepare != "" {
		if _, err := b.run(ctx, c.prepare); err != nil {
			return err
		}
	}
	up, err := b.settled(ctx, c.backup)
	if err != nil {
		return err
	}
	down, err := b.settled(ctx, c.restore)
	if err != nil {
		return err
	}
	got, err := hashFile(c.result)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s restored other bytes than it was given", c.name)
	}
	c.up, c.down = append(c.up, up), append(c.down, down)
	return os.RemoveAll(out)
}

// settled runs a line after everything before it is on the disk, so that nobody
// pays for what another has written.
func (b bench) settled(ctx context.Context, line string) (sample, error) {
	if _, err := b.run(ctx, "sync"); err != nil {
		return sample{}, err
	}
	return b.run(ctx, line)
}

// printCompared prints the table, and the ratios that are aimed at.
func printCompared(w *printer, rows []compared) {
	w.printf("%-14s %10s %10s %10s %10s   %s\n", "", "up s", "down s", "up MiB", "down MiB", "each up | each down")
	for _, row := range rows {
		w.printf("%-14s %10.2f %10.2f %10d %10d   %s | %s\n", row.name, medianWall(row.up).Seconds(), medianWall(row.down).Seconds(),
			maxRSS(row.up)/mib, maxRSS(row.down)/mib, eachWall(row.up), eachWall(row.down))
	}
	for _, row := range rows {
		w.printf("  $ %s\n  $ %s\n", row.backup, row.restore)
	}
	if len(rows) < 2 {
		return
	}
	ours := rows[0]
	up, down := bestOf(rows[1:])
	w.printf("backup:  %.2f x the best of the others (aim 1.4)\n", ratioOf(up, medianWall(ours.up)))
	w.printf("restore: %.2f x the best of the others (aim 1.3)\n", ratioOf(down, medianWall(ours.down)))
	for _, row := range rows[1:] {
		w.printf("  against %-14s up %.2f x, down %.2f x\n", row.name,
			ratioOf(medianWall(row.up), medianWall(ours.up)), ratioOf(medianWall(row.down), medianWall(ours.down)))
	}
}

func bestOf(rows []compared) (up, down time.Duration) {
	up, down = medianWall(rows[0].up), medianWall(rows[0].down)
	for _, row := range rows[1:] {
		up, down = min(up, medianWall(row.up)), min(down, medianWall(row.down))
	}
	return up, down
}

func ratioOf(theirs, ours time.Duration) float64 { return theirs.Seconds() / ours.Seconds() }

func hashFile(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
