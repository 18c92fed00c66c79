//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// EnterpriseServer is a stand-in for a server of the Enterprise edition on the
// stores of a home: it holds the locks of its databases, as the real one does, so
// that a real neo4j-admin sees it, and stops and starts them when it is asked. It
// has to be another process than who looks at the locks.
type EnterpriseServer struct {
	Data     string // folder of the stores
	Password string
	Out      io.Writer // is told of every command

	mu    sync.Mutex
	locks map[string]*os.File
	store *os.File
}

// Serve takes the locks and answers until the listener is closed.
func (s *EnterpriseServer) Serve(l net.Listener, databases ...string) error {
	var err error
	if s.store, err = takeLock(filepath.Join(s.Data, "databases", "store_lock")); err != nil {
		return err
	}
	s.locks = map[string]*os.File{}
	for _, name := range databases {
		if s.locks[name], err = takeLock(s.lockOf(name)); err != nil {
			return err
		}
	}
	bolt := &BoltServer{Password: s.Password, Answer: s.answer}
	return bolt.Serve(l)
}

func (s *EnterpriseServer) lockOf(name string) string {
	return filepath.Join(s.Data, "databases", name, "database_lock")
}

// takeLock takes a lock as Java does.
func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file, nil
}

func (s *EnterpriseServer) answer(database, cypher string, params map[string]any) (fields []string, rows [][]any, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprint(params["name"])
	verb, rest, _ := strings.Cut(cypher, " ")
	if verb == "STOP" || verb == "START" {
		if database != "system" || !strings.HasPrefix(rest, "DATABASE $name WAIT ") {
			return nil, nil, &BoltError{"Neo.ClientError.Statement.SyntaxError", "Invalid input " + cypher}
		}
		if _, known := s.locks[name]; !known || name == "system" {
			return nil, nil, &BoltError{"Neo.ClientError.Database.DatabaseNotFound", "Unable to " + strings.ToLower(verb) + " database: Database '" + name + "' does not exist."}
		}
		if err := s.change(verb, name); err != nil {
			return nil, nil, &BoltError{"Neo.DatabaseError.General.UnknownError", err.Error()}
		}
		fmt.Fprintln(s.Out, verb, name)
		return []string{"address", "state", "message", "success"}, [][]any{{"localhost:7687", "CaughtUp", "caught up", true}}, nil
	}
	if lock, known := s.locks[database]; database != "system" && (!known || lock == nil) {
		return nil, nil, &BoltError{"Neo.TransientError.Database.DatabaseUnavailable", "Database '" + database + "' is unavailable."}
	}
	if cypher == "RETURN 1" {
		return []string{"1"}, [][]any{{int64(1)}}, nil
	}
	if strings.HasPrefix(cypher, "SHOW DATABASES") {
		return []string{"name"}, [][]any{{"neo4j"}}, nil
	}
	return nil, nil, &BoltError{"Neo.ClientError.Statement.SyntaxError", "this stand-in does not know: " + cypher}
}

// change stops or starts a database; what is so already, stays so.
func (s *EnterpriseServer) change(verb, name string) (err error) {
	lock := s.locks[name]
	switch {
	case verb == "STOP" && lock != nil:
		err, s.locks[name] = lock.Close(), nil
	case verb == "START" && lock == nil:
		s.locks[name], err = takeLock(s.lockOf(name))
	}
	return err
}
