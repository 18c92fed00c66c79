package local_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/local"
)

// childEnv makes the test binary put one object and say what happened: a
// second process, sometimes in a place of its own.
const childEnv = "SNAPFERRY_TEST_PUT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child puts os.Args[1] with os.Args[2] repeated up to one MiB when its
// standard input ends.
func child(dir string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := prepareChild(dir); err != nil {
		fmt.Print("cannot prepare: ", err)
		return
	}
	b, err := local.New(dir, providers.Options{})
	if err == nil {
		err = b.Put(childContext(), os.Args[1], providers.Bytes(bytes.Repeat([]byte(os.Args[2]), 1<<20)))
	}
	switch {
	case err == nil:
		fmt.Print("created")
	case errors.Is(err, providers.ErrExists):
		fmt.Print("exists")
	case errors.Is(err, providers.ErrNoSpace):
		fmt.Print("no space: ", err, "; hint: ", hint(err))
	case errors.Is(err, providers.ErrDenied):
		fmt.Print("denied: ", err, "; hint: ", hint(err))
	default:
		fmt.Print("error: ", err)
	}
	if err := inspectChild(dir); err != nil {
		fmt.Print("; leftover: ", err)
	}
}

func hint(err error) string {
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e.Hint
	}
	return ""
}

func childCommand(t *testing.T, dir, key, letter string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, key, letter)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	return cmd
}

// TestProcesses lets processes create one key at once: one wins.
func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	const n = 6
	var inputs []io.Closer
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	for i := range n {
		cmd := childCommand(t, dir, "deep/er/key", string(rune('a'+i)))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out := new(bytes.Buffer)
		cmd.Stdout = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		inputs, cmds, outs = append(inputs, in), append(cmds, cmd), append(outs, out)
	}
	for _, in := range inputs {
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	winner := ""
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		switch got := outs[i].String(); {
		case got == "created" && winner == "":
			winner = string(rune('a' + i))
		case got != "exists":
			t.Errorf("process %d: %s (winner so far: %q)", i, got, winner)
		}
	}
	got, err := os.ReadFile(dir + "/deep/er/key")
	if err != nil || winner == "" || !bytes.Equal(got, bytes.Repeat([]byte(winner), 1<<20)) {
		t.Errorf("winner %q; the object has %d bytes, %v", winner, len(got), err)
	}
}

func TestRootIsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, file + "/below", file + "/below/that"} {
		_, err := local.New(root, providers.Options{})
		if !errors.Is(err, providers.ErrInvalidURL) || hint(err) == "" || !strings.Contains(err.Error(), root) {
			t.Errorf("open %s: %v, hint %q", root, err, hint(err))
		}
	}
	late := filepath.Join(dir, "late")
	b := open(t, late)
	if err := os.WriteFile(late, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "a", providers.Bytes(nil)); !errors.Is(err, providers.ErrInvalidURL) {
		t.Errorf("put into a root that became a file: %v", err)
	}
}

func TestRootIsCreatedLate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x", "y")
	b := open(t, dir)
	for _, err := range b.List(t.Context(), "") {
		t.Errorf("list of a missing root: %v", err)
	}
	if _, err := b.Get(t.Context(), "a", 0, -1); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("get in a missing root: %v", err)
	}
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Errorf("delete in a missing root: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Fatalf("reading created the root: %v", err)
	}
	if err := b.Put(t.Context(), "a", providers.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	// The vault may be removed below a long-running process.
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "a/b", providers.Bytes(nil)); err != nil {
		t.Errorf("put after the root was removed: %v", err)
	}
	if _, err := os.Stat(dir + "/a/b"); err != nil {
		t.Error(err)
	}
}

func TestOpenURL(t *testing.T) {
	dir := t.TempDir()
	for _, raw := range []string{"file://" + dir, dir} {
		b, prefix, err := (providers.Registry{"file": local.Open}).Open(t.Context(), raw, providers.Options{})
		if err != nil || prefix != "" {
			t.Fatalf("open %s: prefix %q, %v", raw, prefix, err)
		}
		if err := b.Put(t.Context(), "k"+fmt.Sprint(len(raw)), providers.Bytes(nil)); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, raw := range []string{"file://host/dir", "file:///dir?create_dir=true", "file://"} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := local.Open(t.Context(), u, providers.Options{}); !errors.Is(err, providers.ErrInvalidURL) || hint(err) == "" {
			t.Errorf("open %s: %v, hint %q", raw, err, hint(err))
		}
	}
}

// TestForeignEntries: what is no object is not listed, read or removed, and
// no link leads out of the root.
func TestForeignEntries(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows") //nolint:forbidigo // not for want of a tool
	}
	outside := t.TempDir()
	if err := os.WriteFile(outside+"/secret", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := open(t, dir)
	if err := b.Put(t.Context(), "a/real", providers.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(
		os.Symlink(outside, dir+"/a/out"), os.Symlink(outside+"/secret", dir+"/a/file"), os.Symlink("real", dir+"/a/inside"),
		os.WriteFile(dir+"/a/.hidden", nil, 0o600), os.WriteFile(dir+"/a/with space", nil, 0o600),
		os.Mkdir(dir+"/.tmp", 0o700), os.WriteFile(dir+"/.tmp/x", nil, 0o600), os.Mkdir(dir+"/empty", 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "a", "a/", "a/out/", "empty/"} {
		var got []string
		for o, err := range b.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o.Key)
		}
		if strings.HasPrefix("a/real", prefix) != slices.Equal(got, []string{"a/real"}) || len(got) > 1 {
			t.Errorf("prefix %q lists %q", prefix, got)
		}
	}
	for _, key := range []string{"a/out/secret", "a/file", "a/inside", "a/out"} {
		if _, err := b.Get(t.Context(), key, 0, -1); err == nil {
			t.Errorf("get %s was no error", key)
		}
	}
	err = b.Put(t.Context(), "a/out/new", providers.Bytes(nil))
	if !errors.Is(err, providers.ErrDenied) || hint(err) == "" {
		t.Errorf("put through a link that leads out: %v, hint %q", err, hint(err))
	}
	if err := b.Delete(t.Context(), "empty"); err != nil {
		t.Error(err)
	}
	if err := b.Delete(t.Context(), "a/inside"); err != nil {
		t.Error(err)
	}
	for _, p := range []string{dir + "/empty", dir + "/a/inside", outside + "/secret"} {
		if _, err := os.Lstat(p); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(outside + "/new"); !os.IsNotExist(err) {
		t.Error("wrote out of the root")
	}
}

func TestShrinkingObject(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	if err := b.Put(t.Context(), "a", providers.Bytes(make([]byte, 10000))); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }() // opened for reading
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dir+"/a", 5000); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if n != 4900 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	tmp := filepath.Join(dir, ".tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ages := map[string]time.Duration{"old.part": 25 * time.Hour, "young.part": 23 * time.Hour, "old.other": 999 * time.Hour}
	for name, age := range ages {
		p := filepath.Join(tmp, name)
		if err := errors.Join(os.WriteFile(p, nil, 0o600), os.Chtimes(p, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(t, dir).Put(t.Context(), "a", providers.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if !slices.Equal(left, []string{"old.other", "young.part"}) {
		t.Errorf("left %q", left)
	}
}

func TestLongName(t *testing.T) {
	err := open(t, t.TempDir()).Put(t.Context(), strings.Repeat("a", 300), providers.Bytes(nil))
	if !errors.Is(err, providers.ErrUnsupported) || hint(err) == "" {
		t.Errorf("%v, hint %q", err, hint(err))
	}
}

func BenchmarkPut(b *testing.B) {
	bucket, err := local.New(b.TempDir(), providers.Options{})
	if err != nil {
		b.Fatal(err)
	}
	content := make([]byte, 33<<20)
	body := fixedBody{content, sha256.Sum256(content)}
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key := fmt.Sprint(i)
		if err := bucket.Put(b.Context(), key, body); err != nil {
			b.Fatal(err)
		}
		if err := bucket.Delete(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}

type fixedBody struct {
	content []byte
	sum     [sha256.Size]byte
}

func (f fixedBody) Size() int64               { return int64(len(f.content)) }
func (f fixedBody) SHA256() [sha256.Size]byte { return f.sum }
func (f fixedBody) Open() io.ReadSeekCloser {
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(f.content), io.NopCloser(nil)}
}
