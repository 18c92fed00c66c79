package neo4j

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// history is what is remembered of earlier runs of a source. Nothing but advice
// hangs on it: without it a database is checked too often, and the time that a
// dump takes is not known.
type history struct {
	Version int           `json:"version"`
	Took    time.Duration `json:"took_ns"`     // the last dump of all databases that belong together
	Bytes   int64         `json:"store_bytes"` // of their stores then
	Checked time.Time     `json:"checked"`     // when the consistency was checked last, and was good
}

const historyVersion = 1

// weekly is how long a check of the consistency counts: a little less than a
// week, so that a run of each week does not come too early.
const weekly = 7*24*time.Hour - time.Hour

// historyPath is the file of this source; empty: nothing is remembered.
func (s *source) historyPath() string {
	if s.options.State == "" {
		return ""
	}
	id := s.identity()
	sum := sha256.Sum256([]byte(id.Host + "\x00" + id.Path + "\x00" + id.ID + "\x00" + string(s.via)))
	return filepath.Join(s.options.State, "neo4j-"+hex.EncodeToString(sum[:12])+".json")
}

// remembered is the history of the source; what cannot be read is none.
func (s *source) remembered() history {
	path := s.historyPath()
	if path == "" {
		return history{}
	}
	raw, err := os.ReadFile(path)
	if err == nil {
		h, err := parseHistory(raw)
		if err == nil {
			return h
		}
		s.options.Log.Warn("what is remembered of earlier backups cannot be read", "file", path, "error", err)
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.options.Log.Warn("what is remembered of earlier backups cannot be read", "file", path, "error", err)
	}
	return history{}
}

func parseHistory(raw []byte) (history, error) {
	var h history
	if err := json.Unmarshal(raw, &h); err != nil {
		return history{}, fmt.Errorf("it is no history: %w", err)
	}
	if h.Version != historyVersion || h.Took < 0 || h.Bytes < 0 {
		return history{}, errors.New("it is no history of this version")
	}
	return h, nil
}

// remember changes the history of the source.
func (s *source) remember(change func(*history)) {
	path := s.historyPath()
	if path == "" {
		return
	}
	h := s.remembered()
	h.Version = historyVersion
	change(&h)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = writeNote(path, h)
	}
	if err != nil {
		s.options.Log.Warn("nothing is remembered of this backup", "error", err)
	}
}

// expected is how long a dump of so many bytes takes, by the last one; 0: that is
// not known.
func (h history) expected(bytes int64) time.Duration {
	if h.Bytes <= 0 || h.Took <= 0 {
		return 0
	}
	const most = 365 * 24 * time.Hour // and no number that wraps around
	return time.Duration(min(float64(h.Took)*float64(bytes)/float64(h.Bytes), float64(most)))
}

// checkTime tells how long the dumps will take, by the last time, and refuses to
// stop a server for longer than it may be down, where that is sure.
func (s *source) checkTime(log *slog.Logger, bytes int64) error {
	expected := s.remembered().expected(bytes)
	if expected == 0 {
		log.Info("how long the dump takes is not known before the first one")
		return nil
	}
	log.Info("time for the dump, by the last one", "expected", expected.Round(time.Second))
	const sure = 1.5
	switch limit := s.maxDowntime; {
	case limit == 0 || expected <= limit:
	case float64(expected) > sure*float64(limit):
		return fmt.Errorf("%w: it takes about %s by the last time, and %s are allowed: nothing was stopped", ErrDowntime, expected.Round(time.Second), limit)
	default:
		log.Warn("the dump may take longer than the server may be down", "expected", expected.Round(time.Second), "max_downtime", limit)
	}
	return nil
}

// checkDue reports whether the consistency of a clone is to be checked now.
func (s *source) checkDue() bool {
	if !s.check || !s.checkWeekly {
		return s.check
	}
	last := s.remembered().Checked
	since := s.now().Sub(last)
	return last.IsZero() || since >= weekly || since < 0 // by a clock that was wrong
}
