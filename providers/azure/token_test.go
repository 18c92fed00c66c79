package azure

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/snapferry/snapferry/providers"
)

// source gives tokens, one after the other, or errors.
type source struct {
	calls atomic.Int32
	give  func(call int) error // nil gives a token, of the number of the call
}

func (s *source) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	n := int(s.calls.Add(1))
	if err := s.give(n); err != nil {
		return azcore.AccessToken{}, err
	}
	// The SDK asks for another each time: this one has expired.
	return azcore.AccessToken{Token: fmt.Sprintf("plantedToken%d", n), ExpiresOn: time.Now().Add(-time.Second)}, nil
}

// refused is the error of a token endpoint that has answered.
func refused(status int) error {
	return &azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: status, Status: http.StatusText(status),
		Body:    io.NopCloser(strings.NewReader(`{"error":"x","client_secret":"plantedSecret"}`)),
		Request: httptest.NewRequest(http.MethodPost, "https://login.example.org/tenant/token", nil)}}
}

// withTokens opens a bucket on a TLS server with the tokens of s.
func withTokens(t *testing.T, s *source, answer http.HandlerFunc) providers.Bucket {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	client, err := container.NewClient(server.URL+"/vault", &namedCredential{TokenCredential: s}, &container.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: server.Client(), Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	return &Bucket{name: "vault", client: client, idle: new(http.Transport), crc: crc64.MakeTable(crcPolynomial)}
}

func TestTokens(t *testing.T) {
	unreached := errors.New("lookup login.microsoftonline.com: no such host, Authorization: Bearer plantedToken")
	for _, test := range []struct {
		name       string
		give       func(call int) error
		want       []error // of one put after the other; errPassing is a fault that may pass
		text, hint string
	}{
		{"no source", func(int) error { return unreached }, []error{providers.ErrCredentials}, "no such host", "az login"},
		{"refused", func(int) error { return refused(401) }, []error{providers.ErrCredentials}, "", "identity was refused"},
		{"source is down", func(n int) error { return pick(n == 1, refused(503)) }, []error{errPassing, nil}, "get credentials", ""},
		{"source is busy", func(n int) error { return pick(n == 1, refused(429)) }, []error{errPassing, nil}, "get credentials", ""},
		{"source is away for a while", func(n int) error { return pick(n == 2, unreached) }, []error{nil, errPassing, nil}, "no such host", ""},
		{"revoked during the run", func(n int) error { return pick(n > 1, refused(400)) }, []error{nil, providers.ErrCredentials}, "", "run the same command again"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := withTokens(t, &source{give: test.give}, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // whatever comes
				if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer plantedToken") {
					t.Errorf("authorized by %q", r.Header.Get("Authorization"))
				}
				w.WriteHeader(http.StatusCreated)
			})
			for i, want := range test.want {
				err := b.Put(t.Context(), "a", providers.Bytes([]byte("x")))
				switch {
				case want == nil && err == nil:
					continue
				case errors.Is(want, errPassing) && err != nil && !providers.Permanent(err), want != nil && errors.Is(err, want):
				default:
					t.Fatalf("put %d: %v, want %v", i, err, want)
				}
				e, ok := errors.AsType[*providers.Error](err)
				if !ok || !strings.Contains(err.Error(), test.text) || !strings.Contains(e.Hint, test.hint) {
					t.Errorf("put %d: %v; %+v", i, err, e)
				}
				wantNoSecret(t, err.Error()+e.Hint)
			}
		})
	}
}

// errPassing stands for any error that is not permanent.
var errPassing = errors.New("passing")

func pick(when bool, err error) error {
	if when {
		return err
	}
	return nil
}

// TestTokenExpiresOnTheWay: the store no longer takes a token. The SDK asks
// for another, once, and sends the body again.
func TestTokenExpiresOnTheWay(t *testing.T) {
	const challenge = `Bearer authorization_uri="https://login.example.org/t/oauth2/authorize" resource_id="https://storage.azure.com"`
	for _, test := range []struct {
		name, challenge string
		refuse          int // so many requests
		want            error
	}{
		{"another is taken", challenge, 1, nil},
		{"none is taken", challenge, 1000, providers.ErrCredentials},
		{"no challenge", "", 1, providers.ErrCredentials},
		{"odd challenge", "Bearer realm=x", 1, providers.ErrCredentials},
	} {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			s := &source{give: func(int) error { return nil }}
			b := withTokens(t, s, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // whatever comes
				if requests++; requests > test.refuse {
					if string(body) != "content" {
						t.Errorf("sent %q", body)
					}
					w.WriteHeader(http.StatusCreated)
					return
				}
				if test.challenge != "" {
					w.Header().Set("WWW-Authenticate", test.challenge)
				}
				w.Header().Set("x-ms-error-code", "InvalidAuthenticationInfo")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, refusal("InvalidAuthenticationInfo", "Server failed to authenticate the request.", "Lifetime validation failed. The token is expired: plantedToken"))
			})
			err := b.Put(t.Context(), "a", providers.Bytes([]byte("content")))
			if !errors.Is(err, test.want) {
				t.Fatalf("put: %v, want %v", err, test.want)
			}
			if err == nil {
				return
			}
			if e, ok := errors.AsType[*providers.Error](err); !ok || e.Hint == "" || requests > 3 {
				t.Errorf("%v; %+v after %d requests", err, e, requests)
			}
			wantNoSecret(t, err.Error())
		})
	}
}

// TestManagedIdentity goes the whole way: from the variables of a machine with
// an identity to a request with its token.
func TestManagedIdentity(t *testing.T) {
	for _, down := range []bool{false, true} {
		tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Identity-Header") != "plantedHeader" || r.URL.Query().Get("resource") != "https://storage.azure.com" {
				t.Errorf("asked for a token by %v, %v", r.URL, r.Header)
			}
			if down {
				w.Header().Set("Retry-After-Ms", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = fmt.Fprintf(w, `{"access_token":"plantedToken","expires_on":"%d","resource":"https://storage.azure.com","token_type":"Bearer"}`, time.Now().Add(time.Hour).Unix())
		}))
		defer tokens.Close()
		requests := 0
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // whatever comes
			if requests++; r.Header.Get("Authorization") != "Bearer plantedToken" {
				t.Errorf("authorized by %q", r.Header.Get("Authorization"))
			}
			w.WriteHeader(http.StatusCreated)
		}))
		defer server.Close()
		// MSAL keeps tokens for the process, by the identity.
		environment(t, "AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential", "IDENTITY_ENDPOINT="+tokens.URL, "IDENTITY_HEADER=plantedHeader",
			fmt.Sprintf("AZURE_CLIENT_ID=identity-%v", down))
		b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{
			Transport: func(http.RoundTripper) http.RoundTripper { return server.Client().Transport }})
		err := b.Put(t.Context(), "a", providers.Bytes([]byte("x")))
		if down {
			if err == nil || providers.Permanent(err) || !strings.Contains(err.Error(), "get credentials") {
				t.Errorf("put while the source is down: %v", err)
			} else {
				wantNoSecret(t, err.Error())
			}
		} else if err != nil || requests != 1 {
			t.Errorf("put: %v, %d requests", err, requests)
		}
	}
	environment(t, "AZURE_TOKEN_CREDENTIALS=planted")
	u := "azblob://vault?storage_account=acme"
	if _, _, err := Open(t.Context(), mustParse(t, u), providers.Options{}); !errors.Is(err, providers.ErrCredentials) {
		t.Errorf("open with an odd source: %v", err)
	}
}

// TestCredentialsText: what the sources say can be read, and what a token
// endpoint echoes can not.
func TestCredentialsText(t *testing.T) {
	for text, want := range map[string]string{
		"DefaultAzureCredential: failed to acquire a token.\nAttempted credentials:\n\tAzureCLICredential: Azure CLI not found on path": "DefaultAzureCredential - failed to acquire a token. Attempted credentials - AzureCLICredential - Azure CLI not found on path",
		"ManagedIdentityCredential authentication failed.\nGET http://h/token\n----------------------\nRESPONSE 403: 403 Forbidden":     "ManagedIdentityCredential authentication failed. GET http://h/token RESPONSE 403: 403 Forbidden",
		`RESPONSE 400 {"client_secret":"planted","credential": "planted","access_token":"planted"} Authorization: Bearer planted`:       `RESPONSE 400 {"client_secret":"xxx","credential": "xxx","access_token":"xxx"} Authorization: xxx xxx`,
	} {
		got := credentialsText(errors.New(text))
		wantNoSecret(t, got)
		if got != want {
			t.Errorf("%q reads\n%q, want\n%q", text, got, want)
		}
	}
}
