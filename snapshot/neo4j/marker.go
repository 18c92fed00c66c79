package neo4j

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	lockName      = "snapferry.lock"
	markerName    = "snapferry.json"
	markerVersion = 2
)

// marker says of a dump file that it was verified, and of what it was made. It
// is written last and whole, so that a dump without one is a left-over.
type marker struct {
	fileMark
	Version int    `json:"version"`
	Files   int64  `json:"store_files"` // regular files in it
	Bytes   int64  `json:"store_bytes"` // sum of their sizes
	State   string `json:"store_state"` // of the store that was dumped; empty if not known
	// Stopped: a server was stopped for it, and has changed the store since.
	Stopped bool              `json:"stopped,omitempty"`
	Facts   map[string]string `json:"facts"`
}

// freshFor is how long a dump for which a server was stopped, and which was not
// shipped, is shipped instead of stopping the server again.
const freshFor = 12 * time.Hour

// fileMark tells a file from what it may become.
type fileMark struct {
	Size     int64  `json:"size"`        // bytes
	Modified int64  `json:"modified_ns"` // its modification time, Unix nanoseconds
	SHA256   string `json:"sha256"`      // of its content
}

func markOf(info fs.FileInfo, sum string) fileMark {
	return fileMark{Size: info.Size(), Modified: info.ModTime().UnixNano(), SHA256: sum}
}

func (m *fileMark) describes(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == m.Size && info.ModTime().UnixNano() == m.Modified
}

func (s *scratch) marker() string { return filepath.Join(s.dir, markerName) }

// mark writes the marker.
func (s *scratch) mark(m *marker) error { return writeNote(s.marker(), m) }

// writeNote writes a note, durably and all at once.
func writeNote(path string, note any) error {
	raw, err := json.MarshalIndent(note, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = file.Write(append(raw, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// resume returns the marker of a finished dump of this very state of the
// store, or of one for which a server was stopped a short time before now, or
// nil if there is none.
func (s *scratch) resume(state string, now time.Time) *marker {
	raw, err := os.ReadFile(s.marker())
	if err != nil {
		return nil
	}
	m, err := parseMarker(raw)
	if err != nil {
		return nil
	}
	taken := time.Unix(0, m.Modified)
	fresh := m.Stopped && !taken.After(now) && now.Sub(taken) < freshFor
	if !fresh && (state == "" || m.State != state) {
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
