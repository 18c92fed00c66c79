package config_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/config"
)

// helper makes the test binary the command of a secret.
const helper = "SNAPFERRY_SECRET_HELPER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(helper); mode != "" {
		os.Exit(runHelper(mode))
	}
	os.Exit(m.Run())
}

func runHelper(mode string) int {
	switch mode {
	case "print":
		fmt.Println(strings.Join(os.Args[1:], "|"))
	case "fail":
		fmt.Println("hunter2-planted")
		fmt.Fprintln(os.Stderr, "cannot unlock\x1b[31m with hunter2-planted\nnor AGE-SECRET-KEY-1PLANTED, password=planted-too, the "+os.Getenv("PLANTED_TOKEN")+" of the environment")
		return 3
	case "chatty":
		fmt.Fprint(os.Stderr, "half-a-planted-secret", strings.Repeat("\nfar away", 5000), "\nthe end")
		return 1
	case "flood":
		os.Stdout.Write(bytes.Repeat([]byte("x"), config.MaxSecret+1))
	case "again":
		// The command asks for the very secret it is to print.
		secret, err := config.CommandSecret(os.Args[0])
		if err == nil {
			_, err = secret.Fetch(context.Background())
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	case "deeper":
		// Each time it is another command.
		secret, err := config.CommandSecret(append(os.Args, "x")...)
		if err == nil {
			_, err = secret.Fetch(context.Background())
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	case "hang":
		os.WriteFile(os.Args[1], []byte("started"), 0o600)
		select {}
	}
	return 0
}

func self(t *testing.T, mode string, args ...string) config.Secret {
	t.Helper()
	t.Setenv(helper, mode)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.CommandSecret(append([]string{exe}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSecret(t *testing.T) {
	for _, c := range []struct{ in, shown, problem string }{
		{"env:KEY_1", "env:KEY_1", ""},
		{"file:/etc/a b", "file:/etc/a b", ""},
		{"command:pass show 'a b'", "command:pass …", ""},
		{"command:/usr/bin/pass", "command:pass", ""},
		{"planted", "", "neither env: nor file: nor command: is at its beginning"},
		{"", "", "neither env: nor file: nor command: is at its beginning"},
		{"env:", "", "what follows env: is not the name of a variable"},
		{"env:1A", "", "what follows env: is not the name of a variable"},
		{"env:pass planted", "", "what follows env: is not the name of a variable"},
		{"env:AGE-SECRET-KEY-1PLANTED", "", "it is the secret itself, not the name of a variable"},
		{"file:", "", "the path of the file is empty"},
		{"file:AGE-SECRET-KEY-1PLANTED", "", "it is the secret itself, not the path of a file"},
		{"file:a\nplanted", "", "it is the secret itself, not the path of a file"},
		{"command:", "", "the command is empty"},
		{"command: ''", "", "the command is empty"},
		{"command:a 'planted", "", "a quotation mark of the command is not closed"},
		{`command:a planted\`, "", "a quotation mark of the command is not closed"},
		{"command:a | planted", "", "the command has a character that only a shell understands"},
		{`command:a "$planted"`, "", "the command has a character that only a shell understands"},
		{"command:echo AGE-SECRET-KEY-1PLANTED", "", "the command holds a secret itself"},
		{"command:curl https://me:planted@host/", "", "the command holds a secret itself"},
		{"command:a \x00", "", "the command holds a zero byte"},
	} {
		s, err := config.ParseSecret(c.in)
		if c.problem == "" {
			if err != nil || s.String() != c.shown || s.IsZero() {
				t.Errorf("%q gives %v, %v; want %s", c.in, s, err, c.shown)
			}
			continue
		}
		want := "parse secret: invalid configuration: " + c.problem
		if err == nil || err.Error() != want || !errors.Is(err, config.ErrInvalid) || !s.IsZero() {
			t.Errorf("%q gives %v, %v; want %s", c.in, s, err, want)
			continue
		}
		if e, ok := errors.AsType[*config.Error](err); !ok || e.UserHint() == "" || strings.Contains(strings.ToLower(e.Error()+e.Hint), "planted") {
			t.Errorf("%q gives %v, hint %q", c.in, err, e.UserHint())
		}
	}
}

func TestParseSecretOrPath(t *testing.T) {
	for in, want := range map[string]string{"key.txt": "file:key.txt", "env:A": "env:A", "environment": "file:environment", "command:x y": "command:x …"} {
		if s, err := config.ParseSecretOrPath(in); err != nil || s.String() != want {
			t.Errorf("%q gives %v, %v", in, s, err)
		}
	}
	for _, in := range []string{"", "AGE-SECRET-KEY-1PLANTED", "-----BEGIN OPENSSH PRIVATE KEY-----\nPLANTED", "env:"} {
		if s, err := config.ParseSecretOrPath(in); err == nil || strings.Contains(err.Error(), "PLANTED") {
			t.Errorf("%q gives %v, %v", in, s, err)
		}
	}
}

// Words are those that sh makes of the same line.
func TestCommandWords(t *testing.T) {
	for in, want := range map[string]string{
		`a  b	c`:             "a|b|c",
		`'a b' "c 'd'" e\ f`: "a b|c 'd'|e f",
		`"\"\\\$\a" '\' ""`:  `"\$\a|\|`,
		`a'b'"c"d`:           "abcd",
		`'$x|y' é`:           "$x|y|é",
	} {
		t.Setenv(helper, "print")
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		s, err := config.ParseSecret("command:'" + exe + "' " + in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, err := s.Fetch(t.Context()); string(got) != want || err != nil {
			t.Errorf("%s gives %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestFetch(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	t.Setenv("SECRET", "planted")
	t.Setenv("NOTHING", "\n")
	for name, content := range map[string]string{"key": "planted\r\n", "two": "planted\n\n", "empty": "", "long": strings.Repeat("x", config.MaxSecret+1)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ in, want, problem string }{
		{"env:SECRET", "planted", ""},
		{"env:SECRE", "", "fetch secret env:SECRE: invalid configuration: the variable is not set"},
		{"env:NOTHING", "", "fetch secret env:NOTHING: invalid configuration: it is empty"},
		{"file:key", "planted", ""},
		{"file:~/key", "planted", ""},
		{"file:two", "planted\n", ""},
		{"file:empty", "", "fetch secret file:empty: invalid configuration: it is empty"},
		{"file:long", "", "fetch secret file:long: it has more than 64 KiB"},
		{"file:none", "", "fetch secret file:none: no such file or directory"},
		{"file:.", "", "fetch secret file:.: is a directory"},
		{"command:snapferry-no-such-program x", "", "fetch secret command:snapferry-no-such-program …: there is no such program"},
		{"command:./key", "", "fetch secret command:key: the program cannot be run by this user"},
	} {
		s, err := config.ParseSecret(c.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Fetch(t.Context())
		if string(got) != c.want || fmt.Sprint(err) != c.problem && c.problem != "" || c.problem == "" && err != nil {
			t.Errorf("%s gives %q, %v; want %q, %s", c.in, got, err, c.want, c.problem)
		}
		checkHint(t, err)
	}
	if got, err := (config.Secret{}).Fetch(t.Context()); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("no secret gives %q, %v", got, err)
	}
}

func checkHint(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Errorf("%v is no *Error", err)
	} else if strings.Contains(strings.ToLower(e.Error()+e.Hint), "planted") {
		t.Errorf("%v, hint %q", err, e.Hint)
	}
}

func TestCommandSecret(t *testing.T) {
	t.Setenv("PLANTED_TOKEN", "planted-there")
	got, err := self(t, "print", "a b", "c").Fetch(t.Context())
	if string(got) != "a b|c" || err != nil {
		t.Errorf("printed %q, %v", got, err)
	}
	for _, c := range []struct{ mode, want string }{
		{"fail", ": exit status 3: it says: cannot unlock.[31m with xxx; nor xxx, xxx the xxx of the environment"},
		{"chatty", "far away; the end"},
		{"flood", ": it has more than 64 KiB"},
		{"again", "invalid configuration: the secret needs itself"},
		{"deeper", "invalid configuration: the secret needs itself"},
	} {
		got, err := self(t, c.mode).Fetch(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), c.want) || got != nil {
			t.Errorf("%s gives %q, %v", c.mode, got, err)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s gives %d bytes of error", c.mode, len(err.Error()))
		}
		checkHint(t, err)
	}
}

// A command that hangs is ended with the context.
func TestCommandEnds(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	s := self(t, "hang", started)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for {
			if _, err := os.Stat(started); err == nil {
				cancel(errors.New("enough"))
				return
			}
			time.Sleep(time.Millisecond) // until it is there
		}
	}()
	got, err := s.Fetch(ctx)
	if err == nil || !strings.HasSuffix(err.Error(), ": enough") || got != nil {
		t.Errorf("ended with %q, %v", got, err)
	}
}

// However a secret is printed, its origin is all there is.
func TestSecretIsNotShown(t *testing.T) {
	s, err := config.CommandSecret("/opt/pass", "show", "planted")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "s", s, "list", []config.Secret{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "s", s)
	text, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text) + fmt.Sprintf("%v %+v %#v %s %q %#v", s, s, s, s, s, struct{ S config.Secret }{s})
	if strings.Contains(all, "planted") || strings.Count(all, "command:pass …") != 11 {
		t.Errorf("%s\n%d", all, strings.Count(all, "command:pass …"))
	}
}
