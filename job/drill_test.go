package job

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// What a vault says of names never leads out of the scratch folder of a drill:
// who may write to it could have written it.
func TestDrillNames(t *testing.T) {
	dump, err := os.ReadFile("../snapshot/neo4j/artifact/testdata/neo4j-5.26.31.dump")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		title, database string
		good            bool
	}{
		"as it should be": {"neo4j.dump", "neo4j", true}, "no fact": {"neo4j.dump", "", true},
		"title": {"../neo4j.dump", "neo4j", false}, "fact": {"neo4j.dump", "../../neo4j", false}, "absolute": {"neo4j.dump", "/tmp/neo4j", false},
		"backslash": {`a\b.dump`, "neo4j", false}, "device of nobody": {"..", "neo4j", false},
	} {
		s := (&Runner{Tuning: Tuning{Segment: 64 << 10, Chunk: 16 << 10}}).newSession()
		if err := s.open(t.Context(), Vault{URL: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		spec := archive.Spec{Series: "s", Tier: lifecycle.Manual, Time: time.Now(), Source: format.Identity{Type: "file", Path: "/x"},
			Images: []archive.Image{{Title: c.title, Form: "raw", Size: int64(len(dump)), Data: bytes.NewReader(dump)}}}
		if c.database != "" {
			spec.Facts = map[string]string{"database": c.database}
		}
		w, err := s.vault.Begin(t.Context(), spec)
		if err == nil {
			err = errors.Join(archive.Ship(t.Context(), w)...)
		}
		if err == nil {
			_, err = w.Commit(t.Context())
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e, err := s.vault.Find(t.Context(), "latest", false)
		if err != nil {
			t.Fatal(err)
		}
		d := &oneDrill{session: s, entry: e}
		if d.parts, err = d.partsOf(t.Context(), e, RestoreRequest{}); err != nil {
			t.Fatal(err)
		}
		d.backup = d.parts[0].backup
		database, file, err := d.drillable(t.Context())
		if (err == nil) != c.good || err != nil && !errors.Is(err, ErrUsage) || c.good && (database != "neo4j" || file != "neo4j.dump") {
			t.Errorf("%s: %q, %q, %v", name, database, file, err)
		}
		s.close()
	}
}
