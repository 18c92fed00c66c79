package s3

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// countedBody counts the bytes that are read from it.
type countedBody struct {
	providers.Body
	read *atomic.Int64
}

type countedReader struct {
	io.ReadSeekCloser
	read *atomic.Int64
}

func (b countedBody) Open() io.ReadSeekCloser { return countedReader{b.Body.Open(), b.read} }

func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	r.read.Add(int64(n))
	return n, err
}

// The hash of a body is signed, and computed by nobody: the body is read once,
// by the transport, in clear and over TLS.
func TestPutReadsTheBodyOnce(t *testing.T) {
	content := strings.Repeat("segment ", 100_000)
	for _, serve := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
		var signed atomic.Value
		srv := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			signed.Store(r.Header.Get("X-Amz-Content-Sha256"))
			_, _ = io.Copy(io.Discard, r.Body)
		}))
		t.Cleanup(srv.Close)
		t.Setenv("AWS_ACCESS_KEY_ID", "key")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		u, err := url.Parse("s3://bucket?region=us-east-1&endpoint=" + srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := Open(t.Context(), u, providers.Options{
			Transport: func(http.RoundTripper) http.RoundTripper { return srv.Client().Transport },
		})
		if err != nil {
			t.Fatal(err)
		}
		body := countedBody{providers.Bytes([]byte(content)), &atomic.Int64{}}
		if err := b.Put(t.Context(), "key", body); err != nil {
			t.Fatal(err)
		}
		if body.read.Load() != int64(len(content)) {
			t.Errorf("%s: %d bytes of the body were read, it has %d", srv.URL, body.read.Load(), len(content))
		}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(content))); signed.Load() != want {
			t.Errorf("%s: signed payload hash %v, want %s", srv.URL, signed.Load(), want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
