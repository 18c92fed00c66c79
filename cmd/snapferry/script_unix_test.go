//go:build unix

package main

import (
	"os"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snapferry/snapferry/job"
)

// blocks FILE MOST fails if the file takes more bytes of the disk.
func blocks(ts *testscript.TestScript, _ bool, args []string) {
	most, err := job.ParseBytes(args[1])
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if n := info.Sys().(*syscall.Stat_t).Blocks * 512; n > most {
		ts.Fatalf("%s takes %d bytes of the disk", args[0], n)
	}
}
