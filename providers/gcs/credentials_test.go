package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

// google is the part of Google that gives tokens: the endpoints of OAuth, of
// workload identity and of impersonation, and a machine's metadata server. It
// is no emulator of theirs, but answers as documented.
type google struct {
	*httptest.Server

	mu       sync.Mutex // guards what follows
	lifetime int        // of tokens, in seconds
	failures int        // answers with 503 before the next token
	refusal  string     // the body of a refusal; empty: none
	issued   int
	got      []*http.Request
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	g := &google{lifetime: 3600}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	t.Setenv("STORAGE_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("APPDATA", t.TempDir())
	return g
}

func (g *google) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, r)
	switch {
	case g.failures > 0:
		g.failures--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case g.refusal != "":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, g.refusal) // the client may have gone
		return
	}
	g.issued++
	token := fmt.Sprintf("ya29.planted-%d", g.issued)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Metadata-Flavor", "Google")
	if strings.HasSuffix(r.URL.Path, ":generateAccessToken") {
		_ = json.NewEncoder(w).Encode(map[string]any{"accessToken": token, "expireTime": "2100-01-01T00:00:00Z"}) // the client may have gone
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": g.lifetime,
		"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}) // the client may have gone
}

func (g *google) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// Wrap leads requests for Google's hosts to g; it is an Options.Transport.
func (g *google) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Host, ".googleapis.com") {
			to, err := url.Parse(g.URL)
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
		}
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// file writes a JSON file of credentials and returns its path.
func file(t *testing.T, content map[string]any) string {
	t.Helper()
	b, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func keyFile(t *testing.T, tokenURL string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, map[string]any{"type": "service_account", "client_email": "writer@p.iam.gserviceaccount.com", "private_key_id": "plantedID",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURL, "project_id": "p"})
}

// put stores a small object and returns the request and the error.
func put(t *testing.T, b providers.Bucket, rec *recorder) (received, error) {
	t.Helper()
	err := b.Put(t.Context(), "a", providers.Bytes([]byte("x")))
	got := rec.requests()
	if len(got) == 0 {
		return received{Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/none", nil)}, err
	}
	return got[0], err
}

// TestSourcesOfCredentials: every source leads to a request that carries its
// token.
func TestSourcesOfCredentials(t *testing.T) {
	g, rec := newGoogle(t), newRecorder(t)
	subject := filepath.Join(t.TempDir(), "subject")
	if err := os.WriteFile(subject, []byte("plantedSubject"), 0o600); err != nil {
		t.Fatal(err)
	}
	federation := map[string]any{"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": g.URL + "/sts", "credential_source": map[string]any{"file": subject}}
	user := map[string]any{"type": "authorized_user", "client_id": "id", "client_secret": "plantedSecret", "refresh_token": "plantedRefresh", "quota_project_id": "quota"}
	for _, test := range []struct {
		name, file, query, quota string
		environment              bool
		path                     string // of the last request for a token
		tokens                   int
	}{
		{"key file", keyFile(t, g.URL+"/token"), "", "", false, "/token", 1},
		{"key file of the environment", keyFile(t, g.URL+"/token"), "", "", true, "/token", 1},
		{"workload identity", file(t, federation), "", "", false, "/sts", 1},
		{"user of gcloud", file(t, user), "", "quota", true, "/token", 1},
		{"user who pays for requests", file(t, user), "&user_project=payer", "", true, "/token", 1},
		{"impersonation", keyFile(t, g.URL+"/token"), "&impersonate=backup@p.iam.gserviceaccount.com", "", false,
			"/v1/projects/-/serviceAccounts/backup@p.iam.gserviceaccount.com:generateAccessToken", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			g.set(func() { g.got, g.issued = nil, 0 })
			query := test.query
			if test.environment {
				t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", test.file)
			} else {
				query += "&credentials_file=" + url.QueryEscape(test.file)
			}
			b := openURL(t, "gs://vault?endpoint="+rec.URL+query, providers.Options{Transport: g.Wrap})
			closeAtEnd(t, b)
			for range 3 {
				r, err := put(t, b, rec)
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("Bearer ya29.planted-%d", test.tokens); r.Header.Get("Authorization") != want || r.Header.Get("X-Goog-User-Project") != test.quota {
					t.Errorf("authorization %q, want %q; quota project %q", r.Header.Get("Authorization"), want, r.Header.Get("X-Goog-User-Project"))
				}
			}
			g.set(func() {
				if len(g.got) != test.tokens || g.got[len(g.got)-1].URL.Path != test.path {
					t.Errorf("%d requests for tokens, the last to %s", len(g.got), g.got[len(g.got)-1].URL.Path)
				}
				if test.tokens == 2 && g.got[1].Header.Get("Authorization") != "Bearer ya29.planted-1" {
					t.Errorf("the service account is impersonated with %q", g.got[1].Header.Get("Authorization"))
				}
			})
		})
	}
}

// TestMetadataServer: a machine of Google's has a service account.
func TestMetadataServer(t *testing.T) {
	g, rec := newGoogle(t), newRecorder(t)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(g.URL, "http://"))
	b := openURL(t, "gs://vault?endpoint="+rec.URL, providers.Options{})
	closeAtEnd(t, b)
	r, err := put(t, b, rec)
	if err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ya29.planted-") {
		t.Errorf("authorization %q, %v", r.Header.Get("Authorization"), err)
	}
	g.set(func() {
		if p := g.got[len(g.got)-1].URL.Path; !strings.HasSuffix(p, "/service-accounts/default/token") {
			t.Errorf("asked for %s", p)
		}
	})
}

// TestTokenIsRenewed: a token that is about to expire is not used any more.
func TestTokenIsRenewed(t *testing.T) {
	g, rec := newGoogle(t), newRecorder(t)
	g.lifetime = 30 // less than what a request may take
	b := openURL(t, "gs://vault?endpoint="+rec.URL+"&credentials_file="+url.QueryEscape(keyFile(t, g.URL)), providers.Options{})
	closeAtEnd(t, b)
	for i := range 3 {
		r, err := put(t, b, rec)
		if want := fmt.Sprintf("Bearer ya29.planted-%d", i+1); err != nil || r.Header.Get("Authorization") != want {
			t.Errorf("authorization %q, want %q; %v", r.Header.Get("Authorization"), want, err)
		}
	}
}

// TestRevokedInTheMiddle: a token or a key that is revoked during a run ends
// it at once, with an error that says what to do; a key that is good again
// lets the same command go on.
func TestRevokedInTheMiddle(t *testing.T) {
	g, rec := newGoogle(t), newRecorder(t)
	path := "gs://vault?endpoint=" + rec.URL + "&credentials_file=" + url.QueryEscape(keyFile(t, g.URL))
	b := providers.Decorate(openURL(t, path, providers.Options{}), providers.Policy{})
	closeAtEnd(t, b)
	if _, err := put(t, b, rec); err != nil {
		t.Fatal(err)
	}
	rec.mu.Lock()
	rec.answer = func(w http.ResponseWriter, r received) {
		refuse(w, 401, "authError", "Invalid Credentials: "+r.Header.Get("Authorization"))
	}
	rec.mu.Unlock()
	for op, err := range operations(t.Context(), b) {
		wantError(t, err, providers.ErrCredentials, op, "run the same command again")
	}
	if n := len(rec.requests()); n != 4 {
		t.Errorf("%d requests for 4 operations", n)
	}
	rec.mu.Lock()
	rec.answer = nil
	rec.mu.Unlock()
	for text, want := range map[string]error{
		`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`: providers.ErrCredentials,
		`{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. ` +
			`Check your iat and exp values in the JWT claim."}`: providers.ErrClockSkew,
		`{"error":"unauthorized_client","assertion":"plantedAssertion"}`: providers.ErrCredentials,
	} {
		g.set(func() { g.refusal = text })
		fresh := providers.Decorate(openURL(t, path, providers.Options{}), providers.Policy{})
		closeAtEnd(t, fresh)
		for op, err := range operations(t.Context(), fresh) {
			hint := map[bool]string{true: "clock", false: ""}[want == providers.ErrClockSkew] //nolint:errorlint // a key of the table
			wantError(t, err, want, op, hint)
		}
		if n := len(rec.requests()); n != 0 {
			t.Errorf("%d requests without a token", n)
		}
		g.set(func() { g.refusal = "" })
		if _, err := put(t, fresh, rec); err != nil {
			t.Errorf("after the key was good again: %v", err)
		}
	}
}

// TestImpersonationRefused names the role that is missing.
func TestImpersonationRefused(t *testing.T) {
	g, rec := newGoogle(t), newRecorder(t)
	b := openURL(t, "gs://vault?impersonate=backup@p.iam.gserviceaccount.com&endpoint="+rec.URL+"&credentials_file="+url.QueryEscape(keyFile(t, rec.URL)),
		providers.Options{Transport: g.Wrap})
	closeAtEnd(t, b)
	rec.answer = func(w http.ResponseWriter, _ received) {
		_, _ = io.WriteString(w, `{"access_token":"ya29.planted","expires_in":3600}`) // the client may have gone
	}
	g.refusal = apiError(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).")
	wantError(t, b.Put(t.Context(), "a", providers.Bytes(nil)), providers.ErrCredentials, "put", "roles/iam.serviceAccountTokenCreator")
}

// TestTokenEndpointIsBusy: what passes is tried again, and seen.
func TestTokenEndpointIsBusy(t *testing.T) {
	g, rec := newGoogle(t), newRecorder(t)
	m := new(providers.Metrics)
	b := providers.Decorate(openURL(t, "gs://vault?endpoint="+rec.URL+"&credentials_file="+url.QueryEscape(keyFile(t, g.URL)), providers.Options{}),
		providers.Policy{Metrics: m, RetryBase: time.Microsecond})
	closeAtEnd(t, b)
	g.failures = 2
	if _, err := put(t, b, rec); err != nil {
		t.Error(err)
	}
	if s := m.Snapshot(); s.Failures != 2 {
		t.Errorf("%d failures were seen", s.Failures)
	}
	gone := openURL(t, "gs://vault?endpoint="+rec.URL+"&credentials_file="+url.QueryEscape(keyFile(t, "http://127.0.0.1:1/planted")), providers.Options{})
	closeAtEnd(t, gone)
	for op, err := range operations(t.Context(), gone) {
		if err == nil || providers.Permanent(err) || !strings.Contains(err.Error(), "get credentials: dial tcp") {
			t.Errorf("%s: %v, permanent: %v", op, err, providers.Permanent(err))
			continue
		}
		wantNoSecret(t, err.Error())
	}
}

func TestUnusableCredentials(t *testing.T) {
	newGoogle(t) // for the environment
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"type":"service_account","private_key":"planted`), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none.json")
	for name, test := range map[string]struct{ query, environment, hint string }{
		"no file":                    {"?credentials_file=" + none, "", "check the path"},
		"no file of the environment": {"", none, "check the path"},
		"broken":                     {"?credentials_file=" + broken, "", "application-default login"},
		"unknown kind":               {"?credentials_file=" + file(t, map[string]any{"type": "magic"}), "", "application-default login"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", test.environment)
			_, _, err := all.Registry().Open(t.Context(), "gs://vault"+test.query, providers.Options{})
			wantError(t, err, providers.ErrCredentials, "open", test.hint)
		})
	}
}
