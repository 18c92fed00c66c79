package job

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files"
)

// refusing is a store that answers every listing with an error.
type refusing struct{ providers.Bucket }

func (refusing) List(context.Context, string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		yield(providers.Object{}, &providers.Error{Op: "list", Err: providers.ErrCredentials})
	}
}
func (refusing) Close() error { return nil }

// untouched fails the test when it is read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the source was read")
	return 0, io.EOF
}

// A wrong password shows before anything is captured.
func TestVaultAnswersBeforeTheSourceIsTouched(t *testing.T) {
	r := Runner{Stdin: untouched{t}, Registry: providers.Registry{
		"bad": func(context.Context, *url.URL, providers.Options) (providers.Bucket, string, error) {
			return refusing{}, "", nil
		},
	}}
	_, err := r.Backup(t.Context(), BackupRequest{Source: "-", Vaults: []Vault{{URL: "bad://vault"}}})
	if !errors.Is(err, providers.ErrCredentials) || Classify(err) != Failed {
		t.Errorf("error %v", err)
	}
}

// A source that never delivers does not hold up the end of a run: neither
// before its first byte, nor later.
func TestCancelWhileTheSourceBlocks(t *testing.T) {
	for _, first := range [][]byte{nil, make([]byte, 300<<10)} {
		in, out := io.Pipe()
		progress := &Progress{}
		r := Runner{Stdin: in, Progress: progress, Tuning: Tuning{Segment: 64 << 10, Chunk: 64 << 10}}
		ctx, cancel := context.WithCancel(t.Context())
		vault := filepath.Join(t.TempDir(), "vault")
		done := make(chan error, 1)
		go func() {
			_, err := r.Backup(ctx, BackupRequest{Source: "-", Vaults: []Vault{{URL: vault}}})
			done <- err
		}()
		if first != nil {
			if _, err := out.Write(first); err != nil {
				t.Fatal(err)
			}
			for progress.Status().Objects == 0 {
				<-time.After(time.Millisecond)
			}
		}
		cancel()
		select {
		case err := <-done:
			if Classify(err) != Interrupted {
				t.Errorf("error %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("the run did not end")
		}
		out.Close()
		if report, err := r.List(t.Context(), ListRequest{Vault: Vault{URL: vault}}); err != nil || len(report.Backups) > 0 {
			t.Errorf("listed: %+v, %v", report, err)
		}
	}
}

// untidy is a source whose captures cannot be closed.
type untidy struct{ snapshot.Source }

func (u untidy) Capture(ctx context.Context) (snapshot.Capture, error) {
	c, err := u.Source.Capture(ctx)
	return untidyCapture{c}, err
}

type untidyCapture struct{ snapshot.Capture }

func (u untidyCapture) Close() error {
	return errors.Join(u.Capture.Close(), errors.New("the clone could not be removed"))
}

// A backup that is complete is reported, whatever failed beside it; what else
// fails is told too.
func TestPartlyDone(t *testing.T) {
	for _, text := range []string{"data", ""} {
		r := Runner{}
		s := r.newSession()
		spec, err := s.spec(BackupRequest{Vaults: []Vault{{URL: filepath.Join(t.TempDir(), "vault")}}, Job: "s"})
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.openVault(t.Context(), Vault{URL: filepath.Join(t.TempDir(), "vault")})
		if err != nil {
			t.Fatal(err)
		}
		source, err := files.Stdin(strings.NewReader(text), "stdin", files.Options{Host: "host"})
		if err != nil {
			t.Fatal(err)
		}
		report, err := s.backUp(t.Context(), untidy{source}, spec, targets{{opened: o}}, false)
		switch {
		case text == "" && (report != nil || Classify(err) != Refused || len(s.warnings.list()) != 1):
			t.Errorf("of nothing: %+v, %v, %q", report, err, s.warnings.list())
		case text != "" && (report == nil || !report.Complete || Classify(err) != Partial || !strings.Contains(err.Error(), "clone")):
			t.Errorf("%+v, %v", report, err)
		}
		s.closeVault(o)
	}
}

// What is skipped shows in the report, also where no log is written.
func TestWarningsAreReported(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	report, err := (&Runner{}).Backup(t.Context(), BackupRequest{Source: dir, Vaults: []Vault{{URL: filepath.Join(t.TempDir(), "vault")}}, Tier: string(lifecycle.Daily)})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "socket") || report.Tier != "daily" {
		t.Errorf("%q, %+v", report.Warnings, report.Backup)
	}
}

// A source that changes while it is read is no backup.
func TestChangedSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	vault := filepath.Join(t.TempDir(), "vault")
	r := Runner{Progress: &Progress{}, Registry: providers.Registry{}}
	open := (&Runner{}).newSession().Registry[providers.SchemeFile]
	r.Registry[providers.SchemeFile] = func(ctx context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
		b, prefix, err := open(ctx, u, o)
		return meddler{b, path}, prefix, err
	}
	_, err := r.Backup(t.Context(), BackupRequest{Source: path, Vaults: []Vault{{URL: vault}}, Job: "s"})
	if !errors.Is(err, snapshot.ErrChanged) || Classify(err) != Failed || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	if report, err := r.List(t.Context(), ListRequest{Vault: Vault{URL: vault}}); err != nil || len(report.Backups) > 0 {
		t.Errorf("listed: %+v, %v", report, err)
	}
}

// meddler is a store that changes the source whenever a segment is stored.
type meddler struct {
	providers.Bucket
	path string
}

func (m meddler) Put(ctx context.Context, key string, body providers.Body) error {
	if strings.Contains(key, "/data/") {
		if err := os.WriteFile(m.path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
			return err
		}
	}
	return m.Bucket.Put(ctx, key, body)
}
