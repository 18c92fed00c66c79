//go:build linux

package neo4j

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/freeze"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/manager"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// The words that make this test program something else.
const (
	asGuardian = "be-a-guardian"
	asRun      = "be-a-run"
	asSnapshot = "be-a-snapshot"
	asRestore  = "be-a-restore"
	asServer   = "be-an-enterprise-server"
	asThawer   = "be-a-thawer"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case asGuardian:
			if err := guard.Stand(context.Background(), os.Stdin, os.Stdout); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case asThawer:
			if err := freeze.Stand(os.Stdin, os.Stdout); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case asServer:
			fmt.Println("error:", beAServer(os.Args[2], os.Args[3]))
			os.Exit(1)
		case asRestore:
			if err := beARestore(os.Args[2], os.Args[3]); err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			os.Exit(0)
		case asRun, asSnapshot:
			if err := beARun(os.Args[1], os.Args[2], os.Args[3]); err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// daemon is a server that runs as users run it, without a parent.
type daemon struct {
	*testing.T
	home    *testenv.Neo4jHome
	in      *install.Installation
	manager manager.Manager
	data    string
	scratch string
	more    string // of every URL
}

func startDaemon(t *testing.T, version string) *daemon {
	t.Helper()
	d := prepareDaemon(t, version)
	if version == testenv.Neo4j44 {
		d.expandCommands()
	}
	d.start()
	d.home.Query("UNWIND range(1, 2000) AS i CREATE (:Person {id: i, name: toString(rand()) + toString(rand())})")
	return d
}

// expandCommands puts a command into the configuration, and lets it be run.
func (d *daemon) expandCommands() {
	d.Helper()
	path := filepath.Join(d.in.Conf, "neo4j.conf")
	conf, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	conf = fmt.Appendf(conf, "\n%s=$(printf %s)\n", d.in.Version.Name(install.DataDirectory), d.data)
	if err := errors.Join(os.WriteFile(path, conf, 0o600), os.Chmod(path, 0o600)); err != nil {
		d.Fatal(err)
	}
	d.in.Expand, d.manager.Expand, d.more = true, true, "&expand_commands=yes"
}

// stop stops the server, also if a stop whose caller was killed has taken its
// file of the process number away.
func (d *daemon) stop() {
	d.Helper()
	spec := guard.Spec{Manager: d.manager, Version: d.in.Version, Data: d.data, StopTimeout: time.Minute}
	if err := spec.Stop(d.Context(), nil); err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
}

func prepareDaemon(t *testing.T, version string) *daemon {
	t.Helper()
	d := &daemon{T: t, home: testenv.Neo4j(t, version), scratch: t.TempDir()}
	var err error
	if d.in, err = install.Find(d.home.Home, os.Getenv); err != nil {
		t.Fatal(err)
	}
	if d.in.Version, err = install.ParseVersion(version); err != nil {
		t.Fatal(err)
	}
	d.data = filepath.Join(d.home.Home, "data")
	if d.manager, err = manager.Find(manager.Manager{Kind: manager.Auto}, manager.Server{Installation: d.in, PID: os.Getpid()}); err != nil || d.manager.Kind != manager.Neo4j {
		t.Fatalf("%+v, %v", d.manager, err)
	}
	t.Cleanup(d.kill)
	return d
}

func (d *daemon) start() {
	d.Helper()
	if err := d.manager.Start(d.Context()); err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	d.wantServing(patience())
}

// wantServing waits until the database answers.
func (d *daemon) wantServing(patience time.Duration) {
	d.Helper()
	spec := guard.Spec{Manager: manager.Manager{Kind: manager.Command, Name: "/bin/false"}, Version: d.in.Version, Data: d.data,
		StartTimeout: patience, Databases: map[string]install.Store{}}
	store := filepath.Join(d.data, "databases", d.in.Version.DefaultDatabase())
	spec.Databases[d.in.Version.DefaultDatabase()] = install.Store{Data: store}
	spec.Bolt.At = "127.0.0.1:" + strconv.Itoa(d.home.BoltPort)
	// The guardian, or whoever it is, has to start it: this only looks.
	deadline := time.After(patience)
	for {
		ctx, cancel := context.WithTimeout(d.Context(), 3*time.Second)
		err := spec.Serves(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			d.Fatalf("the server does not serve within %s: %v\n%s", patience, err, d.log())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *daemon) log() string {
	var b strings.Builder
	for _, pattern := range []string{filepath.Join(d.home.Home, "logs", "neo4j.log"), filepath.Join(d.scratch, "*", guard.LogName)} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return err.Error()
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			fmt.Fprintf(&b, "%s: %s%v\n", path, raw, err)
		}
	}
	return b.String()
}

func (d *daemon) kill() {
	for range 100 {
		pid, running, err := install.RunningOn(d.data)
		if err != nil || !running {
			return
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
		time.Sleep(50 * time.Millisecond)
	}
}

func (d *daemon) source(more string) *source {
	d.Helper()
	if d.more != "" {
		more += d.more + "&bolt=127.0.0.1:" + strconv.Itoa(d.home.BoltPort)
	}
	s, err := openStopping(d.home.Home, d.scratch, more)
	if err != nil {
		d.Fatal(err)
	}
	s.options.Log, s.admin.log = testenv.Log(d.T), testenv.Log(d.T)
	return s
}

func openStopping(home, scratch, more string) (*source, error) {
	u, err := url.Parse(Scheme + ":///neo4j?stop=yes&home=" + url.QueryEscape(home) + "&scratch=" + url.QueryEscape(scratch) + more)
	if err != nil {
		return nil, err
	}
	s, err := Open(u, Options{Host: "test-host", Guardian: []string{os.Args[0], asGuardian}, Now: time.Now})
	if err != nil {
		return nil, err
	}
	return s.(*source), nil
}

// beARun captures, and says how far it is.
func beARun(kind, home, scratch string) error {
	s, err := openStopping(home, scratch, "")
	if err != nil {
		return err
	}
	if kind == asSnapshot {
		s.stop, s.via, s.memory = false, "btrfs", 512<<20
	}
	s.options.User, s.options.Password = "neo4j", os.Getenv("NEO4J_PASSWORD")
	s.admin.progress = nil
	c, err := s.Capture(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("captured")
	return c.Close()
}

// wantClean looks that nothing of a run is left but its dump, if it may stay.
func (d *daemon) wantClean(dump bool) {
	d.Helper()
	for range 1800 { // a guardian ends a moment after the server serves
		paths, err := filepath.Glob(filepath.Join(d.scratch, "*", stoppedName))
		if err != nil {
			d.Fatal(err)
		}
		if len(paths) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	entries, err := os.ReadDir(d.scratch)
	if err != nil || len(entries) > 1 || len(entries) == 1 && !dump {
		d.Errorf("left: %v, %v", entries, err)
	}
	if left, err := filepath.Glob(filepath.Join(d.scratch, "*", stoppedName)); err != nil || len(left) > 0 {
		d.Errorf("the marker is left: %v, %v\n%s", left, err, d.log())
	}
}

// A server that runs is stopped for the dump and serves again before anything is
// shipped; the dump is whole, and tells for how long it was down.
func TestDowntime(t *testing.T) {
	for _, version := range testenv.SampleNeo4jVersions(testenv.Neo4j44) {
		if version == testenv.Neo4j35 {
			continue // its database has another name: see real_old_test.go
		}
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, version)
			testStopped(d)
			if version != testenv.Neo4jLTS {
				return
			}
			testExamine(d)
			testSeveral(d)
			testNotStopped(d)
			testLostFile(d)
			testTooLong(d)
			testDownStream(d)
			testKilledRuns(d)
			testBothKilled(d)
			testOtherOwner(d)
		})
	}
}

func testStopped(d *daemon) {
	before, _, err := install.RunningOn(d.data)
	if err != nil {
		d.Fatal(err)
	}
	c, err := d.source("").Capture(d.Context())
	if err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	after, running, err := install.RunningOn(d.data)
	if err != nil || !running || after == before {
		d.Errorf("process %d, then %d, %t, %v", before, after, running, err)
	}
	d.home.Query("CREATE (:After)") // the dump does not change any more
	facts := c.Info().Facts
	downtime, err := time.ParseDuration(facts["downtime"])
	if err != nil || downtime <= 0 || downtime > patience() || facts[install.FactTransaction] == "" {
		d.Errorf("facts: %v, %v", facts, err)
	}
	d.Logf("%s: down for %s", d.in.Version, downtime)
	image := c.Images()[0]
	if _, err := artifact.Verify(io.NewSectionReader(image.Data, 0, image.Size)); err != nil {
		d.Error(err)
	}
	// A backup that breaks off here is resumed without another downtime.
	closeCapture(d.T, c)
	again, err := d.source("").Capture(d.Context())
	if err != nil || again.Info().Fingerprint != c.Info().Fingerprint {
		d.Fatalf("%v", err)
	}
	if still, _, err := install.RunningOn(d.data); err != nil || still != after {
		d.Errorf("it was stopped again: process %d, then %d, %v", after, still, err)
	}
	if err := again.Check(d.Context()); err != nil {
		d.Error(err)
	}
	closeCapture(d.T, again)
	d.wantClean(false)
}

// several captures all databases of a URL, and returns the name and the downtime
// of each.
func (d *daemon) several(scheme, databases, more string) map[string]string {
	d.Helper()
	u, err := url.Parse(scheme + ":///" + databases + "?home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch) + more)
	if err != nil {
		d.Fatal(err)
	}
	if !Several(u) {
		d.Fatalf("%s is one database", u)
	}
	g, err := OpenGroup(u, d.source("").options)
	if err != nil {
		d.Fatal(err)
	}
	members, err := g.Members(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	if err := g.Prepare(d.Context()); err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	got := map[string]string{}
	for _, m := range members {
		c, err := m.Capture(d.Context())
		if err != nil {
			d.Fatal(err)
		}
		image := c.Images()[0]
		if _, err := artifact.Verify(io.NewSectionReader(image.Data, 0, image.Size)); err != nil || image.Name != m.Name()+".dump" {
			d.Errorf("%s: %v", image.Name, err)
		}
		got[m.Name()] = c.Info().Facts["downtime"] + c.Info().Facts["snapshot"]
		if err := c.Check(d.Context()); err != nil {
			d.Error(err)
		}
		closeCapture(d.T, c)
	}
	if err := g.Close(); err != nil {
		d.Error(err)
	}
	return got
}

// All databases are dumped in one stop. What was not shipped is taken by the next
// run without another, if all of it is there.
func testSeveral(d *daemon) {
	got := d.several(Scheme, "", "&stop=yes")
	if len(got) != 2 || got["neo4j"] == "" || got["neo4j"] != got[install.System] {
		d.Errorf("downtimes %v", got)
	}
	d.wantClean(false)
	d.wantServing(patience())
	before, _, err := install.RunningOn(d.data)
	if err != nil {
		d.Fatal(err)
	}
	u, err := url.Parse(Scheme + ":///neo4j,system?stop=yes&home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch))
	if err != nil {
		d.Fatal(err)
	}
	for range 2 {
		g, err := OpenGroup(u, d.source("").options)
		if err != nil {
			d.Fatal(err)
		}
		if _, err := g.Members(d.Context()); err != nil {
			d.Fatal(err)
		}
		if err := g.Prepare(d.Context()); err != nil {
			d.Fatalf("%v\n%s", err, d.log())
		}
		// Nothing of it is captured.
		if err := g.Close(); err != nil {
			d.Fatal(err)
		}
	}
	once, _, err := install.RunningOn(d.data)
	if err != nil || once == before {
		d.Errorf("it was not stopped: %v", err)
	}
	if got := d.several(Scheme, "system,neo4j", "&stop=yes"); len(got) != 2 {
		d.Errorf("downtimes %v", got)
	}
	if twice, _, err := install.RunningOn(d.data); err != nil || twice != once {
		d.Errorf("it was stopped again: %v", err)
	}
	d.wantClean(false)
}

// verdicts are what was found out about a source: good, doubt or bad.
func (d *daemon) verdicts(scheme, more string, options Options) map[string]string {
	d.Helper()
	u, err := url.Parse(scheme + ":///neo4j?home=" + url.QueryEscape(d.home.Home) + more)
	if err != nil {
		d.Fatal(err)
	}
	options.Host = "test-host"
	findings, err := Examine(d.Context(), u, options)
	if err != nil {
		d.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range findings {
		switch {
		case f.Bad:
			got[f.Name] = "bad"
		case f.Doubt:
			got[f.Name] = "doubt"
		default:
			got[f.Name] = "good"
		}
		if f.Detail == "" || (got[f.Name] != "good") != (f.Hint != "") {
			d.Errorf("%s: %+v", more, f)
		}
	}
	return got
}

// What would go wrong with a source is told without touching it.
func testExamine(d *daemon) {
	pid, _, err := install.RunningOn(d.data)
	if err != nil {
		d.Fatal(err)
	}
	scratch := "&scratch=" + url.QueryEscape(d.scratch)
	for more, want := range map[string]map[string]string{
		"":                     {"installation": "good", "database": "good", "server": "bad"},
		"&stop=yes" + scratch:  {"installation": "good", "database": "good", "server": "good", "answer": "good", "scratch": "good"},
		"&stop=yes&scratch=/x": {"installation": "good", "database": "good", "server": "good", "answer": "good", "scratch": "bad"},
		"&stop=yes&manager=command:/no/such" + scratch: {"installation": "good", "database": "good", "server": "bad", "scratch": "good"},
	} {
		if got := d.verdicts(Scheme, more, Options{}); !maps.Equal(got, want) {
			d.Errorf("%s: %v, want %v", more, got, want)
		}
	}
	want := map[string]string{"installation": "good", "database": "good", "server": "good", "snapshot": "bad", "scratch": "good"}
	if got := d.verdicts(SnapshotScheme, "&via=btrfs"+scratch, Options{}); !maps.Equal(got, want) {
		d.Errorf("a snapshot where there is none: %v", got)
	}
	if now, _, err := install.RunningOn(d.data); err != nil || now != pid {
		d.Errorf("it was stopped: process %d, then %d, %v", pid, now, err)
	}
	d.wantClean(false)
}

// What is refused is refused before anything is stopped.
func testNotStopped(d *daemon) {
	pid, _, err := install.RunningOn(d.data)
	if err != nil {
		d.Fatal(err)
	}
	for more, want := range map[string]error{
		"&manager=systemd:no-such.unit": nil, "&manager=command:/bin/false": nil, "&manager=command:/no/such": snapshot.ErrUnsafe, "&manager=docker:none": nil,
	} {
		_, err := d.source(more).Capture(d.Context())
		if err == nil || want != nil && !errors.Is(err, want) || hintOf(err) == "" {
			d.Errorf("%s: %v", more, err)
		}
		d.wantServing(patience())
		d.wantClean(false)
	}
	s := d.source("")
	s.options.Guardian = nil
	if _, err := s.Capture(d.Context()); err == nil {
		d.Error("stopped without a guardian")
	}
	s = d.source("")
	s.options.Guardian = []string{"/bin/false"}
	if _, err := s.Capture(d.Context()); err == nil {
		d.Error("stopped without a guardian that says anything")
	}
	d.wantClean(false)
	if now, _, err := install.RunningOn(d.data); err != nil || now != pid {
		d.Errorf("it was stopped: process %d, then %d, %v", pid, now, err)
	}
}

// The program neo4j says of a server whose file of the process number is gone
// that it does not run.
func testLostFile(d *daemon) {
	if err := os.Remove(filepath.Join(d.home.Home, "run", "neo4j.pid")); err != nil {
		d.Fatal(err)
	}
	c, err := d.source("").Capture(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	if err := c.Check(d.Context()); err != nil {
		d.Error(err)
	}
	closeCapture(d.T, c)
	d.wantServing(patience())
	d.wantClean(false)
}

func testTooLong(d *daemon) {
	s := d.source("&max_downtime=1s")
	_, err := s.Capture(d.Context())
	wantHint(d.T, err, ErrDowntime, "max_downtime")
	d.wantServing(patience())
	d.wantClean(false)
}

// A dump that is shipped while the server is down needs no room, and the server
// serves again once it was read, or given up.
func testDownStream(d *daemon) {
	for i := range testenv.Effort(1, 2) {
		all := i == 0
		c, err := d.source("&stream=yes").Capture(d.Context())
		if err != nil {
			d.Fatalf("%v\n%s", err, d.log())
		}
		if _, running, err := install.RunningOn(d.data); err != nil || running {
			d.Errorf("it runs: %t, %v", running, err)
		}
		if all {
			if _, err := artifact.Verify(c.Images()[0].Stream); err != nil {
				d.Error(err)
			}
			d.wantServing(patience()) // before anything else is done
			if err := c.Check(d.Context()); err != nil {
				d.Error(err)
			}
		}
		closeCapture(d.T, c)
		d.wantServing(time.Second)
		d.wantClean(false)
	}
	// An upload that stalls does not keep it down.
	c, err := d.source("&stream=yes&max_downtime=40s").Capture(d.Context())
	if err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	await(d.T, func() bool {
		_, running, err := install.RunningOn(d.data)
		return err == nil && running
	})
	d.wantServing(patience())
	if err := c.Check(d.Context()); err == nil {
		d.Error("a dump that was not read is a backup")
	}
	if err := c.Close(); !errors.Is(err, ErrDowntime) {
		d.Error(err)
	}
	d.wantClean(false)
}

// run is a run in a process of its own.
func (d *daemon) run() (*exec.Cmd, *bufio.Reader) {
	d.Helper()
	cmd := exec.CommandContext(d.Context(), os.Args[0], asRun, d.home.Home, d.scratch)
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

// patience is how long a server may take to serve again: a minute where that is
// proved, and more in the sample, whose machine may do other things.
func patience() time.Duration {
	if testenv.Prove() {
		return time.Minute
	}
	return 4 * time.Minute
}

// Runs are killed anywhere between the stop and the start, with neo4j-admin and
// without, and neo4j-admin without them: the server serves within a minute, and
// the next run makes a good dump.
func testKilledRuns(d *daemon) {
	kills := testenv.Effort(3, 60)
	for i := range kills {
		victim := []string{"run", "launcher", "both"}[i%3]
		cmd, out := d.run()
		d.awaitStopping()
		time.Sleep(time.Duration(rand.Int64N(int64(8 * time.Second)))) // anywhere: that is the test
		if victim != "launcher" {
			_ = cmd.Process.Kill() // it may have ended
		}
		if victim != "run" {
			for _, pid := range d.launchers() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if victim == "launcher" {
			_, _ = io.Copy(io.Discard, out)
		}
		_ = cmd.Wait()
		d.wantServing(patience())
		d.wantClean(true)
		if d.Failed() {
			d.Fatalf("kill %d, %s", i, victim)
		}
		if err := os.RemoveAll(d.scratch); err != nil {
			d.Fatal(err)
		}
		if err := os.Mkdir(d.scratch, 0o700); err != nil {
			d.Fatal(err)
		}
	}
	d.Logf("%d kills", kills)
}

// awaitStopping returns once a run has marked the server.
func (d *daemon) awaitStopping() string {
	d.Helper()
	for range 18_000 {
		if paths, err := filepath.Glob(filepath.Join(d.scratch, "*", stoppedName)); err == nil && len(paths) == 1 {
			return paths[0]
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.Fatal("no run has begun to stop the server")
	return ""
}

// launchers are the processes of neo4j-admin of this home.
func (d *daemon) launchers() (pids []int) {
	return d.processes(func(line string) bool {
		return strings.Contains(line, "AdminCommand") || strings.Contains(line, "Neo4jAdminBoot")
	})
}

func (d *daemon) processes(want func(line string) bool) (pids []int) {
	d.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		d.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		line := strings.ReplaceAll(string(raw), "\x00", " ")
		environ, envErr := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		ours := strings.Contains(line, d.home.Home) || strings.Contains(line, d.scratch) || strings.Contains(string(environ), d.home.Home)
		if err != nil || envErr != nil || !ours || !want(line) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// If the guardian is killed as well, the marker stays, and the next run, or
// snapferry recover, starts the server.
func testBothKilled(d *daemon) {
	cmd, _ := d.run()
	marker := d.awaitStopping()
	for { // until it is down
		if _, running, err := install.RunningOn(d.data); err != nil || !running {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	// Its group has the guardian as a child in another session.
	for _, pid := range guardiansOf(d, cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, pid := range d.launchers() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range d.launchers() {
		for !process.Gone(pid) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if _, err := os.Stat(marker); err != nil {
		d.Fatalf("no marker is left: %v", err)
	}
	if _, running, err := install.RunningOn(d.data); err != nil || running {
		d.Fatalf("the server was started before the kill: %v", err)
	}
	u, err := url.Parse(Scheme + ":///neo4j?stop=yes&home=" + url.QueryEscape(d.home.Home) + "&scratch=" + url.QueryEscape(d.scratch))
	if err != nil {
		d.Fatal(err)
	}
	recovered, err := Recover(d.Context(), u, Options{Host: "test-host", Log: testenv.Log(d.T), Now: time.Now})
	if err != nil || !recovered {
		d.Fatalf("%t, %v\n%s", recovered, err, d.log())
	}
	d.wantServing(time.Minute)
	if recovered, err := Recover(d.Context(), u, Options{Host: "test-host", Now: time.Now}); err != nil || recovered {
		d.Errorf("again: %t, %v", recovered, err)
	}
	d.wantClean(true)
}

// As root, neo4j-admin and the server run as the user that owns the data, and no
// file of root is left among theirs.
func testOtherOwner(d *daemon) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		testenv.Missing(d.T, "root, to be somebody else")
		return
	}
	d.stop()
	for _, path := range []string{filepath.Dir(d.home.Home), d.home.Home, d.scratch} {
		if err := os.Chmod(path, 0o755); err != nil {
			d.Fatal(err)
		}
	}
	err := filepath.WalkDir(d.home.Home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		d.Fatal(err)
	}
	owner, err := process.OwnerOf(d.data)
	if err != nil || owner == nil {
		d.Fatalf("%v, %v", owner, err)
	}
	d.manager.As = owner
	// What was left by a run as somebody else is in nobody's way.
	left, err := openScratch(d.scratch, d.source("").identity(), nil)
	if err != nil {
		d.Fatal(err)
	}
	if err := errors.Join(left.clear(), left.prepare(), left.lock.Close()); err != nil {
		d.Fatal(err)
	}
	d.start()
	c, err := d.source("").Capture(d.Context())
	if err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	pid, _, err := install.RunningOn(d.data)
	if err != nil {
		d.Fatal(err)
	}
	if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody {
		d.Errorf("the server does not run as its user: %v", err)
	}
	if err := c.Check(d.Context()); err != nil {
		d.Error(err)
	}
	closeCapture(d.T, c)
	d.wantClean(false)
	err = filepath.WalkDir(d.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != nobody {
			d.Errorf("%s is of root", path)
		}
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
}

func guardiansOf(d *daemon, parent int) (pids []int) {
	for _, pid := range d.guardians() {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(raw)[strings.LastIndexByte(string(raw), ')')+1:])
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// guardians are those of all runs of this test.
func (d *daemon) guardians() (pids []int) {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		d.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), asGuardian) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
