package neo4j

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// remembering is a source that remembers.
func remembering(t *testing.T) (s *source, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	s = &source{admin: &admin{Installation: &install.Installation{Home: "/home"}}, options: Options{State: filepath.Join(t.TempDir(), "new"), Log: testenv.Log(t),
		Now: func() time.Time { return at }}}
	s.database = "neo4j"
	return s, &at
}

// What a dump takes is told by the last one, and a server is not stopped for
// longer than it may be down where that is sure.
func TestTimeOfADump(t *testing.T) {
	s, _ := remembering(t)
	s.maxDowntime = time.Minute
	if err := s.checkTime(s.options.Log, 1000); err != nil {
		t.Errorf("nothing is known yet: %v", err)
	}
	s.remember(func(h *history) { h.Took, h.Bytes = time.Minute, 1000 })
	if got := s.remembered().expected(1500); got != 90*time.Second {
		t.Errorf("%s", got)
	}
	for bytes, want := range map[int64]error{900: nil, 1400: nil, 1600: ErrDowntime} {
		if err := s.checkTime(s.options.Log, bytes); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", bytes, err, want)
		}
	}
	s.maxDowntime = 0
	if err := s.checkTime(s.options.Log, 1_000_000); err != nil {
		t.Error(err)
	}
}

// A weekly check is due after a week, and where nothing is remembered.
func TestWeeklyCheck(t *testing.T) {
	s, now := remembering(t)
	if s.checkDue() {
		t.Error("nobody has asked for a check")
	}
	s.check, s.checkWeekly = true, true
	if !s.checkDue() {
		t.Error("the first is due")
	}
	at := *now
	s.remember(func(h *history) { h.Checked = at })
	for days, due := range map[int]bool{0: false, 1: false, 6: false, 7: true, 30: true} {
		if *now = at.AddDate(0, 0, days); s.checkDue() != due {
			t.Errorf("after %d days: %t", days, !due)
		}
	}
	*now = at.Add(time.Hour)
	if s.checkWeekly = false; !s.checkDue() {
		t.Error("every one is due")
	}
	s.checkWeekly = true
	if err := os.WriteFile(s.historyPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !s.checkDue() {
		t.Error("what cannot be read is nothing")
	}
	s.options.State = ""
	s.remember(func(h *history) { h.Checked = at })
	if !s.checkDue() {
		t.Error("nothing is remembered without a folder")
	}
}

func FuzzParseHistory(f *testing.F) {
	f.Add([]byte(`{"version":1,"took_ns":60000000000,"store_bytes":1000,"checked":"2026-11-22T03:00:00Z"}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := parseHistory(raw)
		if err == nil && h.expected(1<<40) < 0 {
			t.Errorf("%+v", h)
		}
	})
}
