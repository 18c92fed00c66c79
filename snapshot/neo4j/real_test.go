//go:build linux

package neo4j

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
	"golang.org/x/sys/unix"
)

// nodes of the test graph. Their random properties compress badly: the dump is
// a few megabytes, more than all buffers on its way, so that a reader who stops
// to read holds neo4j-admin in the middle of its work.
const nodes = 20_000

// TestNeo4j runs a real Neo4j. One server of each version writes a graph and is
// stopped; all that follows works on that store or on copies of it.
func TestNeo4j(t *testing.T) {
	homes := map[string]*testenv.Neo4jHome{}
	for _, version := range testenv.Neo4jVersions() {
		homes[version] = testenv.Neo4j(t, version)
	}
	// Side by side: starts and clean stops take 7 and 12 s of waiting.
	t.Run("versions", func(t *testing.T) {
		for version, home := range homes {
			t.Run(version, func(t *testing.T) {
				t.Parallel()
				home.Start()
				home.Query(fmt.Sprintf(
					"UNWIND range(1, %d) AS i CREATE (:N {i: i, s: randomUUID() + randomUUID() + randomUUID()})", nodes))
				home.Query("MATCH (a:N), (b:N {i: a.i + 1}) WHERE a.i < 100 CREATE (a)-[:NEXT]->(b)")
				home.Stop()
				t.Run("round trip", func(t *testing.T) { testRoundTrip(t, home) })
				t.Run("close early", func(t *testing.T) { testCloseEarly(t, home) })
			})
		}
	})
	lts := homes[testenv.Neo4jLTS]
	t.Run("scratch", func(t *testing.T) { testScratch(t, lts) })
	t.Run("elsewhere", func(t *testing.T) { testElsewhere(t, lts) })
	t.Run("commands", func(t *testing.T) { testCommands(t, lts) })
	t.Run("killed", func(t *testing.T) { testKilled(t, lts) })
	t.Run("cancelled", func(t *testing.T) { testCancelled(t, lts) })
	t.Run("snapferry killed", func(t *testing.T) { testOurselvesKilled(t, lts) })
	t.Run("disk full", func(t *testing.T) { testDiskFull(t, lts) })
	t.Run("no database", func(t *testing.T) { testNoDatabase(t, lts) })
	t.Run("wrong java", func(t *testing.T) { testWrongJava(t, homes) })
}

// testRoundTrip ships a dump as a stream, loads it into a second home, starts
// that and counts. On the way the second home is running, and then broken.
func testRoundTrip(t *testing.T, home *testenv.Neo4jHome) {
	var percent atomic.Int64
	s := openSource(t, home.Home, "", Options{Progress: func(f float64) { percent.Store(int64(100 * f)) }})
	c, err := s.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info := c.Info()
	want := snapshot.Identity{Type: "neo4j", Host: "test-host", Path: home.Home, ID: "neo4j"}
	if info.Identity != want || info.Resumable || info.Parent != "" {
		t.Errorf("%+v, want identity %+v", info, want)
	}
	if info.Facts["neo4j"] != home.Version || info.Facts["database"] != "neo4j" ||
		info.Facts["storeFormat"] == "" || info.Facts["lastCommittedTransaction"] == "" {
		t.Errorf("facts %v", info.Facts)
	}
	image := c.Images()[0]
	if image.Name != "neo4j.dump" || image.Form != snapshot.FormStream || image.Size != -1 || !image.Compressed {
		t.Errorf("image %+v", image)
	}
	path := filepath.Join(t.TempDir(), image.Name)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(file, image.Stream)
	if err = errors.Join(err, file.Close(), c.Check(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	if n < 1<<20 {
		t.Errorf("the dump has %d bytes; the tests need one that fills all buffers", n)
	}
	if percent.Load() < 90 {
		t.Errorf("progress ended at %d %%", percent.Load())
	}
	second := testenv.Neo4j(t, home.Version)
	if out, err := second.Run("database", "load", "neo4j", "--from-path="+filepath.Dir(path), "--overwrite-destination=true"); err != nil {
		t.Fatalf("load: %v\n%s", err, out)
	}
	second.Start()
	if got := second.Count("MATCH (n:N) RETURN count(n)"); got != nodes {
		t.Errorf("%d nodes came back, want %d", got, nodes)
	}
	if got := second.Count("MATCH (:N)-[r:NEXT]->(:N) RETURN count(r)"); got != 99 {
		t.Errorf("%d relationships came back, want 99", got)
	}
	testRefused(t, second, ErrInUse, "add stop=yes")
	second.Query("CREATE (:M)")
	second.Kill()
	testRefused(t, second, ErrNeedsRecovery, "stop it cleanly")
}

// testRefused wants the same reason from the question before a dump and from
// the dump itself.
func testRefused(t *testing.T, home *testenv.Neo4jHome, want error, hint string) {
	t.Helper()
	s := openSource(t, home.Home, "", Options{})
	_, err := s.admin.storeInfo(t.Context(), s.admin.locateStore(t.Context()))
	wantHint(t, err, want, hint)
	_, err = startStream(t.Context(), s.admin)
	wantHint(t, err, want, hint)
}

// openStream starts a dump without the questions before it.
func openStream(t *testing.T, home *testenv.Neo4jHome) *stream {
	t.Helper()
	s, err := startStream(t.Context(), openSource(t, home.Home, "", Options{}).admin)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantReleased wants all processes gone and the lock of the database free.
func wantReleased(t *testing.T, home *testenv.Neo4jHome, group int) {
	t.Helper()
	if !process.Gone(group) {
		t.Errorf("processes of group %d are left: %v", group, members(t, group))
	}
	if owner := lockOwner(t, home); owner != 0 {
		t.Errorf("process %d holds the lock of the database", owner)
	}
}

// lockOwner asks who holds the lock that a server would need.
func lockOwner(t *testing.T, home *testenv.Neo4jHome) int32 {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(home.Home, "data/databases/neo4j/database_lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		t.Fatal(err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0
	}
	return lock.Pid
}

// members returns the processes of a group, with their command lines.
func members(t *testing.T, group int) map[int]string {
	t.Helper()
	found := map[int]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		if id, err := syscall.Getpgid(pid); err != nil || id != group {
			continue
		}
		if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(line) > 0 {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

func testCloseEarly(t *testing.T, home *testenv.Neo4jHome) {
	s := openStream(t, home)
	c := &streamCapture{dump: s}
	if _, err := io.ReadFull(s, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	if len(members(t, s.p.Group())) != 2 || lockOwner(t, home) == 0 {
		t.Errorf("not in the middle of a dump: %v", members(t, s.p.Group()))
	}
	if err := c.Check(t.Context()); err == nil {
		t.Error("Check passed in the middle")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantReleased(t, home, s.p.Group())
	again := openStream(t, home)
	if _, err := io.Copy(io.Discard, again); err != nil {
		t.Errorf("a dump right after: %v", err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}

func testKilled(t *testing.T, home *testenv.Neo4jHome) {
	for _, victim := range []string{"launcher", "JVM", "both"} {
		t.Run(victim, func(t *testing.T) {
			s := openStream(t, home)
			group := s.p.Group()
			if _, err := io.ReadFull(s, make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
			for pid := range members(t, group) {
				if isLauncher := pid == group; victim == "both" || isLauncher == (victim == "launcher") {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			}
			n, err := io.Copy(io.Discard, s)
			if err == nil || s.complete() {
				t.Fatalf("the stream ended well after %d bytes", n)
			}
			if !strings.Contains(err.Error(), "neo4j-admin failed") || hintOf(err) == "" {
				t.Errorf("%v (hint %q) does not blame neo4j-admin", err, hintOf(err))
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
			wantReleased(t, home, group)
		})
	}
}

func testCancelled(t *testing.T, home *testenv.Neo4jHome) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := startStream(ctx, openSource(t, home.Home, "", Options{}).admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, s); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	wantReleased(t, home, s.p.Group())
}

// childHome tells a copy of this test program to begin a dump and to wait.
const childHome = "TEST_NEO4J_CHILD_HOME"

// TestChild is not a test of its own: testOurselvesKilled runs and kills it.
func TestChild(t *testing.T) {
	home := os.Getenv(childHome)
	if home == "" {
		return
	}
	s, err := startStream(t.Context(), openSource(t, home, "", Options{}).admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("group %d\n", s.p.Group())
	select {}
}

// testOurselvesKilled finds out what neo4j-admin does when nobody is left to
// read or to kill it: it notices by its next write, runs to its end, and the
// lock is free.
func testOurselvesKilled(t *testing.T, home *testenv.Neo4jHome) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), childHome+"="+home.Home)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	var group int
	if _, scanErr := fmt.Sscanf(line, "group %d\n", &group); err != nil || scanErr != nil {
		t.Fatalf("the child said %q: %v, %v", line, err, scanErr)
	}
	if len(members(t, group)) != 2 || lockOwner(t, home) == 0 {
		t.Errorf("not in the middle of a dump: %v", members(t, group))
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	for len(members(t, group)) > 0 {
		if ctx.Err() != nil {
			_ = syscall.Kill(-group, syscall.SIGKILL)
			t.Fatalf("processes are left: %v", members(t, group))
		}
		time.Sleep(20 * time.Millisecond)
	}
	wantReleased(t, home, group)
}

func testNoDatabase(t *testing.T, home *testenv.Neo4jHome) {
	s := openSource(t, home.Home, "", Options{})
	s.admin.database = "nosuch"
	_, err := s.admin.storeInfo(t.Context(), s.admin.locateStore(t.Context()))
	wantHint(t, err, ErrNoDatabase, "data/databases")
	_, err = startStream(t.Context(), s.admin)
	wantHint(t, err, snapshot.ErrNotFound, "data/databases")
}

func testWrongJava(t *testing.T, homes map[string]*testenv.Neo4jHome) {
	t.Setenv("JAVA_HOME", t.TempDir())
	for version, home := range homes {
		_, err := openSource(t, home.Home, "", Options{}).Capture(t.Context())
		wantHint(t, err, ErrJava, "JAVA_HOME")
		t.Logf("%s: %v", version, err)
	}
	const java17 = "/usr/lib/jvm/java-17-openjdk-amd64"
	if home, found := homes[testenv.Neo4jCalendar]; found && install.IsFolder(java17) {
		t.Setenv("JAVA_HOME", java17)
		_, err := openSource(t, home.Home, "", Options{}).Capture(t.Context())
		wantHint(t, err, ErrJava, "JAVA_HOME")
	}
}

// testScratch breaks a backup, resumes it, changes the store, and finishes.
func testScratch(t *testing.T, home *testenv.Neo4jHome) {
	dir := t.TempDir()
	parameters := "&scratch=" + url.QueryEscape(dir)
	s := openSource(t, home.Home, parameters, Options{})
	// What a killed run leaves: a folder, a part of a dump, no marker.
	left, err := openScratch(dir, snapshot.Identity{Host: "test-host", Path: home.Home, ID: "neo4j"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(left.prepare(), os.WriteFile(left.dump, []byte("DZV1 cut"), 0o600), left.lock.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := s.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := readScratch(t, c)
	if _, err := s.captureScratch(t.Context(), c.Info()); !errors.Is(err, snapshot.ErrUnsafe) {
		t.Errorf("a second run in the same folder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	s.options.Log = newTextLog(&log)
	second := captureAgain(t, s, first.Info())
	if second.Info().Fingerprint != first.Info().Fingerprint || !strings.Contains(log.String(), "resuming") {
		t.Errorf("not resumed: %s", log.String())
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	touchStore(t, home)
	log.b.Reset()
	third := captureAgain(t, s, first.Info())
	if strings.Contains(log.String(), "resuming") {
		t.Error("resumed the dump of a store that has changed")
	}
	if err := errors.Join(third.Check(t.Context()), third.Close()); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A neo4j-admin that something else runs, such as a container, dumps as a stream.
func testElsewhere(t *testing.T, home *testenv.Neo4jHome) {
	program := "env PATH=" + filepath.Join(home.Home, "bin") + ":" + os.Getenv("PATH") + " NEO4J_HOME=" + home.Home + " NEO4J_CONF=" + filepath.Join(home.Home, "conf")
	u, err := url.Parse(Scheme + ":///neo4j?exec=" + url.QueryEscape(program))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(u, Options{Host: "test-host"})
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	if _, err := readAll(t, s); err != nil {
		t.Error(err)
	}
	if id := s.identity(); id.Path != program || s.admin.Version.Text != home.Version {
		t.Errorf("%+v of %s", id, s.admin.Version)
	}
	u.RawQuery = "exec=/no/such/program"
	if opened, err = Open(u, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Capture(t.Context()); !errors.Is(err, fs.ErrNotExist) || hintOf(err) == "" {
		t.Errorf("no such program: %v, hint %q", err, hintOf(err))
	}
}

// Commands in the configuration are run if that is said, and nobody else may
// have written them.
func testCommands(t *testing.T, home *testenv.Neo4jHome) {
	path := filepath.Join(home.Home, "conf", "neo4j.conf")
	plain, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(os.WriteFile(path, plain, 0o644), os.Chmod(path, 0o644)); err != nil {
			t.Error(err)
		}
	}()
	conf := fmt.Sprintf("%s\nserver.directories.data=$(printf %s)\n", plain, filepath.Join(home.Home, "data"))
	if err := errors.Join(os.WriteFile(path, []byte(conf), 0o666), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	_, err = readAll(t, openSource(t, home.Home, "", Options{}))
	wantHint(t, err, ErrConfig, "expand_commands=yes")
	_, err = readAll(t, openSource(t, home.Home, "&expand_commands=yes", Options{}))
	wantHint(t, err, install.ErrOpenConf, "chmod 640")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSource(t, home.Home, "&expand_commands=yes", Options{})
	if _, err := readAll(t, s); err != nil || s.at.data != filepath.Join(home.Home, "data", "databases", "neo4j") {
		t.Errorf("%v, %+v", err, s.at)
	}
}

// captureAgain captures without the questions before it.
func captureAgain(t *testing.T, s *source, info snapshot.Info) *scratchCapture {
	t.Helper()
	s.at = s.admin.locateStore(t.Context())
	c, err := s.captureScratch(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	return readScratch(t, c)
}

// readScratch reads the dump through its image.
func readScratch(t *testing.T, c snapshot.Capture) *scratchCapture {
	t.Helper()
	image := c.Images()[0]
	if image.Form != snapshot.FormRaw || !image.Compressed || !c.Info().Resumable {
		t.Errorf("image %+v of %+v", image, c.Info())
	}
	info, err := artifact.Verify(io.NewSectionReader(image.Data, 0, image.Size))
	if err != nil || info.Files < 30 {
		t.Errorf("%+v, %v", info, err)
	}
	return c.(*scratchCapture)
}

// touchStore gives one file of the store another modification time.
func touchStore(t *testing.T, home *testenv.Neo4jHome) {
	t.Helper()
	path := filepath.Join(home.Home, "data/databases/neo4j/neostore")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
}

func testDiskFull(t *testing.T, home *testenv.Neo4jHome) {
	for size, where := range map[string]string{"64k": "capture", "2m": "dump"} {
		t.Run(size, func(t *testing.T) {
			dir := mountTmpfs(t, size)
			s := openSource(t, home.Home, "&scratch="+url.QueryEscape(dir), Options{})
			s.at = s.admin.locateStore(t.Context())
			_, err := s.captureScratch(t.Context(), snapshot.Info{Identity: s.identity()})
			wantHint(t, err, ErrNoSpace, "scratch")
			var e *snapshot.Error
			if errors.As(err, &e) && e.Op != where {
				t.Errorf("%v, want it found by %s", err, where)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func mountTmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, fs.ErrPermission) {
		testenv.Missing(t, "the right to mount a small tmpfs (run as root)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}
