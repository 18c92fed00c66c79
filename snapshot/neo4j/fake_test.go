//go:build unix

package neo4j

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// These tests run a script in the place of neo4j-admin, for what a real one
// cannot be made to do at will, and to try many texts in little time. The texts
// of the cases marked "source" come from Neo4j's sources; all others were
// printed by a real neo4j-admin.

// fakeHome makes a home whose neo4j-admin is a script: its parts for --version,
// database info, and database dump.
type fakeHome struct{ version, info, dump string }

const goodInfo = `echo '{"databaseName":"neo4j","inUse":"false","storeFormat":"record-aligned-1.1","lastCommittedTransaction":"7","recoveryRequired":"false"}'`

func (f fakeHome) write(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	if f.version == "" {
		f.version = "echo 5.26.31"
	}
	if f.info == "" {
		f.info = goodInfo
	}
	script := "#!/bin/sh\ncase \"$1 $2\" in\n" +
		"--version*)\n" + f.version + "\n;;\n" +
		"'database info')\n" + f.info + "\n;;\n" +
		"'database dump')\n" + f.dump + "\n;;\n*) exit 64;;\nesac\n"
	for _, dir := range []string{"bin", "conf", "data/databases/neo4j", "data/transactions/neo4j"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, content := range map[string]string{
		"bin/neo4j-admin": script, "conf/neo4j.conf": "# empty\n", "data/databases/neo4j/neostore": "store",
		"data/transactions/neo4j/neostore.transaction.db.0": "log",
	} {
		// A script that is open for writing anywhere cannot be run: no other
		// test may fork while it is. So the lock that the runtime takes to fork.
		syscall.ForkLock.Lock()
		err := os.WriteFile(filepath.Join(home, path), []byte(content), 0o755)
		syscall.ForkLock.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// logBuffer is a log that can be looked at.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newTextLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func openSource(t *testing.T, home, parameters string, options Options) *source {
	t.Helper()
	if options.Host == "" {
		options.Host = "test-host"
	}
	u, err := url.Parse(Scheme + ":///neo4j?home=" + url.QueryEscape(home) + parameters)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(u, options)
	if err != nil {
		t.Fatal(err)
	}
	// For tests that do not ask for it; all that matters is the series.
	s.(*source).admin.Version = install.Version{Major: 5, Minor: 26, Text: "5.26.31"}
	return s.(*source)
}

// readAll captures, reads the stream and confirms it.
func readAll(t *testing.T, s *source) ([]byte, error) {
	t.Helper()
	c, err := s.Capture(t.Context())
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(c.Images()[0].Stream)
	if err == nil {
		err = c.Check(t.Context())
	} else if c.Check(t.Context()) == nil {
		t.Error("Check passed after a failed read")
	}
	if closeErr := c.Close(); closeErr != nil {
		t.Errorf("close: %v", closeErr)
	}
	return b, err
}

func testdataPath(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("artifact/testdata/neo4j-5.26.31.dump")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func wantHint(t *testing.T, err, target error, hint string) {
	t.Helper()
	var e *snapshot.Error
	if !errors.As(err, &e) || !errors.Is(err, target) || !strings.Contains(e.Hint, hint) {
		t.Errorf("%v (hint %q), want %q with a hint that says %q", err, hintOf(err), target, hint)
	}
}

func hintOf(err error) string {
	var e *snapshot.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

func TestFailureTexts(t *testing.T) {
	say := func(text string) string { return "cat >&2 <<'END'\n" + text + "\nEND\nexit 1" }
	logged := "2026-11-23 20:24:54.518+0000 INFO  [o.n.c.d.DumpCommand] Starting dump of database 'neo4j'\n" +
		"2026-11-23 20:24:54.620+0000 ERROR [o.n.c.d.DumpCommand] Failed to dump database 'neo4j': "
	trailer := "\nDump failed for databases: 'neo4j'\nRun with '--verbose' for a more detailed error message."
	for name, c := range map[string]struct {
		home fakeHome
		want error
		hint string
	}{
		"in use":               {fakeHome{dump: say(logged + "The database is in use. Stop database 'neo4j' and try again." + trailer)}, ErrInUse, "add stop=yes"},
		"in use, info":         {fakeHome{info: say("Failed to execute command as the database 'neo4j' is in use. Please stop it and try again.")}, ErrInUse, "add stop=yes"},
		"in use, info says so": {fakeHome{info: `echo '{"inUse":"true","recoveryRequired":"true","lastCommittedTransaction":"-1"}'`}, ErrInUse, "add stop=yes"},
		"needs recovery": {fakeHome{dump: say(logged + "Active logical log detected, this might be a source of inconsistencies.\n" +
			"Please recover database before running the dump.\nTo perform recovery please start database and perform clean shutdown." + trailer)},
			ErrNeedsRecovery, "stop it cleanly"},
		"needs recovery, info says so": {fakeHome{info: `echo '{"inUse":"false","recoveryRequired":"true"}'`}, ErrNeedsRecovery, "stop it cleanly"},
		"no database":                  {fakeHome{dump: say(logged + "Database does not exist: neo4j" + trailer)}, ErrNoDatabase, "data/databases"},
		"no database, info": {fakeHome{info: say("Database does not exist: 'neo4j'. Directory '/d/neo4j' does not contain a database")},
			snapshot.ErrNotFound, "data/databases"},
		"never started":      {fakeHome{info: say("Failed to execute command: 'Provided path /h/data/databases must point to a directory.'.")}, ErrNoDatabase, "data/databases"},
		"no permission":      {fakeHome{dump: say(logged + "You do not have permission to dump the database." + trailer)}, fs.ErrPermission, "sudo -u neo4j"},
		"no lock permission": {fakeHome{info: say("Command Failed\nFailed to execute command\n\nCould not write to: /d/neo4j/database_lock")}, ErrPermission, "sudo -u neo4j"},
		"class version": {fakeHome{version: say("Error: LinkageError occurred while loading main class x\n\tjava.lang.UnsupportedClassVersionError: x has been " +
			"compiled by a more recent version of the Java Runtime (class file version 65.0)")}, ErrJava, "JAVA_HOME"},
		"java home":                   {fakeHome{version: say("Error: JAVA_HOME is not defined correctly.\n  We cannot execute /x/bin/java")}, ErrJava, "JAVA_HOME"},
		"old java, exit 0 (source)":   {fakeHome{dump: `echo "Unsupported Java 1.8.0_392 detected. Please use Oracle(R) Java(TM) 17, OpenJDK(TM) 17 to run Neo4j Server."`}, ErrJava, "JAVA_HOME"},
		"old java, version (source)":  {fakeHome{version: `echo "Unsupported Java 1.8.0_392 detected. Please use Oracle(R) Java(TM) 17."`}, ErrJava, "JAVA_HOME"},
		"migration (source)":          {fakeHome{dump: say(logged + "Store migration folder detected - A dump can not be taken during a store migration." + trailer)}, ErrMigration, "migrate"},
		"archive exists":              {fakeHome{dump: say(logged + "Archive already exists: /s/neo4j.dump" + trailer)}, ErrArchiveExists, "Remove"},
		"no space":                    {fakeHome{dump: say(logged + "Unable to dump database: IOException: No space left on device" + trailer)}, ErrNoSpace, "scratch"},
		"command expansion (source)":  {fakeHome{info: say("Failed to read config: $(x) is a command, but config is not explicitly told to expand it. (Missing --expand-commands argument?)")}, ErrConfig, "expand_commands=yes"},
		"3.4":                         {fakeHome{version: "echo neo4j-admin 3.4.18"}, ErrVersion, "Neo4j 3.5"},
		"unknown":                     {fakeHome{dump: say("some new words") + "7"}, nil, "--verbose"},
		"no version":                  {fakeHome{version: "echo hello"}, nil, "--version"},
		"warning about java, unknown": {fakeHome{dump: say("WARNING! You are using an unsupported Java runtime.\nsome new words")}, nil, "--verbose"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(t, openSource(t, c.home.write(t), "", Options{}))
			if c.want == nil {
				c.want = err
				if hint := install.HintFor(err, "neo4j", "/h"); hint != "" {
					t.Errorf("%v was taken for a known reason: %s", err, hint)
				}
			}
			wantHint(t, err, c.want, c.hint)
		})
	}
}

func TestUnknownFailureNamesItsWords(t *testing.T) {
	home := fakeHome{dump: "echo first >&2; echo 'some new words' >&2; echo \"Run with '--verbose' for more\" >&2; exit 17"}.write(t)
	_, err := readAll(t, openSource(t, home, "", Options{}))
	if err == nil || !strings.Contains(err.Error(), "some new words") || !strings.Contains(err.Error(), "exit status 17") {
		t.Errorf("%v, want the exit code and the last words", err)
	}
}

func TestFakeStream(t *testing.T) {
	dump := testdataPath(t)
	var progress []float64
	var log logBuffer
	home := fakeHome{dump: "echo 'Files: 1/36, data:  0.8%' >&2; echo 'Files: 35/36, data: 99,5%' >&2; echo plain words >&2; cat " + dump}.write(t)
	s := openSource(t, home, "", Options{
		Progress: func(f float64) { progress = append(progress, f) },
		Log:      newTextLog(&log),
	})
	if s.Name() != "neo4j" {
		t.Errorf("name %q", s.Name())
	}
	got, err := readAll(t, s)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, want those of %s", len(got), dump)
	}
	if len(progress) != 2 || progress[0] != 0.008 || progress[1] != 0.995 {
		t.Errorf("progress %v", progress)
	}
	if !strings.Contains(log.String(), "plain words") || strings.Contains(log.String(), "Files:") {
		t.Errorf("log: %s", log.String())
	}
}

// Each of these ends its output somewhere, and none may look like a good end.
func TestFakeStreamNeverEndsWell(t *testing.T) {
	dump := testdataPath(t)
	for name, script := range map[string]string{
		"nothing at all":         "exit 0",
		"nothing, failed":        "exit 3",
		"cut, exit 0":            "head -c 10000 " + dump,
		"one byte short, exit 0": "head -c 19835 " + dump,
		"whole, exit 1":          "cat " + dump + "; exit 1",
		"whole, killed":          "cat " + dump + "; kill -9 $$",
		"something behind":       "cat " + dump + "; echo more",
		"two of them":            "cat " + dump + " " + dump,
		"words before":           "echo hello; cat " + dump,
		"endless words":          "exec yes",
		"endless zeros behind":   "cat " + dump + "; exec cat /dev/zero",
		"launcher dies early":    "(trap '' TERM; head -c 10000 " + dump + "; exec sleep 1000) & sleep 0.2; kill -9 $$",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(t, openSource(t, fakeHome{dump: script}.write(t), "", Options{}))
			if err == nil {
				t.Error("the dump was accepted")
			}
			if hintOf(err) == "" && !errors.Is(err, artifact.ErrBad) {
				t.Errorf("%v says neither what is bad nor what to do", err)
			}
		})
	}
}

// A process that ignores SIGTERM is killed, with all that it forked.
func TestFakeCloseEndsTheGroup(t *testing.T) {
	dump := testdataPath(t)
	home := fakeHome{dump: "trap '' TERM; sleep 1000 & head -c 10000 " + dump + "; wait; exit 0"}.write(t)
	s := openSource(t, home, "", Options{})
	c, err := s.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	group := c.(*streamCapture).dump.p.Group()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !process.Gone(group) {
		t.Error("the group is still there")
	}
}

func TestFakeCancel(t *testing.T) {
	dump := testdataPath(t)
	for name, home := range map[string]fakeHome{
		"version": {version: "exec sleep 1000"},
		"info":    {info: "exec sleep 1000"},
		"start":   {dump: "exec sleep 1000"},
		"stream":  {dump: "head -c 10000 " + dump + "; exec sleep 1000"},
		"end":     {dump: "cat " + dump + "; exec >&-; exec sleep 1000"},
	} {
		for mode, parameters := range map[string]string{"stream": "", "scratch": "&scratch=" + url.QueryEscape(t.TempDir())} {
			t.Run(name+" "+mode, func(t *testing.T) {
				home := home
				if mode == "scratch" {
					home.dump = "exec sleep 1000"
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				why := errors.New("the user gave up")
				started := filepath.Join(t.TempDir(), "started")
				mark := "touch " + started + "; "
				home.version = strings.Replace(home.version, "exec", mark+"exec", 1)
				home.info = strings.Replace(home.info, "exec", mark+"exec", 1)
				home.dump = mark + home.dump
				go func() {
					tick := time.NewTicker(time.Millisecond)
					defer tick.Stop()
					for ctx.Err() == nil {
						if _, err := os.Stat(started); err == nil {
							cancel(why)
						}
						<-tick.C
					}
				}()
				s := openSource(t, home.write(t), parameters, Options{})
				c, err := s.Capture(ctx)
				if err == nil {
					_, err = io.Copy(io.Discard, c.Images()[0].Stream)
					if closeErr := c.Close(); closeErr != nil {
						t.Error(closeErr)
					}
				}
				cancel(nil)
				if !errors.Is(err, why) {
					t.Errorf("%v, want %v", err, why)
				}
			})
		}
	}
}

func TestAdminNotFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	home := fakeHome{}.write(t)
	admin := filepath.Join(home, "bin", "neo4j-admin")
	u := &url.URL{Scheme: Scheme, Path: "/neo4j", RawQuery: "home=" + url.QueryEscape(home)}
	if err := os.Chmod(admin, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(u, Options{})
	wantHint(t, err, ErrAdminNotFound, "executable")
	if err := os.Remove(admin); err != nil {
		t.Fatal(err)
	}
	_, err = Open(u, Options{})
	wantHint(t, err, ErrAdminNotFound, "bin/neo4j-admin")
	if err := os.WriteFile(admin, []byte("#!/no/such/shell\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(u, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Capture(t.Context())
	wantHint(t, err, fs.ErrNotExist, "shell")
}

func TestAdminOnPath(t *testing.T) {
	home := fakeHome{dump: "cat " + testdataPath(t)}.write(t)
	t.Setenv("PATH", filepath.Join(home, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("NEO4J_HOME", t.TempDir())
	s, err := Open(&url.URL{Scheme: Scheme, Path: "/neo4j"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.(*source).admin.Admin; got != filepath.Join(home, "bin", "neo4j-admin") {
		t.Errorf("found %s", got)
	}
	if _, err := readAll(t, s.(*source)); err != nil {
		t.Error(err)
	}
}

// What a wrong setting contains is not for a log, and cloud credentials are not
// for another program.
func TestSecretsStayHere(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "planted-aws-key")
	t.Setenv("AZURE_STORAGE_KEY", "planted-azure-key")
	t.Setenv("SNAPFERRY_PASSPHRASE", "planted-passphrase")
	var log logBuffer
	home := fakeHome{dump: `env >&2
echo "Error evaluating value for setting 'dbms.ssl.password'. password=planted-setting" >&2
echo "secret: 'planted-quoted' and token=planted-token," >&2
head -c 100000 /dev/zero | tr '\0' x >&2; echo >&2; echo last words >&2; exit 1`}.write(t)
	_, err := readAll(t, openSource(t, home, "", Options{Log: newTextLog(&log), TempDir: t.TempDir()}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range []string{log.String(), err.Error(), hintOf(err)} {
		if strings.Contains(text, "planted") {
			t.Errorf("a secret got out: %s", text)
		}
	}
	if len(log.String()) > 60<<10 || !strings.Contains(log.String(), "last words") {
		t.Errorf("a line of 100 kB made a log of %d bytes", len(log.String()))
	}
	if !strings.Contains(log.String(), "java.io.tmpdir") {
		t.Error("TempDir was not passed on")
	}
}
