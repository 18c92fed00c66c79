package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snapferry/snapferry/internal/mix"
	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact/artifacttest"
)

// TestScript runs the scripts that need nothing but a file system.
func TestScript(t *testing.T) {
	testscript.Run(t, params("testdata/script", nil))
}

// TestScriptS3 runs the scripts that use an S3 server: $S3 is a vault on it,
// and its objects are files below $OBJECTS.
func TestScriptS3(t *testing.T) {
	testscript.Run(t, params("testdata/s3", testenv.S3(t)))
}

// TestScriptByHand restores without snapferry.
func TestScriptByHand(t *testing.T) {
	testenv.Tool(t, "zstd")
	testscript.Run(t, params("testdata/byhand", nil))
}

// TestScriptCrypto encrypts and signs, with keys that the stock tools made, and
// restores with them alone.
func TestScriptCrypto(t *testing.T) {
	for _, tool := range []string{"age", "age-keygen", "ssh-keygen", "zstd"} {
		testenv.Tool(t, tool)
	}
	testscript.Run(t, params("testdata/crypto", nil))
}

// TestScriptNeo4j runs the scripts that use a Neo4j: $NEO4J is its home, which
// is not running.
func TestScriptNeo4j(t *testing.T) {
	home := testenv.Neo4j(t, testenv.Neo4jLTS)
	t.Cleanup(func() {
		// A script that fails leaves its server.
		if out, err := exec.Command(filepath.Join(home.Home, "bin", "neo4j"), "stop").CombinedOutput(); err != nil {
			t.Errorf("stop Neo4j: %v\n%s", err, out)
		}
	})
	p := params("testdata/neo4j", nil)
	p.Cmds["asbackup"] = asBackup
	p.Cmds["neo4jserves"] = func(*testscript.TestScript, bool, []string) { home.WaitServing() }
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("NEO4J", home.Home)
		return setup(e)
	}
	testscript.Run(t, p)
}

// asbackup DUMP BACKUP full|diff makes a backup of Enterprise of a dump.
func asBackup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: asbackup DUMP BACKUP full|diff")
	}
	dump, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer dump.Close()
	var out bytes.Buffer
	b := artifacttest.Backup{Database: "neo4j", ID: strings.Repeat("0a", 16), Time: time.Now(), Lowest: 1, Highest: 9, Full: args[2] == "full", Recovered: true}
	ts.Check(b.WriteDump(&out, dump))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o644))
}

// TestScriptOnline runs the scripts that back up a server of the Enterprise
// edition, which is a stand-in: $SERVER is its port for backups, $NEO4J the home of
// a neo4j-admin. server commit DB N, server prune DB and server fault DB NAME|none
// change what it has.
func TestScriptOnline(t *testing.T) {
	p := params("testdata/online", nil)
	servers := map[string]*testenv.Enterprise{}
	p.Cmds["server"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: server commit|prune|fault DB [N|NAME]")
		}
		server := servers[ts.Getenv("SERVER")]
		switch args[0] {
		case "commit":
			n, err := strconv.ParseInt(args[2], 10, 64)
			ts.Check(err)
			server.Commit(args[1], n)
		case "prune":
			server.Change(args[1], func(db *testenv.EnterpriseDatabase) { db.Highest += 100; db.Oldest = db.Highest - 1 })
		case "fault":
			server.Change(args[1], func(db *testenv.EnterpriseDatabase) { db.Fault = strings.TrimPrefix(args[2], "none") })
		}
	}
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		server := testenv.NewEnterprise(t, testenv.Neo4jCalendar)
		servers[server.Address] = server
		e.Setenv("SERVER", server.Address)
		e.Setenv("NEO4J", server.Home)
		e.Setenv("NEO4J_HOME", server.Home)
		return setup(e)
	}
	testscript.Run(t, p)
}

func params(dir string, s3 *testenv.S3Server) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "home", "cache"))
			e.Setenv("TMPDIR", filepath.Join(e.WorkDir, ".tmp"))
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			today := time.Now().UTC() // stores have clocks of their own, so that nobody's can be set
			e.Setenv("TODAY", today.Format(time.DateOnly))
			e.Setenv("DAY", today.Format("20060102")) // as in an id
			e.Setenv("IN_8_DAYS", today.AddDate(0, 0, 8).Format(time.DateOnly))
			dumps, err := filepath.Abs("../../snapshot/neo4j/artifact/testdata")
			if err != nil {
				return err
			}
			e.Setenv("DUMPS", dumps)
			if s3 == nil {
				return nil
			}
			for _, pair := range s3.Env() {
				name, value, _ := strings.Cut(pair, "=")
				e.Setenv(name, value)
			}
			bucket := "b-" + strings.ToLower(filepath.Base(e.WorkDir))
			e.Setenv("BUCKET", bucket)
			e.Setenv("ENDPOINT", s3.Endpoint)
			e.Setenv("S3", s3.URL(bucket, "vault"))
			e.Setenv("OBJECTS", filepath.Join(s3.Dir, bucket))
			return os.Mkdir(filepath.Join(s3.Dir, bucket), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "data": data, "sparse": sparse, "flip": flip, "sametree": sameTree, "samebytes": sameBytes, "glob": glob, "byhand": byHand,
			"nosecret": noSecret, "blocks": blocks, "prefix": prefix, "cut": cut,
		},
	}
}

// code N COMMAND… runs a command that must exit with N. If N is not 0, it must
// have printed exactly one error and one hint, last.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if want == 0 {
		return
	}
	if problem := checkErrorLines(ts.ReadFile("stderr")); problem != "" {
		ts.Fatalf("%s", problem)
	}
}

// checkErrorLines returns what is wrong with the standard error of a failure.
func checkErrorLines(stderr string) string {
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	n := len(lines)
	if n < 2 || !strings.HasPrefix(lines[n-2], "error: ") || !strings.HasPrefix(lines[n-1], "hint: ") || len(lines[n-1]) < 15 {
		return fmt.Sprintf("the last two lines are not an error and a hint: %q", lines)
	}
	for _, l := range lines[:n-2] {
		if strings.HasPrefix(l, "error: ") || strings.HasPrefix(l, "hint: ") {
			return fmt.Sprintf("more than one error or hint: %q", lines)
		}
	}
	return ""
}

// data FILE BYTES [KIND] writes generated data.
func data(ts *testscript.TestScript, _ bool, args []string) {
	size, err := job.ParseBytes(args[1])
	ts.Check(err)
	kind := "mix"
	if len(args) > 2 {
		kind = args[2]
	}
	r, err := mix.New(kind, uint64(len(args[0])))
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = io.CopyN(f, r, size)
	ts.Check(errors.Join(err, f.Close()))
}

// sparse FILE BYTES makes a file of a hole with a little data in the middle
// and at the end.
func sparse(ts *testscript.TestScript, _ bool, args []string) {
	size, err := job.ParseBytes(args[1])
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = f.WriteAt([]byte("in the middle"), size/2)
	_, err2 := f.WriteAt([]byte("at the end"), size-10)
	ts.Check(errors.Join(err, err2, f.Close()))
}

// flip FILE changes the byte in the middle of a file.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}

// cut WHOLE PART N writes the first N bytes of a file into another.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(ts.ReadFile(args[0])[:n]), 0o600))
}

// prefix PART WHOLE fails unless the one file is how the other begins.
func prefix(ts *testscript.TestScript, _ bool, args []string) {
	if part, whole := ts.ReadFile(args[0]), ts.ReadFile(args[1]); !strings.HasPrefix(whole, part) || len(part) == len(whole) {
		ts.Fatalf("%s is not how %s begins", args[0], args[1])
	}
}

// glob NAME PATTERN sets a variable to the only file that matches.
func glob(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%s matches %q", args[1], found)
	}
	ts.Setenv(args[0], found[0])
}

// sametree A B compares folders: entries, types, modes, times and content.
func sameTree(ts *testscript.TestScript, _ bool, args []string) {
	a, b := listTree(ts, ts.MkAbs(args[0])), listTree(ts, ts.MkAbs(args[1]))
	if !slices.Equal(a, b) {
		ts.Fatalf("the trees differ:\n%s\n--\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// samebytes A B compares folders: names and content of the files in them.
func sameBytes(ts *testscript.TestScript, _ bool, args []string) {
	list := func(root string) (lines []string) {
		ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			lines = append(lines, fmt.Sprintf("%s %x", rel, sha256.Sum256(b)))
			return err
		}))
		return lines
	}
	a, b := list(ts.MkAbs(args[0])), list(ts.MkAbs(args[1]))
	if !slices.Equal(a, b) || len(a) == 0 {
		ts.Fatalf("the files differ:\n%s\n--\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

func listTree(ts *testscript.TestScript, root string) (lines []string) {
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s %v %d", rel, info.Mode(), info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", len(b), b[:min(len(b), 100)])
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text = rel + " -> " + to
		}
		lines = append(lines, text)
		return nil
	}))
	return lines
}

// byhand VAULT/TIER SERIES OUT runs the commands of RESTORE.md as they stand.
func byHand(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "catalog", args[1], "*", "RESTORE.md"))
	ts.Check(err)
	if len(entries) != 1 {
		ts.Fatalf("%d backups of %s", len(entries), args[1])
	}
	text, err := os.ReadFile(entries[0])
	ts.Check(err)
	_, script, ok := strings.Cut(string(text), "```sh\n")
	script, _, closed := strings.Cut(script, "```\n")
	if !ok || !closed {
		ts.Fatalf("no script in RESTORE.md:\n%s", text)
	}
	out := ts.MkAbs(args[2])
	ts.Check(os.MkdirAll(out, 0o755))
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = filepath.Dir(entries[0]), append(os.Environ(), "out="+out, "identity="+ts.Getenv("identity"), "signers="+ts.Getenv("signers"))
	if printed, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("RESTORE.md: %v\n%s", err, printed)
	}
}

// nosecret [PATH...] looks for planted secrets in what the last command printed
// and in all files below the paths. All variables PLANTED_… are secrets.
func noSecret(ts *testscript.TestScript, _ bool, args []string) {
	texts := map[string][]byte{"stdout": []byte(ts.ReadFile("stdout")), "stderr": []byte(ts.ReadFile("stderr"))}
	for _, root := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			texts[path], err = os.ReadFile(path)
			return err
		}))
	}
	planted := 0
	for _, name := range []string{"PLANTED_KEY", "PLANTED_SECRET", "PLANTED_TOKEN", "PLANTED_PASSWORD", "PLANTED_SIGNATURE"} {
		secret := ts.Getenv(name)
		if secret == "" {
			continue
		}
		planted++
		for where, text := range texts {
			if bytes.Contains(text, []byte(secret)) {
				ts.Fatalf("%s holds %s", where, name)
			}
		}
	}
	if planted == 0 {
		ts.Fatalf("no secret was planted")
	}
}
