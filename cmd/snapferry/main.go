// Command snapferry backs up databases, files, folders and disks into a vault,
// and restores them.
//
// Results go to standard output, everything else to standard error: log
// lines, progress, and after a failure one line that begins with "error:" and
// one that begins with "hint:". The exit codes are those of docs/cli.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // zones are known where the system has no database of them

	"golang.org/x/term"

	"github.com/snapferry/snapferry/job"
)

// version is set by the linker for releases.
var version = ""

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go endOnSignal(cancel)
	d := deps{stdin: os.Stdin, stdout: os.Stdout, stderr: newConsole(os.Stderr),
		terminal: term.IsTerminal(int(os.Stderr.Fd())),
		color:    term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", now: time.Now, progressEvery: time.Minute}
	os.Exit(run(ctx, os.Args[1:], d))
}

// endOnSignal ends the run at the first signal, which takes a moment because
// what was begun is cleaned up, and the process at the second.
func endOnSignal(cancel context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	cancel()
	<-signals
	os.Exit(exitInterrupted)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, d deps) int {
	root, started := newRoot(d)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !*started {
		// What cobra refuses never reached a command.
		err = &usageError{err}
	}
	class := job.Classify(err)
	_, _ = fmt.Fprintf(d.stderr, "error: %s\nhint: %s\n", oneLine(err.Error()), oneLine(job.Hint(err))) // nowhere is left to tell
	return exitCode(class)
}
