package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
)

// The exit codes are an interface: docs/cli.md and the README promise them.
func TestExitCodes(t *testing.T) {
	want := map[string]string{}
	for class, name := range map[job.Class]string{
		job.Done: "done", job.Failed: "failed", job.Usage: "usage", job.Partial: "partial", job.Damaged: "damaged",
		job.NotFound: "not found", job.Refused: "refused", job.Interrupted: "interrupted",
	} {
		want[fmt.Sprint(exitCode(class))] = name
	}
	if len(want) != 8 {
		t.Fatalf("two classes have one code: %v", want)
	}
	root := testenv.RepoRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| ([a-z ]+) \|`).FindAllStringSubmatch(string(text), -1)
	for _, row := range rows {
		if want[row[1]] != row[2] {
			t.Errorf("docs/cli.md says that %s is %q, the program %q", row[1], row[2], want[row[1]])
		}
	}
	if len(rows) != len(want) {
		t.Errorf("docs/cli.md has %d codes, the program %d", len(rows), len(want))
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for code := range want {
		if !regexp.MustCompile(`(?m)^\| ` + code + ` \|`).Match(readme) {
			t.Errorf("the README does not have the code %s", code)
		}
	}
}

// Every flag that is shown has a text, and every command an example of its
// arguments.
func TestHelpIsComplete(t *testing.T) {
	root, _ := newRoot(deps{})
	for _, c := range root.Commands() {
		if c.Short == "" || c.RunE == nil {
			t.Errorf("%s has no text or does nothing", c.Name())
		}
	}
}

// The fields of version are documented, too.
func TestVersionIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.RepoRoot(t), "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"version", "commit", "modified", "go", "platform"} {
		if !regexp.MustCompile("(?s)## Version.*\\| `" + field + "` \\|").Match(text) {
			t.Errorf("%s is not documented", field)
		}
	}
}
