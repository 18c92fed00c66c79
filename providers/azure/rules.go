package azure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

const (
	readRules  = "read rules"
	writeRules = "write rules"

	// rulesVersion is the version of the API of management policies.
	rulesVersion = "2025-01-01"

	managementHint = "sign in with `az login`, or give the machine an identity: " +
		"an account key, a shared access signature or anonymous=true opens a container, and not the rules of its account"
)

// management is what the rules of the storage account need: they are no
// matter of the container, but of Azure Resource Manager.
type management struct {
	location location
	access   access
	client   *http.Client
}

// Rules reads the management policy of the storage account, which has the
// rules of all of its containers. The SDK's types drop what they do not know;
// so its pipeline is used without them.
func (b *Bucket) Rules(ctx context.Context) (providers.RulesDocument, error) {
	doc := providers.RulesDocument{Store: lifecycle.Azure, Scope: "storage account " + b.account.name(), Container: b.name}
	answer, err := b.managed(ctx, readRules, http.MethodGet, nil)
	if isNoPolicy(err) {
		return doc, nil
	}
	if err != nil {
		return doc, b.explainRules(ctx, readRules, err)
	}
	var resource struct {
		Properties struct{ Policy json.RawMessage }
	}
	if err := json.Unmarshal(answer, &resource); err != nil || len(resource.Properties.Policy) == 0 {
		// To take it for none would make somebody write over what is there.
		return doc, &providers.Error{Op: readRules, Key: b.account.key(), Err: errors.New("the answer is no management policy")}
	}
	if string(resource.Properties.Policy) != "null" {
		doc.Body = resource.Properties.Policy
	}
	return doc, nil
}

// SetRules replaces the management policy of the storage account, or removes
// it if there is no document. Azure has no condition for that.
func (b *Bucket) SetRules(ctx context.Context, doc providers.RulesDocument) error {
	if doc.Body == nil {
		_, err := b.managed(ctx, writeRules, http.MethodDelete, nil)
		if isNoPolicy(err) {
			return nil
		}
		return b.explainRules(ctx, writeRules, err)
	}
	if !json.Valid(doc.Body) {
		return &providers.Error{Op: writeRules, Key: b.account.key(), Err: fmt.Errorf("%w: the rules are no JSON", providers.ErrUnsupported),
			Hint: `rules of Azure are an object {"rules": [...]}`}
	}
	_, err := b.managed(ctx, writeRules, http.MethodPut, fmt.Appendf(nil, `{"properties":{"policy":%s}}`, doc.Body))
	return b.explainRules(ctx, writeRules, err)
}

// managed sends one request about the management policy and returns the
// answer. Its errors are those of the SDK, or *Error values.
func (b *Bucket) managed(ctx context.Context, op, method string, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.account.check(op); err != nil {
		return nil, err
	}
	client, err := b.account.open(b.o.UserAgent)
	if err != nil {
		return nil, err
	}
	// The SDK's name of the operation, for what watches its requests.
	name := map[string]string{http.MethodGet: "Get", http.MethodPut: "CreateOrUpdate", http.MethodDelete: "Delete"}[method]
	ctx = context.WithValue(ctx, runtime.CtxAPINameKey{}, "ManagementPoliciesClient."+name)
	r, err := runtime.NewRequest(ctx, method, runtime.JoinPaths(client.Endpoint(), b.account.path())+"?api-version="+rulesVersion)
	if err != nil {
		return nil, err
	}
	r.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := r.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json"); err != nil {
			return nil, err
		}
	}
	resp, err := client.Pipeline().Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // was read
	if !runtime.HasStatusCode(resp, http.StatusOK) && (method != http.MethodDelete || !runtime.HasStatusCode(resp, http.StatusNoContent)) {
		return nil, runtime.NewResponseError(resp)
	}
	return runtime.Payload(resp)
}

// name is that of the storage account.
func (m *management) name() string { return first(m.location.account, m.access.account) }

// key is what errors are about.
func (m *management) key() string { return first(m.name(), m.location.container) }

func (m *management) path() string {
	return "/subscriptions/" + m.location.subscription + "/resourceGroups/" + url.PathEscape(m.location.resourceGroup) +
		"/providers/Microsoft.Storage/storageAccounts/" + m.name() + "/managementPolicies/default"
}

// check reports what the URL lacks.
func (m *management) check(op string) error {
	switch {
	case m.location.subscription == "":
		return &providers.Error{Op: op, Key: m.key(), Err: fmt.Errorf("%w: the URL does not say where the storage account is managed", providers.ErrUnsupported),
			Hint: "add subscription=ID&resource_group=GROUP to the URL: rules belong to the storage account, which is found there"}
	case m.name() == "":
		return &providers.Error{Op: op, Key: m.key(), Err: fmt.Errorf("%w: the storage account is not known", providers.ErrUnsupported),
			Hint: "add storage_account=ACCOUNT to the URL"}
	case m.location.anonymous:
		return credentialsFailed(op, m.key(), "nobody without credentials may look at the rules", managementHint)
	}
	return nil
}

// open makes a client of Azure Resource Manager. A container that is opened
// with a key or a signature has no token yet.
func (m *management) open(userAgent string) (*arm.Client, error) {
	token := m.access.token
	if token == nil {
		var err error
		if token, err = newEntra(m.location, m.access.service, m.client); err != nil {
			return nil, err
		}
	}
	options := &arm.ClientOptions{ClientOptions: clientOptions(m.client, userAgent), DisableRPRegistration: true}
	options.Cloud = cloudOf(m.access.service)
	return arm.NewClient("snapferry/azure.Rules", "v1.0.0", token, options)
}

// isNoPolicy reports that the account is there and has no rules.
func isNoPolicy(err error) bool {
	re, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && re.StatusCode == http.StatusNotFound && re.ErrorCode == "ManagementPolicyNotFound"
}

// explainRules is explain for the answers of Azure Resource Manager.
func (b *Bucket) explainRules(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	key := b.account.key()
	a, answered := parseAnswer(err)
	if !answered || ctx.Err() != nil {
		err = b.explain(ctx, op, key, err)
		if e, ok := errors.AsType[*providers.Error](err); ok {
			e.Op, e.Key = op, key
			if e.Hint == credentialsHint {
				e.Hint = managementHint
			}
		}
		return err
	}
	a.message = managementMessage(err)
	out := classifyRules(op, a)
	out.Op, out.Key = op, key
	if out.Err == nil {
		out.Err = errors.New(a.text())
	} else {
		out.Err = fmt.Errorf("%w: %s", out.Err, a.text())
	}
	return out
}

// managementMessage is what Azure Resource Manager says for people.
func managementMessage(err error) string {
	re, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || re.RawResponse == nil {
		return ""
	}
	var answer struct {
		Error struct{ Message string }
	}
	body, err := runtime.Payload(re.RawResponse) // the SDK has read it
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Error.Message
}

// classifyRules finds the sentinel and the hint of a refusal; without a
// sentinel it is a passing fault.
func classifyRules(op string, a answer) *providers.Error {
	switch a.code {
	case "ResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound", "InvalidSubscriptionId":
		return refuse(true, providers.ErrNoBucket, "check subscription, resource_group and storage_account in the URL: `az storage account list` shows what there is")
	case "ScopeLocked":
		return refuse(true, providers.ErrDenied, "a lock on the storage account, or on what it is in, keeps it from being changed: `az lock list` shows it")
	case "RequestDisallowedByPolicy":
		return refuse(true, providers.ErrDenied, "a policy of the organisation forbids it; ask who manages the subscription")
	case "ReadOnlyDisabledSubscription":
		return refuse(true, providers.ErrDenied, "the subscription is disabled: look at its state in the Azure portal")
	case "FeatureNotSupportedForAccount":
		return refuse(true, providers.ErrUnsupported, "a storage account of this kind has no lifecycle rules: remove old backups with `snapferry prune`")
	}
	switch a.status {
	case http.StatusUnauthorized:
		return refuse(true, providers.ErrCredentials, "sign in to the tenant of the subscription, with `az login --tenant TENANT` or AZURE_TENANT_ID")
	case http.StatusForbidden:
		return refuse(true, providers.ErrDenied, rulesPermission(op))
	case http.StatusNotFound:
		return refuse(a.code == "", providers.ErrNoBucket, "what answers is no Azure Resource Manager: look for a proxy on the way")
	case http.StatusBadRequest:
		return refuse(op == writeRules, providers.ErrUnsupported,
			"the store does not take the rules as they are, and keeps those it had: its words say which part it refuses")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return refuse(true, providers.ErrThrottled, "")
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusMethodNotAllowed:
		return refuse(true, providers.ErrUnsupported, "what answers is no Azure Resource Manager: look for a proxy on the way")
	}
	return &providers.Error{}
}

func rulesPermission(op string) string {
	const policies = "Microsoft.Storage/storageAccounts/managementPolicies/"
	if op == writeRules {
		return "allow " + policies + "write, and " + policies + "delete for removing the last rule, to the identity in use on the storage account"
	}
	return "allow " + policies + "read to the identity in use on the storage account"
}
