package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/impersonate"

	"github.com/snapferry/snapferry/providers"
)

const (
	// scope is the one Google advises for all of its services: what may be done
	// is a matter of the identity's roles.
	scope = "https://www.googleapis.com/auth/cloud-platform"

	// tokenTimeout bounds a request for a token.
	tokenTimeout = time.Minute

	credentialsHint = "set GOOGLE_APPLICATION_CREDENTIALS or ?credentials_file= to a file of credentials, run `gcloud auth application-default login`, " +
		"or give the machine a service account; ?anonymous=true for a public bucket"
)

// authorize finds the credentials and returns a transport that adds them to
// each request.
func (l *location) authorize(next http.RoundTripper) (*authorized, error) {
	creds, err := l.detect(&http.Client{Transport: tokenEndpoint{next}, Timeout: tokenTimeout})
	if err != nil {
		hint := credentialsHint
		if errors.Is(err, os.ErrNotExist) {
			hint = "check the path in ?credentials_file= or GOOGLE_APPLICATION_CREDENTIALS"
		}
		return nil, credentialsFailed("open", l.raw, providers.Scrub(err.Error()), hint)
	}
	a := &authorized{creds: creds, next: next}
	if l.userProject == "" {
		// Who pays for requests and whose quota they use, as far as the
		// credentials' file or GOOGLE_CLOUD_QUOTA_PROJECT say so.
		a.quotaProject, _ = creds.QuotaProjectID(context.Background()) // read from memory; empty is an answer
	}
	return a, nil
}

func (l *location) detect(client *http.Client) (*auth.Credentials, error) {
	options := &credentials.DetectOptions{Scopes: []string{scope}, Client: client, UniverseDomain: l.universe, DisableAsyncRefresh: true}
	if l.credentialsFile != "" {
		b, err := os.ReadFile(l.credentialsFile)
		if err != nil {
			return nil, err
		}
		options.CredentialsJSON = b //nolint:staticcheck // the file is the user's own, as GOOGLE_APPLICATION_CREDENTIALS is
	}
	creds, err := credentials.DetectDefault(options)
	if err != nil || l.impersonate == "" {
		return creds, err
	}
	// The library's own client would bring a transport of its own.
	as := &http.Client{Transport: &authorized{creds: creds, next: tokenEndpoint{client.Transport}}, Timeout: tokenTimeout}
	return impersonate.NewCredentials(&impersonate.CredentialsOptions{
		TargetPrincipal: l.impersonate, Scopes: []string{scope}, Credentials: creds, Client: as, UniverseDomain: l.universe,
	})
}

// authorized adds a token to each request. Tokens are kept and renewed before
// they expire.
type authorized struct {
	creds        *auth.Credentials
	quotaProject string
	next         http.RoundTripper
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := a.creds.Token(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // not sent
		}
		return nil, &credentialsError{err}
	}
	out := r.Clone(r.Context())
	out.Header.Set("Authorization", "Bearer "+token.Value)
	if a.quotaProject != "" {
		out.Header.Set("X-Goog-User-Project", a.quotaProject)
	}
	return a.next.RoundTrip(out)
}

// credentialsError marks the failures of a source of credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// tokenEndpoint makes an error of an answer that is not about the credentials:
// the library tells it from a refusal in a text alone.
type tokenEndpoint struct{ next http.RoundTripper }

func (t tokenEndpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode < http.StatusInternalServerError && resp.StatusCode != http.StatusTooManyRequests {
		return resp, err
	}
	_ = resp.Body.Close() // not read
	return nil, &busyError{r.URL.Host, resp.StatusCode}
}

// busyError is the answer of a token endpoint that may be another one soon.
type busyError struct {
	host   string
	status int
}

func (e *busyError) Error() string {
	return fmt.Sprintf("%s answers with HTTP status %d", e.host, e.status)
}

// explainCredentials tells a source of credentials that has none, or whose
// were revoked, from one that cannot be reached for the moment.
func explainCredentials(op, key string, err error) error {
	// An answer that is no refusal comes as an error of the request, too.
	if u, ok := errors.AsType[*url.Error](err); ok {
		return &providers.Error{Op: op, Key: key, Err: errors.New("get credentials: " + providers.Scrub(u.Err.Error()))}
	}
	text := providers.Scrub(err.Error())
	if strings.Contains(text, "iat and exp") {
		return &providers.Error{Op: op, Key: key, Err: fmt.Errorf("%w: %s", providers.ErrClockSkew, text),
			Hint: "set this machine's clock, for instance with chrony or systemd-timesyncd"}
	}
	hint := credentialsHint
	if strings.Contains(text, "invalid_grant") || strings.Contains(text, "invalid_rapt") {
		hint = "the credentials have expired or were revoked: sign in again, or make a new key; then run the same command again: what is stored already is kept"
	}
	if strings.Contains(text, "impersonate:") {
		hint = "grant roles/iam.serviceAccountTokenCreator on the service account of ?impersonate= to the identity in use, and check its address"
	}
	return credentialsFailed(op, key, text, hint)
}

func credentialsFailed(op, key, reason, hint string) error {
	return &providers.Error{Op: op, Key: key, Err: fmt.Errorf("%w: %s", providers.ErrCredentials, reason), Hint: hint}
}
