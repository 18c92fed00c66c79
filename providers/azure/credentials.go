package azure

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/snapferry/snapferry/providers"
)

// The account every emulator knows. Its key is public.
const (
	emulatorEndpoint = "http://127.0.0.1:10000/devstoreaccount1"
	emulatorAccount  = "devstoreaccount1"
	emulatorKey      = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

const credentialsHint = "set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, sign in with `az login`, " +
	"or give the machine an identity; ?anonymous=true for a public container"

// access is a service and how it is asked. At most one of key, sas and entra
// is set.
type access struct {
	service string // URL
	account string // of key
	key     string
	sas     string // without a question mark
	entra   bool
	token   azcore.TokenCredential // of entra, once it is made
}

// findAccess chooses the credentials of the environment, in the order of
// gocloud.dev.
func findAccess(l location) (access, error) {
	key, sas := os.Getenv("AZURE_STORAGE_KEY"), strings.TrimPrefix(os.Getenv("AZURE_STORAGE_SAS_TOKEN"), "?")
	connection := first(os.Getenv("AZURE_STORAGE_CONNECTION_STRING"), os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING"))
	switch {
	case l.anonymous:
		service, err := l.service()
		return access{service: service}, err
	case key != "" && l.account != "":
		service, err := l.service()
		if err != nil {
			return access{}, err
		}
		return access{service: service, account: l.account, key: key}, l.checkKey(key, "AZURE_STORAGE_KEY")
	case sas != "":
		return l.signedAccess(sas)
	case connection != "":
		return l.connectionAccess(connection)
	}
	service, err := l.service()
	if err != nil {
		return access{}, err
	}
	if strings.HasPrefix(service, "http://") {
		// Anybody on the way could take the token.
		return access{}, credentialsFailed("open", l.raw, "a token of Microsoft Entra ID is not sent over plain http",
			"use https, or set AZURE_STORAGE_KEY: a key signs, and is not sent")
	}
	return access{service: service, entra: true}, nil
}

// checkKey refuses a key that is none, and says nothing of what it is.
func (l *location) checkKey(key, where string) error {
	if _, err := base64.StdEncoding.DecodeString(key); err != nil {
		return credentialsFailed("open", l.raw, "the account key in "+where+" is not in base64", "copy it as a whole: `az storage account keys list`")
	}
	return nil
}

// signedAccess uses a shared access signature. It is sent with each request,
// so that only the environment may say where to.
func (l *location) signedAccess(sas string) (access, error) {
	if err := l.checkSignature(sas); err != nil {
		return access{}, err
	}
	if its := os.Getenv("AZURE_STORAGE_ACCOUNT"); its != "" && its != l.account {
		return access{}, l.invalid("it sends a shared access signature to another account than that of the environment",
			"leave out storage_account, or set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_SAS_TOKEN for the same account")
	}
	service, err := l.service()
	if err != nil || !l.moved {
		return access{service: service, sas: sas}, err
	}
	own := location{account: l.account, domain: os.Getenv("AZURE_STORAGE_DOMAIN"), protocol: os.Getenv("AZURE_STORAGE_PROTOCOL")}
	if err := own.parseFlags(nil); err != nil {
		return access{}, err
	}
	if allowed, err := own.service(); err != nil || !sameOrigin(service, allowed) {
		return access{}, l.invalid("it sends a shared access signature to another service than that of the environment",
			"set AZURE_STORAGE_DOMAIN, AZURE_STORAGE_PROTOCOL or a connection string instead of the parameters")
	}
	return access{service: service, sas: sas}, nil
}

func (l *location) checkSignature(sas string) error {
	if q, err := url.ParseQuery(sas); err != nil || q.Get("sig") == "" {
		return credentialsFailed("open", l.raw, "what is called a shared access signature is none", "copy it as a whole, with its sig= part")
	}
	return nil
}

func sameOrigin(a, b string) bool {
	u, err := url.Parse(a)
	if err != nil {
		return false
	}
	v, err := url.Parse(b)
	return err == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Host, v.Host)
}

// connectionAccess uses a connection string, which says where the service is.
func (l *location) connectionAccess(text string) (access, error) {
	a, err := parseConnectionString(text)
	if err != nil {
		return access{}, credentialsFailed("open", l.raw, "the connection string "+err.Error(),
			"copy it as a whole: `az storage account show-connection-string`")
	}
	if l.account != "" && a.account != "" && l.account != a.account {
		return access{}, l.invalid("the connection string is that of another account", "leave out storage_account, or give the account's own connection string")
	}
	if a.key != "" {
		err = l.checkKey(a.key, "the connection string")
	} else {
		err = l.checkSignature(a.sas)
	}
	if err != nil || !l.moved {
		return a, err
	}
	l.account = first(l.account, a.account)
	service, err := l.service()
	if err != nil {
		return access{}, err
	}
	if a.sas != "" && !sameOrigin(service, a.service) {
		return access{}, l.invalid("it sends a shared access signature to another service than that of the connection string",
			"leave out the parameters that say where the service is")
	}
	a.service = service
	return a, nil
}

// parseConnectionString parses NAME=VALUE pairs between semicolons. Its errors
// say nothing of the values and read on after "the connection string".
func parseConnectionString(text string) (access, error) {
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(pair, "=")
		if ok {
			pairs[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		} else if strings.TrimSpace(pair) != "" {
			return access{}, errors.New("has a part without =")
		}
	}
	if strings.EqualFold(pairs["usedevelopmentstorage"], "true") {
		return access{service: emulatorEndpoint, account: emulatorAccount, key: emulatorKey}, nil
	}
	a := access{account: pairs["accountname"], key: pairs["accountkey"], sas: strings.TrimPrefix(pairs["sharedaccesssignature"], "?")}
	switch {
	case a.key != "" && a.account == "":
		return access{}, errors.New("has an AccountKey and no AccountName")
	case a.key == "" && a.sas == "":
		return access{}, errors.New("has neither AccountKey nor SharedAccessSignature")
	case a.account != "" && !accountName.MatchString(a.account):
		return access{}, errors.New("has an AccountName that is none")
	case a.key != "":
		a.sas = "" // as the SDK prefers it
	}
	var err error
	a.service, err = connectionService(a.account, pairs)
	return a, err
}

func connectionService(account string, pairs map[string]string) (string, error) {
	service := strings.TrimRight(pairs["blobendpoint"], "/")
	if service == "" && account == "" {
		return "", errors.New("has neither BlobEndpoint nor AccountName")
	}
	if service == "" {
		service = first(pairs["defaultendpointsprotocol"], "https") + "://" + account + ".blob." + first(pairs["endpointsuffix"], "core.windows.net")
	}
	u, err := url.Parse(service)
	if err != nil || u.Host == "" || !isHTTP(u) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("names no service")
	}
	return service, nil
}

func isHTTP(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// cloudOf returns the sign-in service that belongs to a storage service; the
// zero value lets AZURE_AUTHORITY_HOST or the public cloud be.
func cloudOf(service string) cloud.Configuration {
	u, err := url.Parse(service)
	if err != nil {
		return cloud.Configuration{}
	}
	switch host := strings.ToLower(u.Hostname()); {
	case strings.HasSuffix(host, ".chinacloudapi.cn"):
		return cloud.AzureChina
	case strings.HasSuffix(host, ".usgovcloudapi.net"):
		return cloud.AzureGovernment
	}
	return cloud.Configuration{}
}

// newEntra makes the credential of Microsoft Entra ID.
func newEntra(l location, service string, transport policy.Transporter) (azcore.TokenCredential, error) {
	c, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: azcore.ClientOptions{Cloud: cloudOf(service), Transport: transport},
	})
	if err != nil {
		return nil, credentialsFailed("open", l.raw, credentialsText(err), "check AZURE_TOKEN_CREDENTIALS and the other AZURE_* variables")
	}
	return &namedCredential{TokenCredential: c}, nil
}

// namedCredential marks the failures of a credential source, which the SDK
// reports like any other, and remembers whether it has ever worked.
type namedCredential struct {
	azcore.TokenCredential
	worked atomic.Bool
}

func (c *namedCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := c.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return t, &credentialsError{err: err, worked: c.worked.Load()}
	}
	c.worked.Store(true)
	return t, nil
}

type credentialsError struct {
	err    error
	worked bool // the source has given a token before
}

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// passing reports that the source may answer otherwise the next time: it says
// so, or it has worked before and did not refuse now. A source that has never
// worked is not there.
func (e *credentialsError) passing() bool {
	failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](e.err)
	if !ok || failed.RawResponse == nil {
		return e.worked
	}
	status := failed.RawResponse.StatusCode
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

var (
	// sourceName is how azidentity begins what a source says.
	sourceName = regexp.MustCompile(`\b(\w*[Cc]redentials?):\s+`)
	ruler      = regexp.MustCompile(`-{10,}`)
)

// credentialsText is what the sources of credentials say, as one line without
// secrets. The colons after their names would make their words look like some.
func credentialsText(err error) string {
	text := ruler.ReplaceAllString(err.Error(), "")
	return providers.Scrub(sourceName.ReplaceAllString(text, "$1 - "))
}

func credentialsFailed(op, key, reason, hint string) error {
	return &providers.Error{Op: op, Key: key, Err: fmt.Errorf("%w: %s", providers.ErrCredentials, reason), Hint: hint}
}
