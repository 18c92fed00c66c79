package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
)

// What a proxy does with a PUT.
type action int

const (
	pass action = iota
	drop        // hold it, and never carry it out
	gate        // hold it, then carry it out
	mute        // carry it out, then hold its answer
)

// proxy stands before an S3 server, knows every PUT, and may hold some.
type proxy struct {
	server *httptest.Server

	mu      sync.Mutex
	puts    []string // keys in the order in which they came
	hold    func(n int, key string) action
	held    chan string   // gets the key of each PUT that is held
	release chan struct{} // closed to let them go on
}

func newProxy(t *testing.T, s *testenv.S3Server) *proxy {
	t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.reset(nil)
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is part of the signature
	}, ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}} // the client was killed
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, release := p.note(r)
		if what == drop || what == gate {
			<-release
		}
		if what == drop {
			return
		}
		forward.ServeHTTP(w, r)
		if what == mute {
			<-release
		}
	}))
	t.Cleanup(func() {
		p.reset(nil)
		p.server.Close()
	})
	return p
}

// note counts a request and tells what is done with it, and until when.
func (p *proxy) note(r *http.Request) (what action, release chan struct{}) {
	if r.Method != http.MethodPut {
		return pass, nil
	}
	key := strings.TrimPrefix(r.URL.Path, "/bucket/vault/")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.puts = append(p.puts, key)
	if p.hold != nil {
		what = p.hold(len(p.puts), key)
	}
	if what != pass {
		p.held <- key // has room for more than ever come
	}
	return what, p.release
}

// reset forgets all PUTs, lets go what is held, and sets what is held next.
func (p *proxy) reset(hold func(n int, key string) action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.release != nil {
		close(p.release)
	}
	p.puts, p.hold, p.held, p.release = nil, hold, make(chan string, 1000), make(chan struct{})
}

func (p *proxy) keys() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.puts...)
}

func (p *proxy) url(bucket, prefix string) string {
	return "s3://" + bucket + "/" + prefix + "?endpoint=" + url.QueryEscape(p.server.URL) + "&region=us-east-1"
}
