package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

const roleARN = "arn:aws:iam::123456789012:role/backup"

// sts hands out numbered sessions, plantedToken1 first.
type sts struct {
	*httptest.Server
	lifetime time.Duration

	mu    sync.Mutex // guards what follows
	asked []url.Values
}

func newSTS(t *testing.T, lifetime time.Duration) *sts {
	t.Helper()
	s := &sts{lifetime: lifetime}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	environment(t, "", "", "")
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
	return s
}

func (s *sts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.PostForm)
	action := r.PostForm.Get("Action")
	_, _ = fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>%[2]s</AccessKeyId>`+
		`<SecretAccessKey>%[3]s</SecretAccessKey><SessionToken>%[4]s%[5]d</SessionToken><Expiration>%[6]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
		action, plantedID, plantedSecret, plantedToken, len(s.asked), time.Now().Add(s.lifetime).UTC().Format(time.RFC3339)) // the client may have gone
}

func (s *sts) requests() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// sessions is a store that refuses the sessions it is told to.
type sessions struct {
	*httptest.Server
	refuses func(session string) bool
	asked   atomic.Int64
	seen    sync.Map // sessions that were let through
}

func newSessions(t *testing.T, refuses func(session string) bool) *sessions {
	t.Helper()
	s := &sessions{refuses: refuses}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // whatever comes
		s.asked.Add(1)
		session := strings.TrimPrefix(r.Header.Get("X-Amz-Security-Token"), plantedToken)
		if s.refuses(session) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>") // the client may have gone
			return
		}
		s.seen.Store(session, true)
	}))
	t.Cleanup(s.Close)
	return s
}

func webIdentity(t *testing.T) (token string) {
	t.Helper()
	token = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("planted.web.token"), 0o600); err != nil {
		t.Fatal(err)
	}
	return token
}

// TestWebIdentity: the environment of a pod, and a profile of the same.
func TestWebIdentity(t *testing.T) {
	for _, where := range []string{"environment", "profile"} {
		t.Run(where, func(t *testing.T) {
			s := newSTS(t, time.Hour)
			store := newSessions(t, func(session string) bool { return session != "1" })
			token := webIdentity(t)
			raw := "s3://vault?region=eu-west-1&endpoint=" + store.URL
			if where == "environment" {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
				t.Setenv("AWS_ROLE_ARN", roleARN)
			} else {
				config := filepath.Join(t.TempDir(), "config")
				text := fmt.Sprintf("[profile pod]\nrole_arn = %s\nweb_identity_token_file = %s\n", roleARN, token)
				if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				t.Setenv("AWS_CONFIG_FILE", config)
				raw += "&profile=pod"
			}
			b := openURL(t, raw, providers.Options{})
			defer b.Close()
			for i := range 3 {
				if err := b.Put(t.Context(), fmt.Sprintf("k%d", i), providers.Bytes([]byte("x"))); err != nil {
					t.Fatal(err)
				}
			}
			asked := s.requests()
			if len(asked) != 1 || asked[0].Get("Action") != "AssumeRoleWithWebIdentity" || asked[0].Get("RoleArn") != roleARN ||
				asked[0].Get("WebIdentityToken") != "planted.web.token" {
				t.Errorf("asked %v", asked)
			}
			// Without its token the next process has no credentials.
			if err := os.Remove(token); err != nil {
				t.Fatal(err)
			}
			b2 := openURL(t, raw, providers.Options{})
			defer b2.Close()
			err := b2.Put(t.Context(), "k", providers.Bytes(nil))
			if !errors.Is(err, providers.ErrCredentials) || !providers.Permanent(err) {
				t.Errorf("without a token: %v", err)
			}
			wantNoSecret(t, err.Error())
		})
	}
}

func TestRole(t *testing.T) {
	for query, want := range map[string][2]string{ // session name, external id
		"": {"snapferry", ""}, "&role_session=nightly%2B1&external_id=acme:7": {"nightly+1", "acme:7"},
	} {
		s := newSTS(t, time.Hour)
		t.Setenv("AWS_ACCESS_KEY_ID", plantedID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", plantedSecret)
		store := newSessions(t, func(session string) bool { return session != "1" })
		b := openURL(t, "s3://vault?region=eu-west-1&role="+roleARN+query+"&endpoint="+store.URL, providers.Options{})
		defer b.Close()
		if err := b.Put(t.Context(), "k", providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		asked := s.requests()
		if len(asked) != 1 || asked[0].Get("Action") != "AssumeRole" || asked[0].Get("RoleArn") != roleARN ||
			asked[0].Get("RoleSessionName") != want[0] || asked[0].Get("ExternalId") != want[1] {
			t.Errorf("asked %v", asked)
		}
	}
}

// TestSessionRenewed: the store calls a session expired in the middle of a
// run, long before its time. The run goes on with another, asked for once.
func TestSessionRenewed(t *testing.T) {
	for _, source := range []string{"web identity", "role"} {
		t.Run(source, func(t *testing.T) {
			s := newSTS(t, time.Hour)
			var ended atomic.Bool
			store := newSessions(t, func(session string) bool { return session == "1" && ended.Load() })
			raw := "s3://vault?region=eu-west-1&endpoint=" + store.URL
			if source == "role" {
				t.Setenv("AWS_ACCESS_KEY_ID", plantedID)
				t.Setenv("AWS_SECRET_ACCESS_KEY", plantedSecret)
				raw += "&role=" + roleARN
			} else {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", webIdentity(t))
				t.Setenv("AWS_ROLE_ARN", roleARN)
			}
			b := openURL(t, raw, providers.Options{})
			defer b.Close()
			var wg sync.WaitGroup
			for worker := range 8 {
				wg.Go(func() {
					for i := range 10 {
						if i == 5 {
							ended.Store(true)
						}
						if err := b.Put(t.Context(), fmt.Sprintf("k/%d/%d", worker, i), providers.Bytes(providertest.Noise(10_000))); err != nil {
							t.Errorf("put: %v", err)
						}
					}
				})
			}
			wg.Wait()
			if n := len(s.requests()); n != 2 {
				t.Errorf("%d sessions were asked for, want 2", n)
			}
			if _, ok := store.seen.Load("2"); !ok {
				t.Error("the second session was not used")
			}
		})
	}
}

// TestShortSessions: sessions that end within the window of renewal are not
// used twice, and never refused.
func TestShortSessions(t *testing.T) {
	s := newSTS(t, time.Minute)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", webIdentity(t))
	t.Setenv("AWS_ROLE_ARN", roleARN)
	store := newSessions(t, func(string) bool { return false })
	b := openURL(t, "s3://vault?region=eu-west-1&endpoint="+store.URL, providers.Options{})
	defer b.Close()
	for i := range 4 {
		if err := b.Put(t.Context(), fmt.Sprintf("k%d", i), providers.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.requests()); n != 4 {
		t.Errorf("%d sessions for 4 requests", n)
	}
}

// TestSessionEnds: without another session the run stops at once and says why.
func TestSessionEnds(t *testing.T) {
	for _, test := range []struct {
		name     string
		renews   bool
		requests int64
	}{{"static", false, 1}, {"every session is refused", true, 2}} {
		t.Run(test.name, func(t *testing.T) {
			newSTS(t, time.Hour)
			if test.renews {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", webIdentity(t))
				t.Setenv("AWS_ROLE_ARN", roleARN)
			} else {
				t.Setenv("AWS_ACCESS_KEY_ID", plantedID)
				t.Setenv("AWS_SECRET_ACCESS_KEY", plantedSecret)
				t.Setenv("AWS_SESSION_TOKEN", plantedToken)
			}
			store := newSessions(t, func(string) bool { return true })
			b := providers.Decorate(openURL(t, "s3://vault?region=eu-west-1&endpoint="+store.URL, providers.Options{}), providers.Policy{})
			defer b.Close()
			err := b.Put(t.Context(), "k", providers.Bytes([]byte("x")))
			e, ok := errors.AsType[*providers.Error](err)
			if !errors.Is(err, providers.ErrCredentials) || !ok || !strings.Contains(e.Hint, "sign in again") || store.asked.Load() != test.requests {
				t.Errorf("%v after %d requests", err, store.asked.Load())
			}
			wantNoSecret(t, err.Error()+e.Hint)
		})
	}
}
