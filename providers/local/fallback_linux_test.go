package local

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// TestRenameNew tries the way of file systems without hard links.
func TestRenameNew(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/a", 0o700), os.WriteFile(dir+"/x", []byte("x"), 0o600), os.WriteFile(dir+"/y", []byte("y"), 0o600)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }() // holds nothing
	if err := renameNew(root, "x", "a/z"); err != nil {
		if errors.Is(err, providers.ErrUnsupported) {
			return // a definite answer of this file system
		}
		t.Fatal(err)
	}
	if err := renameNew(root, "y", "a/z"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("rename to a taken name: %v", err)
	}
	if got, err := os.ReadFile(dir + "/a/z"); err != nil || string(got) != "x" {
		t.Errorf("read %q, %v", got, err)
	}
}
