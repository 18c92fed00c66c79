package gcs

import (
	"context"
	"net/http"
	"net/url"

	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"

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
	// With a client of ours the library neither looks for credentials of its
	// own nor for an emulator, and nothing is sent; so the context of opening
	// is not needed.
	service, err := storage.NewService(context.Background(), option.WithHTTPClient(client), option.WithEndpoint(l.base()+"/storage/v1/"))
	if err != nil {
		return nil, &providers.Error{Op: "open", Key: l.raw, Err: err}
	}
	service.UserAgent = userAgent(o)
	return &Bucket{location: l, options: o, service: service, client: client, idle: pool}, nil
}

func userAgent(o providers.Options) string {
	if o.UserAgent == "" {
		return "snapferry"
	}
	return o.UserAgent
}
