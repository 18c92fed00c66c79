package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
)

// TestReadmeNeo4j runs the README's chapter on Neo4j line by line, in other
// folders and on other ports.
func TestReadmeNeo4j(t *testing.T) {
	home := testenv.Neo4j(t, testenv.Neo4jLTS)
	root := testenv.RepoRoot(t)
	dir := t.TempDir()
	program, err := exec.LookPath("snapferry")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(readme), "\n## Neo4j, from nothing")
	_, chapter, _ = strings.Cut(chapter, "\n```\nmake build\n")
	chapter, _, found := strings.Cut(chapter, "\n```\n")
	if !found {
		t.Fatal("the README has no such chapter")
	}
	place := strings.NewReplacer("/tmp/graph", home.Home, "/tmp/vault", filepath.Join(dir, "vault"), "scratch=/tmp", "scratch="+dir, "bin/snapferry ", program+" ")
	run := func(ctx context.Context, line string) {
		t.Helper()
		out, err := os.Create(filepath.Join(dir, "out")) // a server that it starts holds on to it
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd := exec.CommandContext(ctx, "sh", "-ec", place.Replace(line))
		cmd.Dir, cmd.Stdout, cmd.Stderr = root, out, out
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "NEO4J_BOLT_PORT="+strconv.Itoa(home.BoltPort), "NEO4J_HTTP_PORT="+strconv.Itoa(home.HTTPPort))
		if err := cmd.Run(); err != nil {
			printed, _ := os.ReadFile(out.Name())
			t.Fatalf("%s: %v\n%s", line, err, printed)
		}
	}
	stop := "/tmp/graph/bin/neo4j stop"
	t.Cleanup(func() { run(context.WithoutCancel(t.Context()), stop) })
	ran := 0
	for line := range strings.Lines(chapter) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			run(t.Context(), line)
			ran++
		}
	}
	if ran < 8 || !strings.HasSuffix(chapter, stop) {
		t.Errorf("%d lines were run", ran)
	}
}
