//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snapferry/snapferry/internal/testenv"
)

// store is a place for vaults, with a way to its objects past snapferry.
type store struct {
	url    func(prefix string) string
	env    []string
	bucket objects
	// endpoint of the server; empty for a folder.
	endpoint string
	locks    bool // it can lock objects
	versions bool // it keeps what is overwritten or deleted
	// setRules puts lifecycle rules into the bucket, past snapferry; nil: it has
	// none.
	setRules func(body string)
}

// objects are what a store holds, by key.
type objects interface {
	Keys(bucket string) []string
	Object(bucket, key string) []byte
	SetObject(bucket, key string, content []byte)
	RemoveObject(bucket, key string)
}

const storeBucket = "bucket"

// stores are all kinds of store there are.
func stores() map[string]func(t *testing.T) store {
	return map[string]func(t *testing.T) store{
		"local": func(t *testing.T) store {
			root := folder{t: t, dir: t.TempDir()}
			return store{url: func(prefix string) string { return filepath.Join(root.dir, storeBucket, prefix) }, bucket: root}
		},
		"s3": func(t *testing.T) store {
			s := testenv.S3(t)
			s.MakeBucketOf(storeBucket, testenv.LockedBucket)
			return store{url: func(prefix string) string { return s.URL(storeBucket, prefix) }, env: s.Env(), bucket: s, endpoint: s.Endpoint, locks: true, versions: true}
		},
		"gcs": func(t *testing.T) store {
			s := testenv.GCS(t)
			s.MakeBucketWith(storeBucket, testenv.GCSOptions{Versioned: true, Retention: true})
			return store{url: func(prefix string) string { return s.URL(storeBucket, prefix) }, env: s.Env(), bucket: s, endpoint: s.Endpoint, locks: true, versions: true,
				setRules: func(body string) { s.SetLifecycle(storeBucket, []byte(body)) }}
		},
		"azure": func(t *testing.T) store {
			s := testenv.Azure(t)
			s.MakeBucket(storeBucket)
			return store{url: func(prefix string) string { return s.URL(storeBucket, prefix) }, env: s.Env(), bucket: s, endpoint: s.Endpoint}
		},
	}
}

// folder is a folder as objects.
type folder struct {
	t   *testing.T
	dir string
}

func (f folder) path(bucket, key string) string {
	return filepath.Join(f.dir, bucket, filepath.FromSlash(key))
}

func (f folder) Keys(bucket string) (keys []string) {
	f.t.Helper()
	root := f.path(bucket, "")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		rel, err := filepath.Rel(root, path)
		keys = append(keys, filepath.ToSlash(rel))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
	return keys
}

func (f folder) Object(bucket, key string) []byte {
	f.t.Helper()
	b, err := os.ReadFile(f.path(bucket, key))
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

func (f folder) SetObject(bucket, key string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path(bucket, key), content, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) RemoveObject(bucket, key string) {
	f.t.Helper()
	if err := os.Remove(f.path(bucket, key)); err != nil {
		f.t.Fatal(err)
	}
}

// TestEverywhere runs the same scripts on every kind of store: $VAULT and
// $SECOND are vaults in it, $ELSEWHERE is one in a folder.
func TestEverywhere(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			p := params("testdata/everywhere", nil)
			setup := p.Setup
			p.Setup = func(e *testscript.Env) error {
				for _, pair := range s.env {
					variable, value, _ := strings.Cut(pair, "=")
					e.Setenv(variable, value)
				}
				script := strings.ToLower(filepath.Base(e.WorkDir))
				e.Setenv("PREFIX", script)
				e.Setenv("VAULT", s.url(script+"/vault"))
				e.Setenv("SECOND", s.url(script+"/second"))
				e.Setenv("ELSEWHERE", filepath.Join(e.WorkDir, "elsewhere"))
				return setup(e)
			}
			p.Condition = func(c string) (bool, error) {
				switch c {
				case "locks":
					return s.locks, nil
				case "versions":
					return s.versions, nil
				case "rules":
					return s.setRules != nil, nil
				}
				return false, fmt.Errorf("unknown condition %q", c)
			}
			p.Cmds["flipobject"] = func(ts *testscript.TestScript, _ bool, args []string) { s.flipObject(ts, args[0]) }
			p.Cmds["objects"] = func(ts *testscript.TestScript, _ bool, args []string) { s.count(ts, args[0], args[1]) }
			p.Cmds["removeobject"] = func(ts *testscript.TestScript, _ bool, args []string) {
				s.bucket.RemoveObject(storeBucket, s.one(ts, args[0]))
			}
			p.Cmds["setrules"] = func(ts *testscript.TestScript, _ bool, args []string) { s.setRules(ts.ReadFile(args[0])) }
			p.Cmds["killed"] = func(ts *testscript.TestScript, _ bool, args []string) { s.killed(t, ts, args) }
			p.Cmds["agekey"] = ageKey
			testscript.Run(t, p)
		})
	}
}

// find returns the keys below the script's prefix that match.
func (s store) find(ts *testscript.TestScript, pattern string) (found []string) {
	match := regexp.MustCompile(pattern)
	for _, key := range s.bucket.Keys(storeBucket) {
		if rest, ok := strings.CutPrefix(key, ts.Getenv("PREFIX")+"/"); ok && match.MatchString(rest) {
			found = append(found, key)
		}
	}
	return found
}

func (s store) one(ts *testscript.TestScript, pattern string) string {
	found := s.find(ts, pattern)
	if len(found) != 1 {
		ts.Fatalf("%q is %q", pattern, found)
	}
	return found[0]
}

// flipobject PATTERN changes the byte in the middle of the only object whose
// key matches, and changes it back when it is called again.
func (s store) flipObject(ts *testscript.TestScript, pattern string) {
	key := s.one(ts, pattern)
	b := slices.Clone(s.bucket.Object(storeBucket, key))
	b[len(b)/2] ^= 1
	s.bucket.SetObject(storeBucket, key, b)
}

// objects N PATTERN fails unless N objects match.
func (s store) count(ts *testscript.TestScript, n, pattern string) {
	if found := s.find(ts, pattern); strconv.Itoa(len(found)) != n {
		ts.Fatalf("%d objects match %s, want %s: %q", len(found), pattern, n, found)
	}
}

// killed N COMMAND… kills a command once N segments are stored.
func (s store) killed(t *testing.T, ts *testscript.TestScript, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := exec.Command(program(t), args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(environ(t, nil), s.env...)
	ts.Check(cmd.Start())
	waitFor(t, "segments", func() bool { return len(s.find(ts, `/data/.*\.zst`)) >= n })
	ts.Check(cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		ts.Fatalf("it had ended before it was killed")
	}
}

// agekey FILE VARIABLE writes a new age identity and sets the variable to its
// recipient.
func ageKey(ts *testscript.TestScript, _ bool, args []string) {
	identity, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(identity.String()+"\n"), 0o600))
	ts.Setenv(args[1], identity.Recipient().String())
}
