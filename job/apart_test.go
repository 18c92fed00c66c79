package job

import (
	"os"
	"path/filepath"
	"testing"
)

func TestVaultInsideSource(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.MkdirAll(filepath.Join(source, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(source, link); err != nil {
		t.Fatal(err)
	}
	for vault, inside := range map[string]bool{
		"source": true, "source/deep": true, "source/new/newer": true, "link/vault": true,
		"beside": false, "source-2": false, ".": false, "source/../beside": false,
	} {
		req := BackupRequest{Source: source, Vaults: []Vault{{URL: filepath.Join(dir, vault)}}, AllowEmpty: true}
		_, err := (&Runner{}).Backup(t.Context(), req)
		if got := Classify(err) == Usage; got != inside {
			t.Errorf("vault %s: %v", vault, err)
		}
		if _, err := os.Stat(filepath.Join(source, "new")); err == nil {
			t.Errorf("vault %s was made", vault)
		}
		if _, err := os.Stat(filepath.Join(source, "vault")); err == nil {
			t.Errorf("vault %s was made", vault)
		}
	}
}
