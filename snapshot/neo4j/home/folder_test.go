//go:build linux

package home_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// What a killed run left is removed by the next one, with the server that it
// left; what goes on, and what belongs to others, stays.
func TestFolders(t *testing.T) {
	parent, log := filepath.Join(t.TempDir(), "a[b]*?c"), testenv.Log(t)
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	busy, err := home.NewFolder(parent, "drill", log)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(parent, "snapferry-drill-123")
	for _, path := range []string{left, filepath.Join(parent, "snapferry-drill-foreign"), filepath.Join(parent, "snapferry-other-1")} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(left, "snapferry.lock"), filepath.Join(parent, "snapferry-other-1", "snapferry.lock")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := installation(t, testenv.Neo4j(t, testenv.Neo4jLTS))
	h, err := home.Make(t.Context(), home.Options{Live: in, Dir: filepath.Join(left, "home"), Database: "neo4j", Connect: true, Memory: home.LeastMemory, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	server, err := h.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid, running, err := install.RunningOn(filepath.Join(left, "home", "data"))
	if err != nil || !running {
		t.Fatalf("no server is running: %v", err)
	}
	next, err := home.NewFolder(parent, "drill", log)
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Kill(t.Context()) // it is dead
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
	if !process.Gone(pid) {
		t.Error("the server is left")
	}
	for _, path := range []string{busy.Path, filepath.Join(parent, "snapferry-drill-foreign"), filepath.Join(parent, "snapferry-other-1")} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it has been removed: %v", err)
		}
	}
	for _, f := range []*home.Folder{busy, next} {
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(f.Path); !os.IsNotExist(err) {
			t.Errorf("it is left: %v", err)
		}
	}
	if _, err := home.NewFolder(filepath.Join(parent, "missing"), "drill", log); err == nil {
		t.Error("a folder was made below none")
	}
}
