package archive_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/internal/testenv"
)

// restoreByHand runs the commands of RESTORE.md as they stand and returns
// the folder with the result.
func (w *world) restoreByHand(n format.Name) (string, error) {
	w.t.Helper()
	testenv.Tool(w.t, "zstd")
	dir := filepath.Join(w.dir, "some/prefix", string(n.Tier), "catalog", n.Series, n.ID.String())
	text, err := os.ReadFile(filepath.Join(dir, "RESTORE.md"))
	if err != nil {
		w.t.Fatal(err)
	}
	_, script, ok := strings.Cut(string(text), "```sh\n")
	script, _, closed := strings.Cut(script, "```\n")
	if !ok || !closed {
		w.t.Fatalf("no script in RESTORE.md:\n%s", text)
	}
	out := w.t.TempDir()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "out="+out)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Logf("RESTORE.md: %v\n%s", err, printed)
	}
	return out, err
}

func TestRestoreByHand(t *testing.T) {
	sparse := make([]byte, 6*testSegment)
	copy(sparse[testSegment+3:], mix(1, 2*testSegment))
	copy(sparse[5*testSegment:], mix(2, 77))
	disk := image("disk", sparse)
	disk.Extents = extents(format.Extent{Offset: testSegment + 3, Length: 2 * testSegment}, format.Extent{Offset: 5 * testSegment, Length: 77})
	hollow := image("hollow", make([]byte, 1000))
	hollow.Extents = extents()
	data := mix(3, 9*testSegment+1)
	for name, s := range map[string]archive.Spec{
		"images": spec("s", image("file", data), disk, image("empty", nil), hollow),
		"stream": streamSpec("s", stream("file", bytes.NewReader(data))),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n, m := w.backup(s)
			out, err := w.restoreByHand(n)
			if err != nil {
				t.Fatal(err)
			}
			for i, im := range m.Images {
				got, err := os.ReadFile(filepath.Join(out, im.Name))
				if err != nil || !bytes.Equal(got, w.restoreBoth(n, i)) {
					t.Errorf("%s differs: %v", im.Name, err)
				}
			}
			left, err := os.ReadDir(out)
			if err != nil || len(left) != len(m.Images) {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// The commands refuse what is damaged, too.
func TestRestoreByHandOfDamaged(t *testing.T) {
	w := newWorld(t)
	n, _ := w.backup(spec("s", image("file", mix(3, 3*testSegment))))
	for key, path := range w.files() {
		if strings.HasSuffix(key, "/RESTORE.md") || strings.HasSuffix(key, "/capture.json") {
			continue
		}
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, flip(good, len(good)/2), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.restoreByHand(n); err == nil {
			t.Errorf("%s was flipped, and nobody saw", key)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
