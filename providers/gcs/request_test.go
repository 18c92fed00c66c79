package gcs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGuard: one request for each operation, or for each page of a listing.
func TestGuard(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		o     *operation
		pages []string
		want  error // of the last request
	}{
		"one":                 {new(operation), []string{""}, nil},
		"two":                 {new(operation), []string{"", ""}, errTwice},
		"two pages, unasked":  {new(operation), []string{"", "a"}, errTwice},
		"pages":               {&operation{pages: true}, []string{"", "a", "b"}, nil},
		"a page twice":        {&operation{pages: true}, []string{"", "a", "a"}, errTwice},
		"the first page back": {&operation{pages: true}, []string{"", ""}, errTwice},
		"after a break":       {&operation{broken: broken}, []string{"", ""}, broken},
		"nobody's":            {nil, []string{""}, errUnasked},
	} {
		t.Run(name, func(t *testing.T) {
			g := guard{next: answering("{}"), agent: "snapferry"}
			ctx := t.Context()
			if test.o != nil {
				ctx = test.o.in(ctx)
			}
			for i, page := range test.pages {
				body := &closing{Reader: strings.NewReader("x")}
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/?pageToken="+page, body)
				resp, err := g.RoundTrip(r)
				if i < len(test.pages)-1 && err != nil || i == len(test.pages)-1 && !errors.Is(err, test.want) {
					t.Errorf("request %d: %v", i, err)
				}
				if err != nil && !body.closed {
					t.Error("the body of a refused request stays open")
				}
				if err == nil {
					_ = resp.Body.Close() // not read
				}
			}
		})
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// TestRevokedBody: what is read when the context has ended is not given away.
func TestRevokedBody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := revocable{io.NopCloser(strings.NewReader("abc")), ctx}
	p := make([]byte, 1)
	if n, err := r.Read(p); n != 1 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	cancel()
	if n, err := r.Read(p); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}
