package guard

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/manager"
	"github.com/snapferry/snapferry/snapshot/neo4j/swap"
)

func spec(t *testing.T) Spec {
	return Spec{Manager: manager.Manager{Kind: manager.Systemd, Name: "neo4j.service"}, Version: install.Version{Major: 5, Minor: 26, Text: "5.26.31"},
		Data: "/data", Databases: map[string]install.Store{"neo4j": {Data: "/data/databases/neo4j"}}, StopTimeout: time.Minute, StartTimeout: time.Hour,
		Bolt: bolt.Address{At: "127.0.0.1:7687", User: "neo4j", Password: "needle"}, Marker: filepath.Join(t.TempDir(), "marker.json")}
}

// A marker says everything but the password.
func TestMarker(t *testing.T) {
	s := spec(t)
	if err := s.mark(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.Marker)
	if err != nil || strings.Contains(string(raw), "needle") {
		t.Errorf("%s, %v", raw, err)
	}
	back, err := parseMarker(raw)
	if err != nil || back.Manager != s.Manager || back.Databases["neo4j"] != s.Databases["neo4j"] || back.Bolt.At != s.Bolt.At || back.StartTimeout != s.StartTimeout {
		t.Errorf("%+v, %v", back, err)
	}
	if s.Bolt.Password != "needle" {
		t.Error("the password is lost to the run")
	}
	if recovered, err := Recover(t.Context(), filepath.Join(t.TempDir(), "none"), bolt.Address{}, testenv.Log(t)); recovered || err != nil {
		t.Errorf("%t, %v", recovered, err)
	}
	if err := os.WriteFile(s.Marker, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), s.Marker, bolt.Address{}, testenv.Log(t)); err == nil {
		t.Error("a damaged marker was taken")
	}
}

// A guardian whose run said that all is done, or that nothing was stopped, does
// nothing.
func TestStandDown(t *testing.T) {
	for _, words := range []string{"done\n", "", "group 4\nnonsense\ngroup x\n"} {
		s := spec(t)
		if err := s.mark(); err != nil {
			t.Fatal(err)
		}
		order := `{"spec": {"data": "/no/such", "stop_timeout": 1, "start_timeout": 1}, "marker": "` + s.Marker + `"}` + "\n"
		var out strings.Builder
		if err := Stand(t.Context(), strings.NewReader(order+words), &out); err != nil || out.String() != "ready\n" {
			t.Errorf("%q: %q, %v", words, out.String(), err)
		}
	}
	for _, order := range []string{"", "no order\n", "{"} {
		if err := Stand(t.Context(), strings.NewReader(order), &strings.Builder{}); err == nil {
			t.Errorf("%q was taken", order)
		}
	}
}

// A guardian that says nothing keeps nobody waiting for ever.
func TestSilentGuardian(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s := spec(t)
	if _, err := Begin(ctx, s, []string{"sleep", "600"}, nil, testenv.Log(t)); err == nil {
		t.Error("a program that does not answer was taken for a guardian")
	}
	if _, err := os.Stat(s.Marker); !os.IsNotExist(err) {
		t.Errorf("a marker is left: %v", err)
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add([]byte(`{"version": 1, "spec": {"data": "/data", "stop_timeout": 1, "start_timeout": 1}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := parseMarker(raw); err == nil && (s.Data == "" || s.StartTimeout <= 0) {
			t.Errorf("%q was taken: %+v", raw, s)
		}
	})
}

// A server whose new database cannot be put in place serves the one before.
func TestSwapPutBack(t *testing.T) {
	dir := t.TempDir()
	move := func(name string) swap.Move {
		return swap.Move{New: filepath.Join(dir, "new", name), At: filepath.Join(dir, name), Old: filepath.Join(dir, "old", name)}
	}
	moves := []swap.Move{move("databases"), move("transactions")}
	for _, path := range []string{moves[0].New, moves[0].At, moves[1].New, moves[1].At, moves[1].Old} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(moves[0].At, "before"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := Spec{Swap: filepath.Join(dir, "swap.json")}
	if err := swap.Write(s.Swap, moves); err != nil {
		t.Fatal(err)
	}
	if err := s.finishSwap(testenv.Log(t)); err != nil {
		t.Error(err)
	}
	for _, path := range []string{filepath.Join(moves[0].At, "before"), moves[1].At, moves[0].New, moves[1].New} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(s.Swap); err == nil {
		t.Error("the note is left")
	}
}
