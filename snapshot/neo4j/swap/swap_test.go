package swap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// However far a run has come, finishing it puts the new in place and keeps the
// old.
func TestFinish(t *testing.T) {
	for steps := range 5 {
		dir := t.TempDir()
		moves := []Move{
			{filepath.Join(dir, "new", "a"), filepath.Join(dir, "a"), filepath.Join(dir, "old", "a")},
			{filepath.Join(dir, "new", "b"), filepath.Join(dir, "b"), filepath.Join(dir, "old", "b")},
		}
		write := func(path, text string) {
			t.Helper()
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(path, "file"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range moves {
			write(m.New, "new")
			write(m.At, "old")
		}
		note := filepath.Join(dir, "note")
		if err := Write(note, moves); err != nil {
			t.Fatal(err)
		}
		// What a run that died had done.
		if err := os.MkdirAll(filepath.Join(dir, "old"), 0o755); err != nil {
			t.Fatal(err)
		}
		done := [][2]string{{moves[0].At, moves[0].Old}, {moves[0].New, moves[0].At}, {moves[1].At, moves[1].Old}, {moves[1].New, moves[1].At}}
		for _, step := range done[:steps] {
			if err := os.Rename(step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := Finish(note); err != nil || !found {
			t.Fatalf("after %d steps: %t, %v", steps, found, err)
		}
		for _, m := range moves {
			for path, want := range map[string]string{m.At: "new", m.Old: "old"} {
				if got, err := os.ReadFile(filepath.Join(path, "file")); err != nil || string(got) != want {
					t.Errorf("after %d steps: %s has %q, %v", steps, path, got, err)
				}
			}
		}
		if found, err := Finish(note); err != nil || found {
			t.Errorf("again: %t, %v", found, err)
		}
	}
}

// What cannot be finished is put back, however far it has come.
func TestUndo(t *testing.T) {
	for steps := range 4 {
		dir := t.TempDir()
		moves := []Move{
			{filepath.Join(dir, "new", "a"), filepath.Join(dir, "a"), filepath.Join(dir, "old", "a")},
			{filepath.Join(dir, "new", "b"), filepath.Join(dir, "b"), filepath.Join(dir, "old", "b")},
		}
		for _, m := range moves {
			for path, text := range map[string]string{m.New: "new", m.At: "old"} {
				if err := errors.Join(os.MkdirAll(path, 0o755), os.WriteFile(filepath.Join(path, text), nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
		}
		note := filepath.Join(dir, "note")
		if err := errors.Join(Write(note, moves), os.MkdirAll(filepath.Join(dir, "old"), 0o755)); err != nil {
			t.Fatal(err)
		}
		done := [][2]string{{moves[0].At, moves[0].Old}, {moves[0].New, moves[0].At}, {moves[1].At, moves[1].Old}, {moves[1].New, moves[1].At}}
		for _, step := range done[:steps] {
			if err := os.Rename(step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
		if steps == 2 { // what keeps it from being finished: a folder that is there already
			if err := os.Mkdir(moves[1].Old, 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := Finish(note); err == nil {
				t.Error("the older one was replaced")
			}
		}
		if err := Undo(note); err != nil {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		for _, m := range moves {
			for _, path := range []string{filepath.Join(m.At, "old"), filepath.Join(m.New, "new")} {
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("after %d steps: %v", steps, err)
				}
			}
		}
		if found, err := Finish(note); err != nil || found {
			t.Errorf("the note is left: %t, %v", found, err)
		}
	}
	// What nothing was before is not taken away: nobody knows that it is ours.
	dir := t.TempDir()
	m := Move{filepath.Join(dir, "new"), filepath.Join(dir, "at"), filepath.Join(dir, "old")}
	note := filepath.Join(dir, "note")
	if err := errors.Join(os.Mkdir(m.At, 0o755), Write(note, []Move{m})); err != nil {
		t.Fatal(err)
	}
	if err := Undo(note); err == nil {
		t.Error("it was taken away")
	}
	if _, err := os.Lstat(m.At); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	note := filepath.Join(dir, "note")
	for _, text := range []string{"", "{}", `{"version": 1, "moves": [{"new": "a", "at": "/b", "old": "/c"}]}`, `{"version": 1, "moves": [{"new": "/a/../b", "at": "/b", "old": "/c"}]}`} {
		if err := os.WriteFile(note, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Finish(note); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	// Nothing is put where an older one is kept.
	m := Move{filepath.Join(dir, "new"), filepath.Join(dir, "at"), filepath.Join(dir, "old")}
	for _, path := range []string{m.New, m.At, m.Old} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.do(); err == nil {
		t.Error("the old one was replaced")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version": 1, "moves": [{"new": "/a", "at": "/b", "old": "/c"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		moves, err := parse(raw)
		for _, m := range moves {
			if err == nil && !filepath.IsAbs(m.At) {
				t.Errorf("%q was taken: %+v", raw, m)
			}
		}
	})
}
