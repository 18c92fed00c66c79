package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// engine lets the program measure itself: compression in memory and nothing
// else, a vault that discards, and a vault in a folder.
func (b *bench) engine(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, b.snapferry, "bench")
	cmd.Dir = b.dir
	cmd.Stdout, cmd.Stderr = b.out.w, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s bench: %w", b.snapferry, err)
	}
	return nil
}
