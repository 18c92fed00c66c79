// Package faults makes stores fail on purpose. It serves tests: a transport
// that does to requests what networks and clouds do to them, and a Bucket that
// fails in the ways the contract allows. Which requests are hit depends on a
// seed alone, so that a failure can be repeated.
package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
)

// Kind is a way a request fails.
type Kind int

// The faults of a Transport.
const (
	ResetBefore   Kind = iota // the connection breaks before anything is sent
	ResetMidway               // it breaks when about half of the request's body is sent
	LostAnswer                // the request is carried out, its answer is lost
	ServerError               // status 500, InternalError
	SlowDown                  // status 503, SlowDown
	Conflict                  // status 409, ConditionalRequestConflict
	BadSent                   // one byte of the request's body changes on the way
	TruncatedBody             // the answer's body ends half way, as a clean end
	ResetBody                 // the connection breaks half way through the answer's body
	BadReceived               // one byte of the answer's body changes on the way
	kinds
)

func (k Kind) String() string {
	names := [kinds]string{"reset before", "reset midway", "lost answer", "server error", "slow down", "conflict",
		"bad sent", "truncated body", "reset body", "bad received"}
	if k < 0 || k >= kinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return names[k]
}

// Rule hits the requests it matches.
type Rule struct {
	Kind Kind
	// Match chooses requests; nil takes all.
	Match func(*http.Request) bool
	// Probability is the chance of each match to be hit; zero means always.
	Probability float64
	// Times is how many requests are hit at most; zero means no limit.
	Times int
}

// Method returns a Match for requests of an HTTP method.
func Method(method string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method }
}

// Transport injects faults into another. The first rule that hits a request
// decides.
type Transport struct {
	mu    sync.Mutex // guards what follows
	rules []Rule
	rand  *rand.Rand
	hits  [kinds]int
}

// NewTransport makes a transport with rules; hits of the same seed and order
// of requests are the same.
func NewTransport(seed uint64, rules ...Rule) *Transport {
	return &Transport{rules: rules, rand: rand.New(rand.NewPCG(seed, seed))}
}

// Wrap puts t before next and returns it; it has the form of
// providers.Options.Transport.
func (t *Transport) Wrap(next http.RoundTripper) http.RoundTripper {
	return wrapped{t, next}
}

// Hits returns how many requests had a fault of the kind.
func (t *Transport) Hits(k Kind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hits[k]
}

// Total returns how many requests had a fault.
func (t *Transport) Total() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hits {
		n += h
	}
	return n
}

func (t *Transport) choose(r *http.Request) (Kind, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.rules {
		rule := &t.rules[i]
		if rule.Match != nil && !rule.Match(r) || rule.Times < 0 || rule.Probability > 0 && t.rand.Float64() >= rule.Probability {
			continue
		}
		if rule.Times > 0 {
			if rule.Times--; rule.Times == 0 {
				rule.Times = -1 // used up
			}
		}
		t.hits[rule.Kind]++
		return rule.Kind, true
	}
	return 0, false
}

type wrapped struct {
	t    *Transport
	next http.RoundTripper
}

func (w wrapped) RoundTrip(r *http.Request) (*http.Response, error) {
	kind, hit := w.t.choose(r)
	if !hit {
		return w.next.RoundTrip(r)
	}
	switch kind {
	case ResetBefore:
		closeBody(r)
		return nil, reset("before the request")
	case ServerError:
		return refuse(r, http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
	case SlowDown:
		return refuse(r, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	case Conflict:
		return refuse(r, http.StatusConflict, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation.")
	case ResetMidway, BadSent:
		return w.next.RoundTrip(withBody(r, kind))
	case LostAnswer:
		resp, err := w.next.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close() // lost
			err = reset("before the answer")
		}
		return nil, err
	default:
		resp, err := w.next.RoundTrip(r)
		if err == nil {
			resp.Body = &brokenBody{ReadCloser: resp.Body, kind: kind, at: half(resp.ContentLength)}
		}
		return resp, err
	}
}

func reset(when string) error {
	return fmt.Errorf("injected %s: %w", when, syscall.ECONNRESET)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // not sent
	}
}

// refuse answers without sending the request, as S3 does.
func refuse(r *http.Request, status int, code, message string) (*http.Response, error) {
	closeBody(r)
	body := fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>INJECTED</RequestId></Error>", code, message)
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/xml"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func withBody(r *http.Request, kind Kind) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	out := r.Clone(r.Context())
	out.Body = &brokenBody{ReadCloser: r.Body, kind: kind, at: half(r.ContentLength)}
	return out
}

func half(length int64) int64 { return max(length, 0) / 2 }

// brokenBody fails or lies from a place on.
type brokenBody struct {
	io.ReadCloser
	kind Kind
	at   int64
	done bool
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.done {
		return b.ReadCloser.Read(p)
	}
	changes := b.kind == BadSent || b.kind == BadReceived
	if b.at == 0 && !changes {
		if b.kind == TruncatedBody {
			return 0, io.EOF
		}
		return 0, reset("in a body")
	}
	if !changes {
		p = p[:min(int64(len(p)), b.at)]
	}
	n, err := b.ReadCloser.Read(p)
	if changes && int64(n) > b.at {
		p[b.at] ^= 0x40
		b.done = true
	}
	b.at -= min(int64(n), b.at)
	return n, err
}
