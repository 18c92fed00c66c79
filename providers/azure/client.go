package azure

import (
	"context"
	"hash/crc64"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// crcPolynomial is that of the checksums Azure Storage takes, reversed.
const crcPolynomial = 0x9A6C9329AC4BC9B5

// Open is the providers.Opener of azblob URLs. It reads the AZURE_* variables
// but sends nothing: a container that is missing or refuses shows with the
// first operation.
func Open(_ context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
	l, err := parse(u)
	if err != nil {
		return nil, "", err
	}
	b, err := newBucket(l, o)
	if err != nil {
		return nil, "", err
	}
	return b, l.prefix, nil
}

func newBucket(l location, o providers.Options) (*Bucket, error) {
	a, err := findAccess(l)
	if err != nil {
		return nil, err
	}
	pool := transport.New(o.Connections)
	var rt http.RoundTripper = pool
	if o.Transport != nil {
		rt = o.Transport(rt)
	}
	httpClient := &http.Client{Transport: transport.Observe(rt),
		// A redirect could send a signature elsewhere; it is reported, not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if a.entra {
		if a.token, err = newEntra(l, a.service, httpClient); err != nil {
			return nil, err
		}
	}
	client, err := newClient(l, a, httpClient, o.UserAgent)
	if err != nil {
		return nil, err
	}
	return &Bucket{name: l.container, client: client, idle: pool, o: o, tier: l.tier, scope: l.scope,
		anonymous: l.anonymous, sas: a.sas, account: management{l, a, httpClient}, crc: crc64.MakeTable(crcPolynomial)}, nil
}

func newClient(l location, a access, httpClient *http.Client, userAgent string) (*container.Client, error) {
	place := a.service + "/" + l.container
	options := &container.ClientOptions{ClientOptions: clientOptions(httpClient, userAgent)}
	if a.key != "" {
		// checkKey has found that the key can be decoded.
		credential, err := azblob.NewSharedKeyCredential(a.account, a.key)
		if err != nil {
			return nil, &providers.Error{Op: "open", Key: l.raw, Err: providers.ErrCredentials, Hint: credentialsHint}
		}
		return opened(l, "")(container.NewClientWithSharedKeyCredential(place, credential, options))
	}
	if a.entra {
		return opened(l, "")(container.NewClient(place, a.token, options))
	}
	if a.sas != "" {
		place += "?" + a.sas
	}
	return opened(l, a.sas)(container.NewClientWithNoCredential(place, options))
}

func clientOptions(httpClient *http.Client, userAgent string) azcore.ClientOptions {
	return azcore.ClientOptions{
		Transport: httpClient,
		Telemetry: policy.TelemetryOptions{ApplicationID: applicationID(userAgent)},
		// One place retries, logs and counts: the decorator around this bucket.
		Retry: policy.RetryOptions{MaxRetries: -1},
	}
}

// opened gives the errors of making a client their form.
func opened(l location, secret string) func(*container.Client, error) (*container.Client, error) {
	return func(c *container.Client, err error) (*container.Client, error) {
		if err == nil {
			return c, nil
		}
		text := err.Error()
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "xxx")
		}
		return nil, l.invalid("no client can be made of it: "+providers.Scrub(text), "check the account and the endpoint")
	}
}

// applicationID is what the SDK puts before its own user agent: it cuts it to
// 24 bytes.
func applicationID(userAgent string) string {
	if userAgent == "" {
		return "snapferry"
	}
	return userAgent
}
