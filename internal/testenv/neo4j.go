package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The versions of Neo4j that tests run against: the long-term release, the
// calendar release, and the last ones of the two series before.
const (
	Neo4jLTS      = "5.26.31"
	Neo4jCalendar = "2026.09.0"
	Neo4j44       = "4.4.44"
	Neo4j35       = "3.5.35"
)

// javaBefore remembers the JAVA_HOME that Neo4j unset.
const javaBefore = "SNAPFERRY_TEST_JAVA_HOME"

// neo4jPatience bounds every wait for a server. A start takes about 7 s and a
// clean stop about 13 s on an idle machine.
const neo4jPatience = 2 * time.Minute

// Neo4jHome is a Neo4j home of its own: configuration and data in a temporary
// folder, jars shared with all others. It listens on free ports of 127.0.0.1,
// without a password, and is not started.
type Neo4jHome struct {
	Home     string // the NEO4J_HOME, symlinks resolved
	Admin    string // path of its neo4j-admin
	Version  string
	BoltPort int
	HTTPPort int

	t      testing.TB
	server *exec.Cmd
	exited chan struct{}
}

// Neo4jVersions returns the versions to test of those whose commands are the
// same: the long-term release always, the calendar release where there is a Java
// for it.
func Neo4jVersions() []string {
	if _, err := neo4jJava(Neo4jCalendar); err != nil {
		return []string{Neo4jLTS}
	}
	return []string{Neo4jLTS, Neo4jCalendar}
}

// AllNeo4jVersions are those and the older ones, the oldest first.
func AllNeo4jVersions() []string { return append([]string{Neo4j35, Neo4j44}, Neo4jVersions()...) }

// SampleNeo4jVersions are the long-term release and others in the sample, and
// all of them in the long proofs. The calendar release is left out where there
// is no Java for it.
func SampleNeo4jVersions(others ...string) []string {
	all := AllNeo4jVersions()
	if Prove() {
		return all
	}
	return slices.DeleteFunc(all, func(version string) bool { return version != Neo4jLTS && !slices.Contains(others, version) })
}

// Neo4j assembles a home of the version. It needs the jars that `make tools`
// fetches and a Java new enough, and skips or fails without them as Missing
// decides. JAVA_HOME is unset for the rest of the test process: it can suit one
// version and not the other, and each home knows a Java of its own.
func Neo4j(t testing.TB, version string) *Neo4jHome {
	t.Helper()
	root := RepoRoot(t)
	if runtime.GOOS == "windows" {
		Missing(t, "a POSIX shell to assemble Neo4j "+version)
	}
	if _, err := os.Stat(filepath.Join(root, ".tools", "neo4j", version, "lib")); err != nil {
		Missing(t, "Neo4j "+version+" (make tools)")
	}
	java, err := neo4jJava(version)
	if err != nil {
		Missing(t, err.Error())
	}
	if current := os.Getenv("JAVA_HOME"); current != "" {
		if err := errors.Join(os.Setenv(javaBefore, current), os.Unsetenv("JAVA_HOME")); err != nil {
			t.Fatal(err)
		}
	}
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &Neo4jHome{Home: home, Admin: filepath.Join(home, "bin", "neo4j-admin"), Version: version, t: t}
	h.BoltPort, h.HTTPPort = freePort(t), freePort(t)
	cmd := exec.Command(filepath.Join(root, "scripts", "neo4j-home.sh"), version, home)
	cmd.Env = append(os.Environ(), "JAVA_HOME="+java,
		"NEO4J_BOLT_PORT="+strconv.Itoa(h.BoltPort), "NEO4J_HTTP_PORT="+strconv.Itoa(h.HTTPPort))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("assemble Neo4j %s: %v\n%s", version, err, out)
	}
	t.Cleanup(h.Kill)
	return h
}

// Start starts the server and returns once its database answers.
func (h *Neo4jHome) Start() {
	h.t.Helper()
	if h.server != nil {
		h.t.Fatal("Neo4j is started already")
	}
	console, err := os.Create(filepath.Join(h.Home, "logs", "console.log"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer console.Close()
	cmd := exec.Command(filepath.Join(h.Home, "bin", "neo4j"), "console")
	cmd.Env = h.environ()
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		// The status says nothing: a server that we kill has failed by design.
		_ = cmd.Wait()
		close(exited)
	}()
	h.server, h.exited = cmd, exited
	h.WaitOnline()
}

// WaitOnline returns once the database answers a query, which is later than
// the server's own word that it has started.
func (h *Neo4jHome) WaitOnline() {
	h.t.Helper()
	h.poll("answer", func() bool {
		select {
		case <-h.exited:
			h.t.Fatalf("Neo4j %s ended by itself:\n%s", h.Version, h.Console())
		default:
		}
		_, err := h.query("RETURN 1")
		return err == nil
	})
}

// WaitServing returns once the database of a server that somebody else has
// started answers.
func (h *Neo4jHome) WaitServing() {
	h.t.Helper()
	h.poll("answer", func() bool {
		_, err := h.query("RETURN 1")
		return err == nil
	})
}

// Stop shuts the server down cleanly and waits for all of its processes.
func (h *Neo4jHome) Stop() {
	h.t.Helper()
	h.end(syscall.SIGTERM)
}

// Kill ends the server at once, as a power cut would, and waits for all of its
// processes. Its store needs recovery then. Without a server it does nothing.
func (h *Neo4jHome) Kill() {
	h.t.Helper()
	h.end(syscall.SIGKILL)
}

func (h *Neo4jHome) end(sig syscall.Signal) {
	h.t.Helper()
	if h.server == nil {
		return
	}
	pid := h.server.Process.Pid
	signalGroup(pid, sig)
	h.poll("end", func() bool {
		select {
		case <-h.exited:
			return groupGone(pid)
		default:
			return false
		}
	})
	h.server = nil
}

// Query runs one Cypher statement and returns its rows. Numbers are
// json.Number, so that 64-bit integers stay whole.
func (h *Neo4jHome) Query(cypher string) [][]any {
	h.t.Helper()
	rows, err := h.query(cypher)
	if err != nil {
		h.t.Fatalf("query %q: %v", cypher, err)
	}
	return rows
}

// Count runs a statement whose single value is a number.
func (h *Neo4jHome) Count(cypher string) int64 {
	h.t.Helper()
	rows := h.Query(cypher)
	if len(rows) != 1 || len(rows[0]) != 1 {
		h.t.Fatalf("query %q: %v is not one number", cypher, rows)
	}
	n, err := strconv.ParseInt(fmt.Sprint(rows[0][0]), 10, 64)
	if err != nil {
		h.t.Fatalf("query %q: %v", cypher, err)
	}
	return n
}

// Console returns what the server printed since its last start.
func (h *Neo4jHome) Console() string {
	b, err := os.ReadFile(filepath.Join(h.Home, "logs", "console.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Run runs neo4j-admin in this home and returns what it printed to both of its
// streams.
func (h *Neo4jHome) Run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), neo4jPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.Admin, args...)
	cmd.Env = h.environ()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// CopyData replaces the data of this home, which is not running, by that of a
// home that is not running either.
func (h *Neo4jHome) CopyData(from *Neo4jHome) {
	h.t.Helper()
	data := filepath.Join(h.Home, "data")
	if err := os.RemoveAll(data); err != nil {
		h.t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(filepath.Join(from.Home, "data"))); err != nil {
		h.t.Fatal(err)
	}
}

func (h *Neo4jHome) environ() []string {
	return append(os.Environ(), "NEO4J_HOME="+h.Home, "NEO4J_CONF="+filepath.Join(h.Home, "conf"))
}

func (h *Neo4jHome) query(cypher string) ([][]any, error) {
	body, err := json.Marshal(map[string]string{"statement": cypher})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), neo4jPatience)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%d/db/neo4j/query/v2", h.HTTPPort)
	switch h.Version {
	case Neo4j35:
		return h.queryOld(ctx, fmt.Sprintf("http://127.0.0.1:%d/db/data/transaction/commit", h.HTTPPort), cypher)
	case Neo4j44:
		return h.queryOld(ctx, fmt.Sprintf("http://127.0.0.1:%d/db/neo4j/tx/commit", h.HTTPPort), cypher)
	}
	var answer struct {
		Data struct {
			Values [][]any `json:"values"`
		} `json:"data"`
		Errors []queryError `json:"errors"`
	}
	if err := post(ctx, url, body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Errors) > 0 {
		return nil, fmt.Errorf("%v", answer.Errors)
	}
	return answer.Data.Values, nil
}

type queryError struct{ Code, Message string }

// queryOld asks the endpoint that Neo4j had before 5.
func (h *Neo4jHome) queryOld(ctx context.Context, url, cypher string) ([][]any, error) {
	body, err := json.Marshal(map[string]any{"statements": []map[string]string{{"statement": cypher}}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []struct {
			Data []struct {
				Row []any `json:"row"`
			} `json:"data"`
		} `json:"results"`
		Errors []queryError `json:"errors"`
	}
	if err := post(ctx, url, body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Errors) > 0 || len(answer.Results) != 1 {
		return nil, fmt.Errorf("%v", answer.Errors)
	}
	var rows [][]any
	for _, row := range answer.Results[0].Data {
		rows = append(rows, row.Row)
	}
	return rows, nil
}

// post sends JSON and decodes the answer; one that is no success has errors, or
// is one.
func post(ctx context.Context, url string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	if err := dec.Decode(answer); err != nil {
		return fmt.Errorf("status %s: %w", resp.Status, err)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func (h *Neo4jHome) poll(what string, done func() bool) {
	h.t.Helper()
	deadline := time.After(neo4jPatience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("Neo4j %s did not %s within %s:\n%s", h.Version, what, neo4jPatience, h.Console())
		}
	}
}

// neo4jJava finds a Java home that runs the version: 17 for 3.5 and 4.4, 17 or
// newer for 5.x, 21 or newer later.
func neo4jJava(version string) (string, error) {
	const newest = 99
	least, most := 21, newest
	switch {
	case strings.HasPrefix(version, "5."):
		least = 17
	case strings.HasPrefix(version, "3."), strings.HasPrefix(version, "4."):
		least, most = 17, 17
	}
	candidates := []string{os.Getenv("JAVA_HOME"), os.Getenv(javaBefore)}
	if path, err := exec.LookPath("java"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			candidates = append(candidates, filepath.Dir(filepath.Dir(path)))
		}
	}
	installed, err := filepath.Glob("/usr/lib/jvm/*")
	if err != nil {
		return "", err
	}
	for _, home := range append(candidates, installed...) {
		if home == "" {
			continue
		}
		if major := javaMajor(home); major >= least && major <= most {
			return home, nil
		}
	}
	if most < newest {
		return "", fmt.Errorf("found no Java %d for Neo4j %s", least, version)
	}
	return "", fmt.Errorf("found no Java %d or newer for Neo4j %s", least, version)
}

// javaMajor asks a Java home for its version; it is 0 where there is none.
func javaMajor(home string) int {
	out, err := exec.Command(filepath.Join(home, "bin", "java"), "-version").CombinedOutput()
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(out), `version "`)
	if !found {
		return 0
	}
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return major
}

// freePort is a port of 127.0.0.1 that no other test is given until this one
// ends, though its server may be down for a while: it is held on a second
// address. It lies below the ports that systems give to whoever connects.
func freePort(t testing.TB) int {
	t.Helper()
	const low, high, tries = 10_000, 30_000, 1_000
	for range tries {
		port := strconv.Itoa(low + rand.IntN(high-low))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		held, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		switch {
		case err == nil:
			t.Cleanup(func() { _ = held.Close() })
		case !errors.Is(err, syscall.EADDRNOTAVAIL): // some systems have only one address
			continue
		}
		return l.Addr().(*net.TCPAddr).Port
	}
	t.Fatal("no port is free")
	return 0
}
