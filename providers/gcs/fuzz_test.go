package gcs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/api/googleapi"

	"github.com/snapferry/snapferry/providers"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"gs://vault/p?anonymous=true", "gs://vault?endpoint=h:1&storage_class=coldline", "gs://vault?endpoint=https://u:p@h", "gs://vault?impersonate=a@b.c",
		"gs://v..t/%2e%2e/a", "gs://vault:90/p", "gs://vault?endpoint=http://h", "gs://vault?kms_key=projects/p/locations/l/keyRings/r/cryptoKeys/k&user_project=p"} {
		f.Add(s)
	}
	f.Setenv("STORAGE_EMULATOR_HOST", "")
	f.Setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		l, err := parse(u)
		if err != nil {
			if !errors.Is(err, providers.ErrInvalidURL) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if strings.ContainsAny(l.bucket, "/:@?#%") || strings.Contains("/"+l.prefix+"/", "/../") {
			t.Errorf("%q gives %+v", s, l)
		}
		base, err := url.Parse(l.base())
		if err != nil || base.Host == "" || base.User != nil || base.Scheme == "http" && !l.anonymous && !loopback(base.Hostname()) {
			t.Errorf("%q is asked at %q", s, l.base())
		}
	})
}

// FuzzAnswer: whatever a store or a proxy answers becomes an error that is
// short and tells no secret.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"error":{"code":404,"message":"No such object: vault/a","errors":[{"reason":"notFound"}]}}`, `{"error":{"errors":[{}]}}`, `{"error":null}`, `{"error":"x"}`,
		"No such object: vault/a", "<Error><Code>InvalidRange</Code></Error>", `{"error":{"code":403,"message":"` + strings.Repeat("x", 2000) + `"}}`, "",
	} {
		f.Add(404, s)
		f.Add(403, s)
		f.Add(412, s)
		f.Add(503, s)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 300 || status > 599 {
			return
		}
		const secret = "5ecretVa1ue"
		b := listable(t)
		for _, op := range []string{"put", "get", "list", "delete", "lock"} {
			for _, full := range []string{body, body + " Authorization: Bearer " + secret} {
				resp := &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(full)), Header: http.Header{}}
				err := b.explain(context.Background(), op, "a", googleapi.CheckResponse(resp))
				e, ok := errors.AsType[*providers.Error](err)
				if !ok || e.Op != op || len(err.Error()) > 1200 || strings.Contains(err.Error()+e.Hint, secret) {
					t.Errorf("%d %q: %v", status, full, err)
				}
				if errors.Is(err, providers.ErrExists) && (op != "put" || status != http.StatusPreconditionFailed) {
					t.Errorf("%s, %d %q is taken for a key that exists", op, status, full)
				}
			}
		}
	})
}

// listable is a bucket that lists nothing, without a network.
func listable(t *testing.T) *Bucket {
	t.Helper()
	b, err := newBucket(location{bucket: "vault", anonymous: true, universe: defaultUniverse},
		providers.Options{Transport: func(http.RoundTripper) http.RoundTripper { return answering(`{}`) }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type answering string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}
