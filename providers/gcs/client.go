package gcs

import (
	"context"
	"net/http"
	"net/url"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Open is the providers.Opener of gs URLs. It finds credentials, and may ask
// the machine's metadata server for that, but asks nothing of the store: a
// bucket that is missing or refuses shows with the first operation.
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
	pool := transport.New(o.Connections)
	var rt http.RoundTripper = pool
	if o.Transport != nil {
		rt = o.Transport(rt)
	}
	rt = transport.Observe(rt)
	client := &http.Client{Transport: rt,
		// What redirects is not the store; it is reported, not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if !l.anonymous {
		a, err := l.authorize(rt)
		if err != nil {
			return nil, err
		}
		client.Transport = a
	}
	base, err := url.Parse(l.base())
	if err != nil {
		return nil, &providers.Error{Op: "open", Key: l.raw, Err: err}
	}
	// Above the credentials: what they ask for is no business of the store.
	client.Transport = guard{next: client.Transport, agent: userAgent(o), prefix: base.Path}
	base.Path, base.RawPath = "/storage/v1/", ""
	// Nothing is sent; so the context of opening is not needed. The library
	// would look for credentials of its own if it were not told that it needs
	// none, and have metrics of its own if the environment asks for them.
	sdk, err := storage.NewClient(context.Background(), option.WithHTTPClient(client), option.WithEndpoint(base.String()),
		option.WithoutAuthentication(), storage.WithJSONReads(), storage.WithDisabledClientMetrics())
	if err != nil {
		return nil, &providers.Error{Op: "open", Key: l.raw, Err: err, Hint: "check STORAGE_EMULATOR_HOST, which Google's library reads"}
	}
	sdk.SetRetry(storage.WithPolicy(storage.RetryNever))
	store := sdk.Bucket(l.bucket)
	if l.userProject != "" {
		store = store.UserProject(l.userProject)
	}
	return &Bucket{location: l, options: o, store: store, client: client, service: base.String(), idle: pool}, nil
}

func userAgent(o providers.Options) string {
	if o.UserAgent == "" {
		return "snapferry"
	}
	return o.UserAgent
}
