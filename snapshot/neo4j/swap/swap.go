// Package swap puts new folders in the place of others, so that a death in the
// middle can be told and made good: what is to be done is written down first,
// and doing it again does what is missing. What was there before stays.
package swap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Move puts New at At, and what is at At to Old. All three are on one file
// system, and absolute.
type Move struct {
	New string `json:"new"`
	At  string `json:"at"`
	Old string `json:"old"`
}

type plan struct {
	Version int    `json:"version"`
	Moves   []Move `json:"moves"`
}

const version = 1

// Write writes down, durably, what Finish does.
func Write(path string, moves []Move) error {
	raw, err := json.MarshalIndent(plan{Version: version, Moves: moves}, "", "  ")
	if err != nil {
		return fmt.Errorf("write down what is put in place: %w", err)
	}
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write down what is put in place: %w", err)
	}
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write down what is put in place: %w", err)
	}
	_, err = file.Write(append(raw, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err = errors.Join(err, SyncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("write down what is put in place: %w", err)
	}
	return nil
}

// Finish does what is written down and not done yet, and removes the note.
// Without one there is nothing to do. It reports whether there was one.
func Finish(path string) (found bool, err error) {
	moves, found, err := read(path)
	if !found || err != nil {
		return found, err
	}
	for _, m := range moves {
		if err := m.do(); err != nil {
			return true, fmt.Errorf("put %s in place: %w", m.At, err)
		}
	}
	return true, remove(path)
}

// Undo puts back what Finish has begun and cannot end, and removes the note. It
// fails, and the note stays, where something is in place that nothing was
// before.
func Undo(path string) error {
	moves, found, err := read(path)
	if !found || err != nil {
		return err
	}
	for _, m := range slices.Backward(moves) {
		if err := m.undo(); err != nil {
			return fmt.Errorf("put %s back: %w", m.At, err)
		}
	}
	return remove(path)
}

// read reads a note. found is false where there is none.
func read(path string) (moves []Move, found bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read what is put in place: %w", err)
	}
	if moves, err = parse(raw); err != nil {
		return nil, true, fmt.Errorf("read %s: %w", path, err)
	}
	return moves, true, nil
}

// remove removes a note, durably.
func remove(path string) error { return errors.Join(os.Remove(path), SyncDir(filepath.Dir(path))) }

func parse(raw []byte) ([]Move, error) {
	var p plan
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("it is no note of this kind: %w", err)
	}
	if p.Version != version {
		return nil, errors.New("it is no note of this version")
	}
	for _, m := range p.Moves {
		for _, path := range []string{m.New, m.At, m.Old} {
			if !filepath.IsAbs(path) || filepath.Clean(path) != path {
				return nil, fmt.Errorf("%q is no absolute path", path)
			}
		}
	}
	return p.Moves, nil
}

// do is done once New is gone.
func (m Move) do() error {
	if added, err := there(m.New); err != nil || !added {
		return err
	}
	replaced, err := there(m.At)
	if err != nil {
		return err
	}
	if replaced {
		if err := os.MkdirAll(filepath.Dir(m.Old), 0o700); err != nil {
			return err
		}
		if _, err := os.Lstat(m.Old); err == nil {
			return fmt.Errorf("%w: %s", fs.ErrExist, m.Old)
		}
		if err := os.Rename(m.At, m.Old); err != nil {
			return err
		}
		if err := SyncDir(filepath.Dir(m.Old)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(m.At), 0o755); err != nil {
		return err
	}
	if err := os.Rename(m.New, m.At); err != nil {
		return err
	}
	return errors.Join(SyncDir(filepath.Dir(m.At)), SyncDir(filepath.Dir(m.New)))
}

// undo is done once New is there again, and At is what it was.
func (m Move) undo() error {
	added, err := there(m.New)
	if err != nil {
		return err
	}
	kept, err := there(m.Old)
	if err != nil {
		return err
	}
	switch {
	case !added && !kept: // it is in place, or never was anywhere
		return errors.New("nothing was there before")
	case !added:
		err = os.Rename(m.At, m.New)
	}
	replaced, thereErr := there(m.At)
	if err = errors.Join(err, thereErr); err != nil || replaced || !kept { // it was not moved away
		return err
	}
	err = os.Rename(m.Old, m.At)
	return errors.Join(err, SyncDir(filepath.Dir(m.At)), SyncDir(filepath.Dir(m.New)), SyncDir(filepath.Dir(m.Old)))
}

func there(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
