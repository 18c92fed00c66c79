package job

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// A plain and an encrypted vault side by side get the same backup of one
// reading, each in its own form; a run catches up either.
func TestPlainAndEncryptedVaults(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	access := Access{Recipients: []string{identity.Recipient().String()},
		Identities: []Secret{func(context.Context) ([]byte, error) { return []byte(identity.String()), nil }}}
	source, plain, secret := patterned(t, 1<<20), t.TempDir(), t.TempDir()
	r := Runner{Tuning: Tuning{Segment: 64 << 10, Chunk: 16 << 10}}
	req := BackupRequest{Source: source, Job: "s", Tier: "daily", Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
		Vaults: []Vault{{URL: plain}, {URL: secret, Access: access}}}
	report, err := r.Backup(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if report.Vaults[0].ID != report.Vaults[1].ID || report.Vaults[0].StoredBytes >= report.Vaults[1].StoredBytes {
		t.Errorf("%+v", report.Vaults)
	}
	want, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	restored := func(vault string, access Access) {
		t.Helper()
		target := filepath.Join(t.TempDir(), "target")
		if _, err := r.Restore(t.Context(), RestoreRequest{Backup: vault + "#latest", Access: access, Target: target}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: restored bytes differ, %v", vault, err)
		}
	}
	restored(plain, Access{})
	restored(secret, access)
	segments, err := filepath.Glob(filepath.Join(secret, "daily/data/s/*/*/*"))
	if err != nil || len(segments) != 16 || !strings.HasSuffix(segments[0], ".age") {
		t.Errorf("%d segments: %v, %v", len(segments), segments, err)
	}
	manifests, err := filepath.Glob(filepath.Join(secret, "daily/catalog/s/*/manifest.json"))
	if err != nil || len(manifests) != 1 {
		t.Fatal(manifests, err)
	}
	for _, path := range []string{manifests[0], segments[3]} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	req.Time = req.Time.Add(time.Hour)
	again, err := r.Backup(t.Context(), req)
	if err != nil || again.ID != report.ID || again.Vaults[1].ReusedBytes != 15*64<<10 || len(again.Levels) > 0 {
		t.Errorf("%+v, %v", again, err)
	}
	restored(secret, access)
}
