package restore

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/snapshot"
)

// What a killed restore left is named, and stays.
func TestLeftoversAreNamed(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, ".out.snapferry-0011223344aa")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	target := FileTarget(filepath.Join(dir, "out"), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	sink, err := target.Create(t.Context(), snapshot.ImageInfo{Name: "x", Form: snapshot.FormRaw, Size: 0, Sole: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), left) != 1 {
		t.Errorf("the log does not name it once:\n%s", log.String())
	}
	if _, err := os.Stat(left); err != nil {
		t.Error(err)
	}
}
