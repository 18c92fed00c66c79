//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// What a proxy does with a PUT.
type action int

const (
	pass action = iota
	drop        // hold it, and never carry it out
	gate        // hold it, then carry it out
	mute        // carry it out, then hold its answer
)

// proxy stands before a store, knows every object that is stored, and may hold
// some.
type proxy struct {
	server *httptest.Server
	target *url.URL

	mu      sync.Mutex
	puts    []string // keys in the order in which they came
	hold    func(n int, key string) action
	held    chan string   // gets the key of each PUT that is held
	release chan struct{} // closed to let them go on
}

func newProxy(t *testing.T, endpoint string) *proxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	target.Path = "" // that of the request has it
	p := &proxy{target: target}
	p.reset(nil)
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if r.In.Header.Get("X-Amz-Date") != "" {
			r.Out.Host = r.In.Host // it is part of the signature
		}
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

// stored returns the key of the object that a request stores: S3 and Azure
// have it in the path, GCS as a parameter.
func stored(r *http.Request) (key string, ok bool) {
	place := r.URL.Path
	if name := r.URL.Query().Get("name"); r.Method == http.MethodPost && strings.HasPrefix(place, "/upload/") && name != "" {
		place = "/" + storeBucket + "/" + name
	} else if r.Method != http.MethodPut {
		return "", false
	}
	_, key, ok = strings.Cut(place, "/"+storeBucket+"/")
	return key, ok
}

// note counts a request and tells what is done with it, and until when.
func (p *proxy) note(r *http.Request) (what action, release chan struct{}) {
	key, ok := stored(r)
	if !ok {
		return pass, nil
	}
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

// through returns the URL of a vault with the proxy before its store.
func (p *proxy) through(vault string) string {
	return strings.ReplaceAll(vault, url.QueryEscape(p.target.Host), url.QueryEscape(strings.TrimPrefix(p.server.URL, "http://")))
}
