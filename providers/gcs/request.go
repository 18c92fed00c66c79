package gcs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// operation is one call of the store: one request, or one for each page of a
// listing. It travels in the context of the call.
type operation struct {
	pages  bool                       // one request for each page
	many   bool                       // as many requests as a rewrite takes
	accept func(*http.Response) error // judges an answer that is no refusal; nil: all are good
	upload bool                       // no answer is good before whole
	whole  atomic.Bool                // all of the content was handed over

	sent   bool
	page   string      // of the last request
	header http.Header // of the last answer that is no refusal
	broken error       // what ended the last answer too early
}

type operationKey struct{}

func (o *operation) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, operationKey{}, o)
}

// once returns a context for a call of one request.
func once(ctx context.Context) context.Context { return new(operation).in(ctx) }

var (
	errTwice   = errors.New("a request was about to be sent twice")
	errUnasked = errors.New("a request was about to be sent that nobody asked for")
	errEarly   = errors.New("the store answers before it has the whole object")
)

// finding is an error of this package's own judgement. It hides what it wraps
// from who looks for failures of the network; explain brings it out.
type finding struct{ err error }

func (f *finding) Error() string { return f.err.Error() }

// guard stands between Google's library and the network. It holds the library
// to one request for each operation: its reader would open a broken download
// again by itself, without bound and unseen.
type guard struct {
	next   http.RoundTripper
	agent  string
	prefix string // path of the endpoint, without a slash at its end
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	o, ok := r.Context().Value(operationKey{}).(*operation)
	err := errUnasked
	if ok {
		err = o.admit(r.URL.Query().Get("pageToken"))
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // not sent
		}
		return nil, err
	}
	resp, err := g.next.RoundTrip(g.prepare(r))
	if err != nil {
		return nil, err
	}
	if err := o.judge(resp); err != nil {
		_ = resp.Body.Close() // not read
		return nil, &finding{err}
	}
	resp.Body = watched{resp.Body, o}
	return resp, nil
}

// prepare returns the request as it is sent.
func (g guard) prepare(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.Header.Set("User-Agent", strings.TrimSpace(r.UserAgent()+" "+g.agent))
	// The library knows paths of its own alone: uploads go to the root of the
	// host, whatever the endpoint.
	if g.prefix != "" {
		escaped := r.URL.EscapedPath()
		out.URL.Path = g.prefix + r.URL.Path
		out.URL.RawPath = (&url.URL{Path: g.prefix}).EscapedPath() + escaped
	}
	if r.Body != nil && r.Body != http.NoBody {
		out.Body = revocable{r.Body, r.Context()}
	}
	return out
}

// admit refuses a request that is not the first of its operation or page, for
// the reason why the one before failed.
func (o *operation) admit(page string) error {
	if o.sent && !o.many && (!o.pages || page == o.page) {
		if o.broken != nil {
			return o.broken
		}
		return errTwice
	}
	o.sent, o.page = true, page
	return nil
}

func (o *operation) judge(resp *http.Response) error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil // a refusal is the library's to read
	}
	o.header = resp.Header
	if o.upload && !o.whole.Load() {
		return errEarly
	}
	if o.accept != nil {
		return o.accept(resp)
	}
	return nil
}

// watched is the body of an answer. It remembers what ended it too early.
type watched struct {
	io.ReadCloser
	o *operation
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		w.o.broken = err
	}
	return n, err
}

// revocable is the body of a request. It gives nothing away once the context
// has ended: the library closes the form around a content also if that failed,
// and a store could take a part of it for the whole.
type revocable struct {
	io.ReadCloser
	ctx context.Context //nolint:containedctx // that of the request
}

func (r revocable) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if cerr := r.ctx.Err(); cerr != nil {
		return 0, cerr
	}
	return n, err
}
