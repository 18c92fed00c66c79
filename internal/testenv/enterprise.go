package testenv

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Enterprise is a server of the Enterprise edition, as far as its port for
// backups goes, and a home with a neo4j-admin that asks it: both are stand-ins,
// since the real ones cannot be fetched.
type Enterprise struct {
	Home    string
	Address string // HOST:PORT for backups

	t  testing.TB
	mu sync.Mutex
	db map[string]*EnterpriseDatabase
}

// EnterpriseDatabase is what the server tells of a database: the fields that the
// stand-in for neo4j-admin knows.
type EnterpriseDatabase struct {
	ID              string
	Highest, Oldest int64
	Content         string
	Fault           string
	Missing         bool
}

// NewEnterprise starts a server with the databases neo4j and system, and makes a
// home of that version.
func NewEnterprise(t testing.TB, version string) *Enterprise {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := &Enterprise{Home: home, t: t, db: map[string]*EnterpriseDatabase{
		"neo4j":  {ID: strings.Repeat("01", 16), Highest: 100, Oldest: 1, Content: strings.Repeat("a store of neo4j ", 4096)},
		"system": {ID: strings.Repeat("02", 16), Highest: 10, Oldest: 1, Content: "a store of system"},
	}}
	for _, dir := range []string{"bin", "conf", "lib"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"VERSION": version, "conf/neo4j.conf": "", "lib/neo4j-enterprise-kernel-" + version + ".jar": ""} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(home, "bin", "neo4j-admin")
	if runtime.GOOS == "windows" {
		Missing(t, "a way to run a program as neo4j-admin.bat")
	}
	cmd := exec.Command("go", "build", "-o", program, "./snapshot/neo4j/testdata/neo4j-admin")
	cmd.Dir = RepoRoot(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in for neo4j-admin: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.Address = l.Addr().String()
	t.Cleanup(func() { _ = l.Close() })
	go e.serve(l)
	return e
}

func (e *Enterprise) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // the test is over
		}
		go func() {
			defer conn.Close()
			name, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil {
				return // who only looked whether somebody listens
			}
			answer, err := json.Marshal(e.Database(strings.TrimSpace(name)))
			if err == nil {
				_, _ = conn.Write(append(answer, '\n'))
			}
		}()
	}
}

// Database is what there is of a database now.
func (e *Enterprise) Database(name string) EnterpriseDatabase {
	e.mu.Lock()
	defer e.mu.Unlock()
	if db, ok := e.db[name]; ok {
		return *db
	}
	return EnterpriseDatabase{Missing: true}
}

// Change changes a database.
func (e *Enterprise) Change(name string, change func(*EnterpriseDatabase)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.db[name] == nil {
		e.db[name] = &EnterpriseDatabase{ID: strings.Repeat("03", 16), Highest: 1, Oldest: 1}
	}
	change(e.db[name])
}

// Commit lets a database have that many more transactions.
func (e *Enterprise) Commit(name string, n int64) {
	e.Change(name, func(db *EnterpriseDatabase) { db.Highest += n })
}
