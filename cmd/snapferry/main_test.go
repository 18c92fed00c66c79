package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snapferry/snapferry/internal/testenv"
)

// TestMain lets the test binary be the program itself, so that scripts run it
// as a process of its own, race detector included.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"snapferry": main, "weigh": weighMain})
}

var released struct {
	once sync.Once
	path string
	err  error
}

// program builds the program as it is released, for what the race detector
// would distort: memory, and moments to kill it at. It lies beside the program
// that scripts run and is removed with it.
func program(t *testing.T) string {
	t.Helper()
	released.once.Do(func() {
		beside, err := exec.LookPath("snapferry")
		if err != nil {
			released.err = err
			return
		}
		dir := filepath.Dir(beside)
		released.path = filepath.Join(dir, "released")
		for _, d := range []string{dir, filepath.Dir(dir)} { // also for another user
			released.err = errors.Join(released.err, os.Chmod(d, 0o755))
		}
		cmd := exec.Command("go", "build", "-o", released.path, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			released.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if released.err != nil {
		t.Fatalf("build snapferry: %v", released.err)
	}
	return released.path
}

// environ is the environment of a program under test: nothing of the user's
// own is seen by it.
func environ(t *testing.T, s3 *testenv.S3Server) []string {
	t.Helper()
	home := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"LocalAppData=" + home, "TMPDIR=" + t.TempDir(), "SystemRoot=" + os.Getenv("SystemRoot")}
	if s3 != nil {
		env = append(env, s3.Env()...)
	}
	return env
}
