// Package testenv gives tests the real tools and servers they run against. It
// is the one place that decides what a test does when one is missing: on a
// laptop it is skipped with a line that says how to get the tool; where CI=true
// it fails, so that nothing goes untested without notice.
package testenv

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Tool returns the path of an executable: from .tools/bin of the repository,
// where `make tools` puts them, or from PATH. If there is none, the test is
// skipped or fails as the package comment says.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(filepath.Join(RepoRoot(t), ".tools", "bin", name)); err == nil {
		return p
	}
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	Missing(t, name+" is neither in .tools/bin nor in PATH; run `make tools`")
	return ""
}

// Missing ends a test for want of something: skipped, or failed where CI=true.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have it: %s", what)
	}
	t.Skipf("skipped: %s", what)
}

// RepoRoot returns the folder of go.mod above the working directory of the
// test, which is that of its package.
func RepoRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module github.com/snapferry/snapferry\n") {
			return dir
		}
		if dir == filepath.Dir(dir) {
			_, file, _, _ := runtime.Caller(0)
			t.Fatalf("found no go.mod of the repository above the working directory (this package is at %s)", filepath.Dir(file))
		}
		dir = filepath.Dir(dir)
	}
}

// Prove reports whether the long proofs are asked for, as `make prove` does.
func Prove() bool { return os.Getenv("SNAPFERRY_PROVE") == "1" }

// Effort is how often a proof repeats: sample times in `make test`, full times
// in `make prove`.
func Effort(sample, full int) int {
	if Prove() {
		return full
	}
	return sample
}

// Log is a log that shows with a failed test.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}
