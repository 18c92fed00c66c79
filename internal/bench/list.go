package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// listLimit is what listing may need at most, in bytes.
const listLimit = 128 * mib

// listAll lists many backups in a local vault and on the S3 server, each once
// as on a new machine and once more.
func listAll(ctx context.Context, b bench) error {
	if err := b.server.empty(); err != nil {
		return err
	}
	vault := filepath.Join(b.dir, "vault")
	if err := b.makeVault(ctx, vault); err != nil {
		return fmt.Errorf("make vault: %w", err)
	}
	if err := os.CopyFS(filepath.Join(b.server.objects, "snapferry", "v"), os.DirFS(vault)); err != nil {
		return err
	}
	s3 := fmt.Sprintf("'s3://snapferry/v?endpoint=%s&region=us-east-1'", b.server.endpoint)
	found := filepath.Join(b.dir, "found.json")
	b.out.printf("%-30s %10s %10s\n", "", "s", "MiB")
	for _, row := range []struct{ name, url string }{{"local", vault}, {"S3", s3}} {
		cache := filepath.Join(b.dir, "cache-"+row.name)
		line := fmt.Sprintf("XDG_CACHE_HOME=%s %s list %s --json >%s", cache, b.snapferry, row.url, found)
		for _, turn := range []string{"first", "again"} {
			s, err := b.run(ctx, line)
			if err != nil {
				return err
			}
			listed, err := os.ReadFile(found)
			if err != nil {
				return err
			}
			if n := bytes.Count(listed, []byte(`"id"`)); n != b.backups {
				return fmt.Errorf("%s: %d backups are listed, %d are there", line, n, b.backups)
			}
			b.out.printf("%-30s %10.2f %10d   %s\n", fmt.Sprintf("%s, %d backups, %s", row.name, b.backups, turn), s.wall.Seconds(), s.rss/mib,
				verdict(s.rss, listLimit))
		}
		b.out.printf("  $ %s\n", line)
	}
	return os.RemoveAll(vault)
}

// makeVault fills a local vault with many backups: a real one, and copies of
// its catalog entry, an hour apart.
func (b bench) makeVault(ctx context.Context, vault string) error {
	source := filepath.Join(b.dir, "small.txt")
	if err := os.WriteFile(source, []byte("a small file\n"), 0o644); err != nil {
		return err
	}
	if _, err := b.run(ctx, fmt.Sprintf("%s backup %s %s --job small", b.snapferry, source, vault)); err != nil {
		return err
	}
	entries, err := filepath.Glob(filepath.Join(vault, "manual", "catalog", "small", "*"))
	if err != nil {
		return err
	}
	if len(entries) != 1 {
		return fmt.Errorf("%d catalog entries of one backup", len(entries))
	}
	first := entries[0]
	at, err := time.Parse(idTime, filepath.Base(first)[:len(idTime)])
	if err != nil {
		return err
	}
	for i := 1; i < b.backups; i++ {
		if err := copyEntry(first, at, at.Add(time.Duration(-i)*time.Hour)); err != nil {
			return err
		}
	}
	return nil
}

// idTime is how a backup's id begins.
const idTime = "20060102T150405Z"

// copyEntry copies the catalog entry of a backup at one time as that of the
// same at another. The documents are sealed anew, so the copy is as valid.
func copyEntry(dir string, at, other time.Time) error {
	id := filepath.Base(dir)
	otherID := other.Format(idTime) + id[len(idTime):]
	target := filepath.Join(filepath.Dir(dir), otherID)
	if err := os.CopyFS(target, os.DirFS(dir)); err != nil {
		return err
	}
	changes := []string{
		id, otherID,
		`"time": "` + at.Format(time.RFC3339), `"time": "` + other.Format(time.RFC3339),
	}
	old, renewed, err := rewrite(filepath.Join(target, "capture.json"), changes)
	if err != nil {
		return err
	}
	_, _, err = rewrite(filepath.Join(target, "manifest.json"), append(changes, old, renewed))
	return err
}

// rewrite replaces pairs of strings in a sealed document, seals it again, and
// returns its hash before and after.
func rewrite(path string, pairs []string) (before, after string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	before = hexSum(b)
	for i := 0; i < len(pairs); i += 2 {
		b = bytes.ReplaceAll(b, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	head, _, found := bytes.Cut(b, []byte("  \"seal\": \""))
	if !found {
		return "", "", fmt.Errorf("%s has no seal", path)
	}
	b = fmt.Appendf(bytes.Clone(head), "  \"seal\": \"%s\"\n}\n", hexSum(head))
	return before, hexSum(b), os.WriteFile(path, b, 0o644)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
