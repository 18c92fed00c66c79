package gcs_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

// TestBrokenDownloadIsNotReopened: Google's reader would do so, unseen.
func TestBrokenDownloadIsNotReopened(t *testing.T) {
	content := providertest.Noise(100_000)
	for name, end := range map[string]func(w http.ResponseWriter){
		"cut":   func(http.ResponseWriter) {},
		"reset": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.Header().Set("Content-Length", "100000")
				_, _ = w.Write(content[:60_000]) // the client may have gone
				http.NewResponseController(w).Flush()
				end(w)
			}))
			b := openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, providers.Options{})
			closeAtEnd(t, b)
			r, err := b.Get(t.Context(), "a", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			wantError(t, err, io.ErrUnexpectedEOF, "get", "")
			if !bytes.Equal(got, content[:60_000]) || !strings.Contains(err.Error(), "40000 bytes are missing") || providers.Permanent(err) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			server.Close() // waits
			if requests != 1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

// TestEarlyAnswer: an answer that does not wait for the whole object ends the
// Put, and is not believed.
func TestEarlyAnswer(t *testing.T) {
	content := providertest.Noise(8 << 20)
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1000) // a part
		_, _ = io.WriteString(w, stored(content)) // the client may have gone
		http.NewResponseController(w).Flush()
		<-over
	}))
	defer server.Close()
	defer close(over)
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, providers.Options{})
	closeAtEnd(t, b)
	err := b.Put(t.Context(), "a", providers.Bytes(content))
	if err == nil || providers.Permanent(err) || !strings.Contains(err.Error(), "before it has the whole object") {
		t.Errorf("%v, permanent: %v", err, providers.Permanent(err))
	}
}

var errSource = errors.New("the source broke")

// breaking is a body that can be read once, for its checksum; then reads fail
// from a place on.
type breaking struct {
	providers.Body
	at     int64
	opened bool
}

func (b *breaking) Open() io.ReadSeekCloser {
	if !b.opened {
		b.opened = true
		return b.Body.Open()
	}
	return &breakingReader{b.Body.Open(), b.at}
}

type breakingReader struct {
	io.ReadSeekCloser
	left int64
}

func (r *breakingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errSource
	}
	n, err := r.ReadSeekCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// TestBrokenBodyIsNoObject: of a content that fails half way the store never
// sees the end of the form, which it could take for the end of the object.
func TestBrokenBodyIsNoObject(t *testing.T) {
	const times = 30
	body := providers.Bytes(providertest.Noise(2 << 20))
	ends := make(chan error, times)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		parts := multipart.NewReader(r.Body, params["boundary"])
		for err == nil {
			var part *multipart.Part
			if part, err = parts.NextPart(); err == nil {
				_, err = io.Copy(io.Discard, part)
			}
		}
		ends <- err
	}))
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, providers.Options{})
	closeAtEnd(t, b)
	for range times {
		err := b.Put(t.Context(), "a", &breaking{Body: body, at: 1 << 20})
		if !errors.Is(err, errSource) {
			t.Fatal(err)
		}
	}
	server.Close() // waits
	close(ends)
	if len(ends) == 0 {
		t.Error("the store got nothing at all")
	}
	for end := range ends {
		if end == nil || errors.Is(end, io.EOF) {
			t.Error("the store got a whole form")
		}
	}
}

// TestUncheckedObject: what does not say which object it has stored is not
// believed, not even about nothing, whose checksum is 0.
func TestUncheckedObject(t *testing.T) {
	rec := newRecorder(t)
	rec.answer = func(w http.ResponseWriter, _ received) { _, _ = io.WriteString(w, "{}") } // the client may have gone
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
	closeAtEnd(t, b)
	wantError(t, b.Put(t.Context(), "a", providers.Bytes(nil)), providers.ErrChecksum, "put", "remove the object gs://vault/a")
}

// TestPathOfTheEndpoint is in all requests, also those of uploads, which the
// library sends to the root of a host.
func TestPathOfTheEndpoint(t *testing.T) {
	rec := newRecorder(t)
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL+"/a%20b/c/", providers.Options{})
	closeAtEnd(t, b)
	_ = operations(t.Context(), b) // only what is sent counts
	want := map[string]string{http.MethodPost: "/a%20b/c/upload/storage/v1/b/vault/o", http.MethodDelete: "/a%20b/c/storage/v1/b/vault/o/a%2Fb"}
	for _, r := range rec.requests() {
		path := r.URL.EscapedPath()
		if w := want[r.Method]; w != "" && path != w || !strings.HasPrefix(path, "/a%20b/c/") {
			t.Errorf("%s %s", r.Method, path)
		}
	}
}
