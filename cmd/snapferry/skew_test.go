//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A store that says how far its clock is away: the answer is AWS's own.
func TestClockSkew(t *testing.T) {
	const password = "planted-Secret-0123456789"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
		// A store that repeats what it was sent must not make us do so.
		_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large. %s</Message></Error>`,
			r.Header.Get("Authorization"))
	}))
	defer server.Close()
	source := filepath.Join(t.TempDir(), "source")
	v := serverVault{url: "s3://bucket/x?region=us-east-1&endpoint=" + url.QueryEscape(server.URL),
		env: append(environ(t, nil), "AWS_ACCESS_KEY_ID=AKIAPLANTED0123456789", "AWS_SECRET_ACCESS_KEY="+password, "AWS_EC2_METADATA_DISABLED=true")}
	if err := os.WriteFile(source, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := v.run(t, "backup", source, v.url, "-vv")
	if o.code != exitFailed || checkErrorLines(o.stderr) != "" || !strings.Contains(o.stderr, "clock differs too much") || !strings.Contains(o.stderr, "hint: set this machine's clock") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	for _, secret := range []string{password, "AKIAPLANTED0123456789", "Signature="} {
		if strings.Contains(o.stderr+o.stdout, secret) {
			t.Errorf("%s is shown: %s", secret, o.stderr)
		}
	}
}
