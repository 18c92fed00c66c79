package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// engine lets the program measure itself: compression in memory and nothing
// else, a vault that discards, and a vault in a folder.
func engine(ctx context.Context, b bench) error {
	cmd := exec.CommandContext(ctx, b.snapferry, "bench", "--size", strconv.FormatInt(b.size, 10), "--rounds", strconv.Itoa(b.rounds), "--dir", b.dir)
	b.out.printf("  $ %s\n", cmd)
	cmd.Stdout, cmd.Stderr = b.out.w, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s bench: %w", b.snapferry, err)
	}
	return nil
}
