//go:build linux

package manager

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

func TestCgroups(t *testing.T) {
	for text, want := range map[string]struct {
		unit      string
		container bool
	}{
		"":                                 {},
		"0::/":                             {},
		"0::/init.scope\n":                 {},
		"0::/system.slice/neo4j.service\n": {"neo4j.service", false},
		"12:pids:/system.slice/neo4j@a.service\n1:name=systemd:/system.slice/neo4j@a.service\n":              {"neo4j@a.service", false},
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/neo4j.service\n":                         {},
		"0::/user.slice/user-1000.slice/session-3.scope\n":                                                   {},
		"0::/system.slice/docker-0f1e2d3c.scope\n":                                                           {"", true},
		"0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-aa.scope\n":                              {"", true},
		"0::/machine.slice/libpod-aa.scope/container\n":                                                      {"", true},
		"11:memory:/docker/0f1e2d3c\n0::/system.slice/containerd.service\n":                                  {"containerd.service", true},
		"0::/system.slice/system-neo4j.slice/neo4j@main.service\nmalformed\n1:name=systemd:/other.service\n": {"neo4j@main.service", false},
	} {
		if unit, container := parseCgroup(text); unit != want.unit || container != want.container {
			t.Errorf("%q: %q, %t", text, unit, container)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"auto", "systemd:neo4j.service", "docker:db", "command:/bin/x", "neo4j:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := Parse(text); err == nil && m.String() != text {
			t.Errorf("%q is read as %s", text, m)
		}
		parseCgroup(text)
	})
}

// fake makes a program that writes down what it is called with, and then does
// something.
func fake(t *testing.T, dir, name, then string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	script := "#!/bin/sh\necho \"$(basename \"$0\") $* $NEO4J_SHUTDOWN_TIMEOUT\" >>'" + filepath.Join(dir, "calls") + "'\n" + then + "\n"
	syscall.ForkLock.Lock() // a script that is open for writing anywhere cannot be run
	defer syscall.ForkLock.Unlock()
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each manager is called as its manual says.
func TestCommandLines(t *testing.T) {
	dir := t.TempDir()
	for _, tool := range []string{"systemctl", "docker", "podman", "neo4j", "mine"} {
		fake(t, dir, tool, "")
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	in := &install.Installation{Home: dir, Conf: dir, Admin: filepath.Join(dir, "neo4j-admin")}
	for text, want := range map[string]string{
		"systemd:neo4j.service": "systemctl stop -- neo4j.service \nsystemctl start -- neo4j.service \n",
		"docker:db":             "docker stop -t 90 db \ndocker start db \n",
		"podman:db":             "podman stop -t 90 db \npodman start db \n",
		"command:mine":          "mine stop \nmine start \n",
		"neo4j":                 "neo4j stop 90\nneo4j start \n",
		"auto":                  "neo4j stop 90\nneo4j start \n", // of a process that is in no unit
	} {
		if err := os.RemoveAll(filepath.Join(dir, "calls")); err != nil {
			t.Fatal(err)
		}
		m, err := Parse(text)
		if err == nil {
			m, err = Find(m, Server{Installation: in, PID: os.Getpid()})
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := errors.Join(m.Stop(t.Context(), 90*time.Second, nil), m.Start(t.Context())); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		calls, err := os.ReadFile(filepath.Join(dir, "calls"))
		if string(calls) != want {
			t.Errorf("%s: %q, %v", text, calls, err)
		}
	}
}

// Where commands of the configuration are run, the server has to be told as well.
func TestExpand(t *testing.T) {
	dir := t.TempDir()
	m := Manager{Kind: Neo4j, Server: fake(t, dir, "neo4j", ""), Home: dir, Conf: dir, Expand: true}
	if err := errors.Join(m.Stop(t.Context(), time.Minute, nil), m.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	if calls, err := os.ReadFile(filepath.Join(dir, "calls")); string(calls) != "neo4j stop 60\nneo4j start --expand-commands \n" {
		t.Errorf("%q, %v", calls, err)
	}
}

// A server holds on to what its launcher was given, and keeps nobody waiting; a
// failure tells what was said.
func TestRunning(t *testing.T) {
	dir := t.TempDir()
	m := Manager{Kind: Command, Name: fake(t, dir, "daemon", "sleep 30 &\necho $! >'"+filepath.Join(dir, "pid")+"'")}
	began := time.Now()
	if err := m.Start(t.Context()); err != nil || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	m.Name = fake(t, dir, "failing", "echo the words >&2; exit 7")
	if err := m.Stop(t.Context(), time.Second, nil); err == nil || !strings.Contains(err.Error(), "the words") || !strings.Contains(err.Error(), "status 7") {
		t.Error(err)
	}
}

func TestFindRefuses(t *testing.T) {
	in := &install.Installation{Home: t.TempDir(), Admin: "/no/such/neo4j-admin"}
	for text, pid := range map[string]int{"auto": 0, "neo4j": os.Getpid(), "command:/no/such": 1, "auto ": 1} {
		m, err := Parse(strings.TrimSpace(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Find(m, Server{Installation: in, PID: pid}); !errors.Is(err, ErrUnsure) {
			t.Errorf("%s of %d: %v", text, pid, err)
		}
	}
}
