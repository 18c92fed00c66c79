package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage/v2/fake"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

const (
	managed = "&subscription=8d6f7f6e-0000-4000-8000-1234567890AB&resource_group=rg-(1).x"
	// Documents with rules of snapferry's and of other people, and with what
	// nobody knows yet.
	ourRules = `{"rules":[{"enabled":true,"name":"snapferrydaily","type":"Lifecycle","definition":{"actions":{"baseBlob":{"delete":{"daysAfterCreationGreaterThan":8}}},` +
		`"filters":{"blobTypes":["blockBlob"],"prefixMatch":["vault/p/daily/"]}}}]}`
	foreignRules = `{"rules":[{"enabled":false,"name":"logs","type":"Lifecycle","definition":{"actions":{"baseBlob":{"tierToCool":{"daysAfterModificationGreaterThan":30.5}}},` +
		`"filters":{"blobTypes":["blockBlob","appendBlob"],"blobIndexMatch":[{"name":"kind","op":"==","value":"a<b"}]}}}]}`
	unknownRules = "{ \"later\" : null,\n\t\"rules\": [ {\"name\":\"a\\u003cb\", \"definition\":{\"actions\":{\"baseBlob\":{\"melt\":{\"days\":1e400}}}}, \"type\":\"Melting\"} ] }"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// managedBy opens a bucket whose account is managed by h, as a machine with an
// identity does.
func managedBy(t *testing.T, raw string, h roundTrip) *Bucket {
	t.Helper()
	environment(t, "AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential", "IDENTITY_ENDPOINT=http://identity.test/token", "IDENTITY_HEADER=plantedHeader", "AZURE_CLIENT_ID=rules")
	return open(t, raw, managingOptions(t, h))
}

func managingOptions(t *testing.T, h roundTrip) providers.Options {
	return providers.Options{UserAgent: "snapferry/1.2", Transport: func(http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Host {
			case "identity.test":
				if got := r.URL.Query().Get("resource"); !strings.HasPrefix(got, "https://management.") {
					t.Errorf("a token was asked for %s", got)
				}
				return answered(r, func(w http.ResponseWriter, _ *http.Request) {
					_, _ = fmt.Fprintf(w, `{"access_token":"plantedToken","expires_on":"%d","resource":"r","token_type":"Bearer"}`, time.Now().Add(time.Hour).Unix())
				}), nil
			case "management.azure.com", "management.chinacloudapi.cn":
				if r.Header.Get("Authorization") != "Bearer plantedToken" || r.URL.Scheme != "https" || !strings.Contains(r.UserAgent(), "snapferry/1.2") {
					t.Errorf("%s as %q by %q", r.URL, r.UserAgent(), r.Header.Get("Authorization"))
				}
				return h(r)
			}
			t.Errorf("a request to %s", r.URL)
			return nil, errors.New("no such host")
		})
	}}
}

// answered lets a handler answer a request of a client.
func answered(r *http.Request, h http.HandlerFunc) *http.Response {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h(w, in)
	resp := w.Result()
	resp.Request = r
	return resp
}

func managementError(code, message string) string {
	return fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message)
}

// manager is Azure Resource Manager as far as management policies go. It
// keeps them byte for byte.
type manager struct {
	mu       sync.Mutex        // guards what follows
	accounts map[string]string // policy by account; empty: none
	got      []*http.Request
}

var policyPath = regexp.MustCompile(`^/subscriptions/8d6f7f6e-0000-4000-8000-1234567890AB/resourceGroups/rg-\(1\)\.x/providers/Microsoft\.Storage/storageAccounts/(\w+)/managementPolicies/default$`)

func (m *manager) serve(r *http.Request) (*http.Response, error) { return answered(r, m.answer), nil }

func (m *manager) answer(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, r)
	refuse := func(status int, code, message string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, managementError(code, message)) // in memory
	}
	path := policyPath.FindStringSubmatch(r.URL.Path)
	if path == nil || r.URL.RawQuery != "api-version=2025-01-01" {
		refuse(http.StatusBadRequest, "InvalidRequest", r.URL.String())
		return
	}
	policy, ok := m.accounts[path[1]]
	body, _ := io.ReadAll(r.Body) // in memory
	switch {
	case !ok:
		refuse(http.StatusNotFound, "ResourceNotFound", "The Resource was not found.")
	case r.Method == http.MethodPut:
		before, after, _ := strings.Cut(string(body), `{"properties":{"policy":`)
		policy, found := strings.CutSuffix(after, "}}")
		if before != "" || !found || r.Header.Get("Content-Type") != "application/json" {
			refuse(http.StatusBadRequest, "InvalidRequestContent", string(body))
			return
		}
		m.accounts[path[1]] = policy
		_, _ = fmt.Fprintf(w, `{"id":"x","name":"default","properties":{"lastModifiedTime":"2026-11-01T00:00:00Z","policy":%s}}`, policy)
	case r.Method == http.MethodDelete && policy == "":
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		m.accounts[path[1]] = ""
	case policy == "":
		refuse(http.StatusNotFound, "ManagementPolicyNotFound", "No ManagementPolicy found for account "+path[1])
	default:
		_, _ = fmt.Fprintf(w, "{ \"properties\" : {\"policy\" : %s ,\"lastModifiedTime\":\"2026-11-01T00:00:00Z\"},\"name\":\"DefaultManagementPolicy\" }", policy)
	}
}

// TestRules runs the contract against a server that keeps bytes.
func TestRules(t *testing.T) {
	providertest.RunRules(t, func(t *testing.T) providertest.Rules {
		m := &manager{accounts: map[string]string{"acme": ""}}
		return providertest.Rules{Store: lifecycle.Azure, Scope: "storage account acme", Container: "vault", One: []byte(ourRules), Other: []byte(unknownRules),
			Bucket:  managedBy(t, "azblob://vault/p?storage_account=acme"+managed, m.serve),
			Missing: managedBy(t, "azblob://vault/p?storage_account=missing"+managed, m.serve)}
	})
}

// TestRulesOfSDK runs the contract against the fake server of the SDK, which
// has its own idea of requests and answers.
func TestRulesOfSDK(t *testing.T) {
	providertest.RunRules(t, func(t *testing.T) providertest.Rules {
		var policy *armstorage.ManagementPolicy
		known := func(group, account string, name armstorage.ManagementPolicyName, e *azfake.ErrorResponder) bool {
			if group != "rg-(1).x" || account != "acme" || name != armstorage.ManagementPolicyNameDefault {
				e.SetResponseError(http.StatusNotFound, "ResourceNotFound")
				return false
			}
			return true
		}
		server := fake.ManagementPoliciesServer{
			Get: func(_ context.Context, group, account string, name armstorage.ManagementPolicyName, _ *armstorage.ManagementPoliciesClientGetOptions) (
				out azfake.Responder[armstorage.ManagementPoliciesClientGetResponse], e azfake.ErrorResponder) {
				switch {
				case !known(group, account, name, &e):
				case policy == nil:
					e.SetResponseError(http.StatusNotFound, "ManagementPolicyNotFound")
				default:
					out.SetResponse(http.StatusOK, armstorage.ManagementPoliciesClientGetResponse{ManagementPolicy: *policy}, nil)
				}
				return
			},
			CreateOrUpdate: func(_ context.Context, group, account string, name armstorage.ManagementPolicyName, p armstorage.ManagementPolicy, _ *armstorage.ManagementPoliciesClientCreateOrUpdateOptions) (
				out azfake.Responder[armstorage.ManagementPoliciesClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
				if known(group, account, name, &e) {
					if p.Properties == nil || p.Properties.Policy == nil || len(p.Properties.Policy.Rules) != 1 {
						t.Errorf("the SDK does not understand the policy: %+v", p)
					}
					policy = &p
					out.SetResponse(http.StatusOK, armstorage.ManagementPoliciesClientCreateOrUpdateResponse{ManagementPolicy: p}, nil)
				}
				return
			},
			Delete: func(_ context.Context, group, account string, name armstorage.ManagementPolicyName, _ *armstorage.ManagementPoliciesClientDeleteOptions) (
				out azfake.Responder[armstorage.ManagementPoliciesClientDeleteResponse], e azfake.ErrorResponder) {
				if known(group, account, name, &e) {
					policy = nil
					out.SetResponse(http.StatusOK, armstorage.ManagementPoliciesClientDeleteResponse{}, nil)
				}
				return
			},
		}
		sdk := fake.NewManagementPoliciesServerTransport(&server)
		return providertest.Rules{Store: lifecycle.Azure, Scope: "storage account acme", Container: "vault", One: []byte(ourRules), Other: []byte(foreignRules), Rewrites: true,
			Bucket:  managedBy(t, "azblob://vault/p?storage_account=acme"+managed, sdk.Do),
			Missing: managedBy(t, "azblob://vault/p?storage_account=missing"+managed, sdk.Do)}
	})
}

func wantRefusal(t *testing.T, err error, op string, want error, hint string) {
	t.Helper()
	e, ok := errors.AsType[*providers.Error](err)
	if !errors.Is(err, want) || !ok || e.Op != op || !strings.Contains(e.Hint, hint) {
		t.Errorf("%v (%+v), want %s: %v, hint %q", err, e, op, want, hint)
		return
	}
	wantNoSecret(t, err.Error()+e.Hint)
}

// TestRulesNeed: what the URL or the environment lacks is said before anything
// is sent; a container that is opened with a key needs a token for its rules.
func TestRulesNeed(t *testing.T) {
	unsent := func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") }
	for _, test := range []struct {
		url  string
		want error
		hint string
	}{
		{"azblob://vault?storage_account=acme", providers.ErrUnsupported, "add subscription=ID&resource_group=GROUP"},
		{"azblob://vault?endpoint=https://blob.lan" + managed, providers.ErrUnsupported, "storage_account=ACCOUNT"},
		{"azblob://vault?storage_account=acme&anonymous=true" + managed, providers.ErrCredentials, "az login"},
	} {
		b := managedBy(t, test.url, unsent)
		doc, err := b.Rules(t.Context())
		wantRefusal(t, err, "read rules", test.want, test.hint)
		if doc.Store != lifecycle.Azure || doc.Container != "vault" {
			t.Errorf("%+v", doc)
		}
		for _, body := range [][]byte{[]byte(ourRules), nil} {
			doc.Body = body
			wantRefusal(t, b.SetRules(t.Context(), doc), "write rules", test.want, test.hint)
		}
	}
	for _, odd := range []string{`{"rules":[]},"etag":"x"`, "", "x"} {
		m := &manager{accounts: map[string]string{"acme": ""}}
		b := managedBy(t, "azblob://vault?storage_account=acme"+managed, m.serve)
		wantRefusal(t, b.SetRules(t.Context(), providers.RulesDocument{Body: []byte(odd)}), "write rules", providers.ErrUnsupported, `{"rules": [...]}`)
		if len(m.got) != 0 {
			t.Errorf("sent %q, which is no document", odd)
		}
	}
	for _, env := range []string{"AZURE_STORAGE_KEY=" + plantedKey, "AZURE_STORAGE_SAS_TOKEN=" + plantedSAS, "AZURE_STORAGE_CONNECTION_STRING=AccountName=acme;AccountKey=" + plantedKey} {
		m := &manager{accounts: map[string]string{"acme": ourRules}}
		identity := []string{"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential", "IDENTITY_ENDPOINT=http://identity.test/token", "IDENTITY_HEADER=plantedHeader", "AZURE_CLIENT_ID=rules"}
		environment(t, append(identity, env, "AZURE_STORAGE_ACCOUNT=acme")...)
		u := "azblob://vault?" + strings.TrimPrefix(managed, "&")
		doc, err := open(t, u, managingOptions(t, m.serve)).Rules(t.Context())
		if err != nil || string(doc.Body) != ourRules || doc.Scope != "storage account acme" {
			t.Errorf("%+v, %v", doc, err)
		}
		// Without an identity beside the key.
		environment(t, "AZURE_TOKEN_CREDENTIALS=EnvironmentCredential", env, "AZURE_STORAGE_ACCOUNT=acme")
		_, err = open(t, u, managingOptions(t, unsent)).Rules(t.Context())
		wantRefusal(t, err, "read rules", providers.ErrCredentials, "")
		if e, ok := errors.AsType[*providers.Error](err); !ok || e.Hint == "" || e.Key != "acme" || strings.Contains(e.Hint, "AZURE_STORAGE_KEY") {
			t.Errorf("%+v", e)
		}
	}
}

// TestRulesClouds: a sovereign cloud is managed by its own.
func TestRulesClouds(t *testing.T) {
	m := &manager{accounts: map[string]string{"acme": foreignRules}}
	b := managedBy(t, "azblob://vault?storage_account=acme&domain=blob.core.chinacloudapi.cn"+managed, m.serve)
	if doc, err := b.Rules(t.Context()); err != nil || string(doc.Body) != foreignRules {
		t.Fatalf("%+v, %v", doc, err)
	}
	if got := m.got[0].URL.Host; got != "management.chinacloudapi.cn" {
		t.Errorf("asked %s", got)
	}
}

// TestRulesAnswers maps what Azure Resource Manager answers.
func TestRulesAnswers(t *testing.T) {
	for _, test := range []struct {
		name        string
		status      int
		body        string
		want        [2]error // of reading and writing; nil: a passing fault
		read, write string   // hints
	}{
		{"denied", 403, managementError("AuthorizationFailed", "The client does not have authorization to perform action."), [2]error{providers.ErrDenied, providers.ErrDenied}, "managementPolicies/read ", "managementPolicies/write, "},
		{"token", 401, managementError("InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer"), [2]error{providers.ErrCredentials, providers.ErrCredentials}, "az login --tenant", "AZURE_TENANT_ID"},
		{"no account", 404, managementError("ResourceNotFound", "The Resource was not found."), [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "check subscription, resource_group and storage_account", "check subscription"},
		{"no group", 404, managementError("ResourceGroupNotFound", "no"), [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "resource_group", "resource_group"},
		{"no subscription", 404, managementError("SubscriptionNotFound", "no"), [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "check subscription", "check subscription"},
		{"proxy", 404, "<html>", [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "proxy", "proxy"},
		{"something else", 404, managementError("Other", "no"), [2]error{}, "", ""},
		{"lock", 409, managementError("ScopeLocked", "The scope cannot perform write operation because following scope(s) are locked"), [2]error{providers.ErrDenied, providers.ErrDenied}, "az lock list", "az lock list"},
		{"organisation", 403, managementError("RequestDisallowedByPolicy", "no"), [2]error{providers.ErrDenied, providers.ErrDenied}, "organisation", "organisation"},
		{"disabled", 409, managementError("ReadOnlyDisabledSubscription", "no"), [2]error{providers.ErrDenied, providers.ErrDenied}, "disabled", "disabled"},
		{"kind", 400, managementError("FeatureNotSupportedForAccount", "no"), [2]error{providers.ErrUnsupported, providers.ErrUnsupported}, "prune", "prune"},
		{"rule", 400, managementError("InvalidRequestPropertyValue", "The value '-1' is not allowed for property daysAfterCreationGreaterThan."), [2]error{nil, providers.ErrUnsupported}, "", "which part it refuses"},
		{"redirect", 307, "", [2]error{providers.ErrUnsupported, providers.ErrUnsupported}, "proxy", "proxy"},
		{"in progress", 409, managementError("StorageAccountOperationInProgress", "no"), [2]error{}, "", ""},
		{"busy", 429, managementError("TooManyRequests", "no"), [2]error{}, "", ""},
		{"away", 503, "", [2]error{}, "", ""},
		{"internal", 500, managementError("InternalServerError", "no"), [2]error{}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			b := managedBy(t, "azblob://vault?storage_account=acme"+managed, func(r *http.Request) (*http.Response, error) {
				requests++
				return answered(r, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "https://elsewhere.test/")
					w.WriteHeader(test.status)
					_, _ = io.WriteString(w, test.body) // in memory
				}), nil
			})
			check := func(err error, op string, want error, hint string) {
				t.Helper()
				if want != nil {
					wantRefusal(t, err, op, want, hint)
					return
				}
				e, ok := errors.AsType[*providers.Error](err)
				if !ok || e.Op != op || e.Key != "acme" || providers.Permanent(err) || errors.Is(err, providers.ErrThrottled) != (test.status == 429 || test.status == 503) {
					t.Errorf("%v (%+v), want %s: a passing fault", err, e, op)
				}
			}
			doc, err := b.Rules(t.Context())
			check(err, "read rules", test.want[0], test.read)
			if err != nil && test.body != "" && test.body[0] == '{' && !strings.Contains(err.Error(), ": ") {
				t.Errorf("no words of the store's: %v", err)
			}
			for _, body := range [][]byte{[]byte(ourRules), nil} {
				doc.Body = body
				check(b.SetRules(t.Context(), doc), "write rules", test.want[1], test.write)
			}
			if requests != 3 {
				t.Errorf("%d requests for three questions", requests)
			}
		})
	}
}

// TestOddRules: what is no management policy is not taken for one, nor for
// none; a policy that was taken away meanwhile is none.
func TestOddRules(t *testing.T) {
	for body, ok := range map[string]bool{"": false, "<html>": false, "{}": false, `{"properties":{}}`: false, `{"properties":{"policy":{"ru`: false, `{"properties":{"policy":null}}`: true} {
		b := managedBy(t, "azblob://vault?storage_account=acme"+managed, func(r *http.Request) (*http.Response, error) {
			return answered(r, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }), nil // in memory
		})
		doc, err := b.Rules(t.Context())
		e, failed := errors.AsType[*providers.Error](err)
		if ok && (err != nil || doc.Body != nil) || !ok && (!failed || e.Op != "read rules" || providers.Permanent(err)) {
			t.Errorf("%q: %+v, %v", body, doc, err)
		}
	}
	gone := managedBy(t, "azblob://vault?storage_account=acme"+managed, func(r *http.Request) (*http.Response, error) {
		return answered(r, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, managementError("ManagementPolicyNotFound", "none")) // in memory
		}), nil
	})
	if err := gone.SetRules(t.Context(), providers.RulesDocument{}); err != nil {
		t.Error(err)
	}
	away := managedBy(t, "azblob://vault?storage_account=acme"+managed, func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
	if _, err := away.Rules(t.Context()); err == nil || providers.Permanent(err) {
		t.Errorf("out of reach: %v", err)
	}
}
