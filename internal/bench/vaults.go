package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/job"
)

// benchRecipient is a public key of age whose private half nobody needs: what
// is measured is writing.
const benchRecipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// lineRate is that of the vaults which stand for vaults far away, in bytes a
// second.
const lineRate = 100_000_000

// vaultsAll measures what several vaults, copies and encryption cost.
func vaultsAll(ctx context.Context, b bench) error {
	in := filepath.Join(b.dir, "mix.img")
	if err := writeFile(in, "mix", 42, b.size); err != nil {
		return err
	}
	if err := twoVaults(ctx, b, in); err != nil {
		return err
	}
	if err := copies(ctx, b, in); err != nil {
		return err
	}
	return encryption(ctx, b, in)
}

// twoVaults backs up to one vault that discards, and to two at once.
func twoVaults(ctx context.Context, b bench, in string) error {
	var rows [2][]sample
	for range b.rounds {
		for n := range rows {
			var vaults []job.Vault
			dir, remove, err := fresh(b.dir, "vaults")
			if err != nil {
				return err
			}
			for i := range n + 1 {
				vaults = append(vaults, job.Vault{URL: fmt.Sprintf("discard://%s/%d", dir, i)})
			}
			r := inProcess()
			r.Tuning.Level = string(frame.Fastest)
			s, err := timed(func() error {
				_, err := r.Backup(ctx, job.BackupRequest{Source: in, Job: "vaults", Vaults: vaults})
				return err
			})
			if err := errors.Join(err, remove()); err != nil {
				return err
			}
			rows[n] = append(rows[n], s)
		}
	}
	b.out.printf("one vault that discards  %8.2f s   %s\ntwo at once              %8.2f s   %s\n", medianWall(rows[0]).Seconds(), eachWall(rows[0]),
		medianWall(rows[1]).Seconds(), eachWall(rows[1]))
	b.out.printf("two vaults: %.2f x the time of one (aim at most 1.15)\n", ratioOf(medianWall(rows[1]), medianWall(rows[0])))
	return nil
}

// copyPath is a way between two vaults that is measured: alone as a source,
// alone as a target, and as both.
type copyPath struct {
	name   string
	vault  func(place string) string // URL of a vault
	rate   int64                     // bytes a second; 0: no limit
	copied [3][]sample
}

func copies(ctx context.Context, b bench, in string) error {
	for _, pair := range b.server.env(b.dir) { // the S3 vaults are used by this process
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
	}
	local := func(place string) string { return filepath.Join(b.dir, "copy", place) }
	s3 := func(place string) string {
		return fmt.Sprintf("s3://snapferry/%s?endpoint=%s&region=us-east-1", place, b.server.endpoint)
	}
	paths := []*copyPath{{name: "folder", vault: local}, {name: "S3 server", vault: s3},
		{name: fmt.Sprintf("S3 server, line of %d MB/s", lineRate/1_000_000), vault: s3, rate: lineRate}}
	for range b.rounds {
		for _, p := range paths {
			if err := p.once(ctx, b, in); err != nil {
				return fmt.Errorf("copy, %s: %w", p.name, err)
			}
		}
	}
	b.out.printf("\n%-32s %10s %10s %10s   %s\n", "", "read s", "write s", "copy s", "each copy")
	for _, p := range paths {
		read, write, both := medianWall(p.copied[0]), medianWall(p.copied[1]), medianWall(p.copied[2])
		b.out.printf("%-32s %10.2f %10.2f %10.2f   %s   %.2f x the slower of both (aim 0.8)\n", p.name, read.Seconds(), write.Seconds(), both.Seconds(),
			eachWall(p.copied[2]), ratioOf(max(read, write), both))
	}
	b.out.printf("read: to a vault that discards; write: from a folder in memory; one machine does the work of both ends\n")
	return nil
}

// once copies from the vault to one that discards, from a folder to the vault,
// and from the vault to another.
func (p *copyPath) once(ctx context.Context, b bench, in string) error {
	dir := filepath.Join(b.dir, "copy")
	if err := errors.Join(b.server.empty(), os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	r := inProcess()
	memory := filepath.Join(dir, "memory")
	for _, vault := range []string{memory, p.vault("from")} {
		if _, err := r.Backup(ctx, job.BackupRequest{Source: in, Job: "copy", Vaults: []job.Vault{{URL: vault}},
			Time: time.Unix(0, 0), Tier: "daily"}); err != nil {
			return err
		}
	}
	for i, way := range [][2]string{{p.vault("from"), "discard://" + dir + "/nothing"}, {memory, p.vault("to")}, {p.vault("from"), p.vault("both")}} {
		r.Tuning.Bandwidth = bandwidth(p.rate, p.rate)
		if i == 1 { // from memory there is no line
			r.Tuning.Bandwidth = bandwidth(p.rate, 0)
		}
		s, err := timed(func() error {
			_, err := r.Copy(ctx, job.CopyRequest{Backup: way[0] + "#copy/latest", Vaults: []job.Vault{{URL: way[1]}}})
			return err
		})
		if err != nil {
			return err
		}
		p.copied[i] = append(p.copied[i], s)
	}
	return os.RemoveAll(dir)
}

// encryption compares backups with and without a recipient, as a user makes
// them.
func encryption(ctx context.Context, b bench, in string) error {
	_, err := b.run(ctx, b.snapferry+" backup --help | grep -q -- --recipient")
	if encrypts := err == nil; !encrypts {
		b.out.printf("\nleft out: the program does not encrypt\n")
		return nil
	}
	vault := filepath.Join(b.dir, "age")
	line := fmt.Sprintf("%s backup %s %s --job age --level fastest", b.snapferry, in, vault)
	lines := []string{line, line + " --recipient " + benchRecipient}
	var rows [2][]sample
	for range b.rounds {
		for i := range lines {
			if err := os.RemoveAll(vault); err != nil {
				return err
			}
			s, err := b.settled(ctx, lines[i])
			if err != nil {
				return err
			}
			rows[i] = append(rows[i], s)
		}
	}
	b.out.printf("\n")
	for i, name := range []string{"plain", "encrypted"} {
		b.out.printf("%-10s %8.2f s   %s\n", name, medianWall(rows[i]).Seconds(), eachWall(rows[i]))
	}
	for _, line := range lines {
		b.out.printf("  $ %s\n", line)
	}
	b.out.printf("encrypted: %.2f x the speed of plain (aim 0.75)\n", ratioOf(medianWall(rows[0]), medianWall(rows[1])))
	return os.RemoveAll(vault)
}
