//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
)

// memoryLimit is what no run with the default flags may need more of, in bytes.
const memoryLimit = 256 << 20

// TestMemory weighs whole runs on data that does not compress, which takes the
// most. The more data, the closer it comes to the limit, up to about a
// gigabyte.
func TestMemory(t *testing.T) {
	if floor := weigh(t, exec.Command("true")).rss; floor > memoryLimit/2 {
		t.Fatalf("what is weighed includes %d MiB of who starts it", floor>>20)
	}
	size := int64(testenv.Effort(400<<20, 1500<<20))
	source := filepath.Join(t.TempDir(), "noise")
	if err := job.WriteMix(t.Context(), source, "noise", size); err != nil {
		t.Fatal(err)
	}
	for name, open := range vaults(t) {
		t.Run(name, func(t *testing.T) {
			v := open(t)
			target := filepath.Join(t.TempDir(), "out")
			run := func(args ...string) {
				t.Helper()
				cmd := exec.Command(program(t), args...)
				cmd.Env = v.env
				o := weigh(t, cmd)
				if o.code != 0 {
					t.Fatalf("%v: %s", args, o.stderr)
				}
				t.Logf("%3d MiB for %s %v", o.rss>>20, args[0], args[3:])
				if o.rss > memoryLimit {
					t.Errorf("%d MiB for %v", o.rss>>20, args)
				}
			}
			for _, workers := range []string{"2", "16"} {
				series := "w" + workers
				run("backup", source, v.url, "--job", series, "--workers", workers)
				run("restore", v.url+"#"+series+"/latest", target, "--workers", workers)
				run("restore", v.url+"#"+series+"/latest", os.DevNull, "--workers", workers)
				if err := os.Remove(target); err != nil {
					t.Fatal(err)
				}
			}
			// A stream, and a verification of it, by a shell that becomes the program.
			cmd := exec.Command("sh", "-c", fmt.Sprintf("exec %s backup - '%s' --job stream --workers 16 <%s", program(t), v.url, source))
			cmd.Env = v.env
			if o := weigh(t, cmd); o.code != 0 || o.rss > memoryLimit {
				t.Errorf("%d MiB for a stream: %s", o.rss>>20, o.stderr)
			}
			run("verify", v.url+"#stream/latest", "--deep", "--workers", "16")
		})
	}
}
