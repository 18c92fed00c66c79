package neo4j

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	lockName      = "snapferry.lock"
	markerName    = "snapferry.json"
	markerVersion = 1
)

// marker says of a dump file that it was verified, and of what it was made. It
// is written last and whole, so that a dump without one is a left-over.
type marker struct {
	Version  int    `json:"version"`
	Size     int64  `json:"size"`        // bytes of the dump file
	Modified int64  `json:"modified_ns"` // its modification time, Unix nanoseconds
	SHA256   string `json:"sha256"`      // of its content
	Files    int64  `json:"store_files"` // regular files in it
	Bytes    int64  `json:"store_bytes"` // sum of their sizes
	State    string `json:"store_state"` // of the store that was dumped; empty if not known
}

func (m *marker) describes(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == m.Size && info.ModTime().UnixNano() == m.Modified
}

func (s *scratch) marker() string { return filepath.Join(s.dir, markerName) }

// mark writes the marker, durably and all at once.
func (s *scratch) mark(m *marker) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("mark dump: %w", err)
	}
	temporary := s.marker() + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mark dump: %w", err)
	}
	_, err = file.Write(append(raw, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("mark dump: %w", err)
	}
	if err := os.Rename(temporary, s.marker()); err != nil {
		return fmt.Errorf("mark dump: %w", err)
	}
	return nil
}

// resume returns the marker of a finished dump of this very state of the
// store, or nil if there is none.
func (s *scratch) resume(state string) *marker {
	if state == "" {
		return nil
	}
	raw, err := os.ReadFile(s.marker())
	if err != nil {
		return nil
	}
	m, err := parseMarker(raw)
	if err != nil || m.State != state {
		return nil
	}
	info, err := os.Lstat(s.dump)
	if err != nil || !m.describes(info) {
		return nil
	}
	return m
}

func parseMarker(raw []byte) (*marker, error) {
	var m marker
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("parse marker: %w", err)
	}
	if m.Version != markerVersion || m.Size <= 0 || len(m.SHA256) != 64 {
		return nil, errors.New("parse marker: it is not one of this version")
	}
	return &m, nil
}
