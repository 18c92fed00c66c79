package azure

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

// recorder answers all requests alike and keeps them.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	got    []*http.Request
	bodies [][]byte
}

func record(t *testing.T, answer http.HandlerFunc) *recorder {
	t.Helper()
	r := new(recorder)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body) // whatever comes
		r.mu.Lock()
		r.got, r.bodies = append(r.got, req), append(r.bodies, body)
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func created(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }

func (r *recorder) last(t *testing.T) *http.Request {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) == 0 {
		t.Fatal("no request came")
	}
	return r.got[len(r.got)-1]
}

// TestPutRequest looks at what is sent: where to, as whom, how often, and with
// which promises.
func TestPutRequest(t *testing.T) {
	until := time.Date(2027, 1, 2, 3, 4, 5, 1, time.FixedZone("", 3600))
	attributes := map[string]providers.Attributes{
		"p/data":       {Bulk: true},
		"p/governance": {Lock: providers.Lock{Mode: providers.LockGovernance, Until: until}},
		"p/compliance": {Bulk: true, Lock: providers.Lock{Mode: providers.LockCompliance, Until: until}},
	}
	sum := make([]byte, 8)
	binary.LittleEndian.PutUint64(sum, crc64.Checksum([]byte("abc"), crc64.MakeTable(crcPolynomial)))
	const date = "Sat, 02 Jan 2027 02:04:06 GMT" // never before until
	for key, want := range map[string]map[string]string{
		"p/plain":      {"x-ms-access-tier": "", "x-ms-immutability-policy-mode": "", "x-ms-immutability-policy-until-date": ""},
		"p/data":       {"x-ms-access-tier": "Cold", "x-ms-immutability-policy-mode": "", "x-ms-immutability-policy-until-date": ""},
		"p/governance": {"x-ms-access-tier": "", "x-ms-immutability-policy-mode": "Unlocked", "x-ms-immutability-policy-until-date": date},
		"p/compliance": {"x-ms-access-tier": "Cold", "x-ms-immutability-policy-mode": "Locked", "x-ms-immutability-policy-until-date": date},
	} {
		for _, anonymous := range []bool{false, true} {
			server := record(t, created)
			environment(t, "AZURE_STORAGE_KEY="+plantedKey)
			b := open(t, fmt.Sprintf("azblob://vault/p?storage_account=acme&access_tier=cold&encryption_scope=scope1&anonymous=%v&endpoint=%s/acme", anonymous, server.URL),
				providers.Options{UserAgent: "snapferry/1.2", Attributes: func(key string) providers.Attributes { return attributes[key] }})
			if err := b.Put(t.Context(), key, providers.Bytes([]byte("abc"))); err != nil {
				t.Fatal(err)
			}
			r := server.last(t)
			want["If-None-Match"], want["x-ms-content-crc64"], want["x-ms-blob-type"] = "*", base64.StdEncoding.EncodeToString(sum), "BlockBlob"
			want["x-ms-encryption-scope"], want["x-ms-version"], want["Content-MD5"] = "scope1", "2026-12-06", ""
			for name, value := range want {
				if got := r.Header.Get(name); got != value {
					t.Errorf("%s: %s is %q, want %q", key, name, got, value)
				}
			}
			authorization := r.Header.Get("Authorization")
			if len(server.got) != 1 || r.Method != http.MethodPut || r.URL.Path != "/acme/vault/"+key || r.ContentLength != 3 || string(server.bodies[0]) != "abc" ||
				!strings.Contains(r.UserAgent(), "snapferry/1.2") || strings.HasPrefix(authorization, "SharedKey acme:") == anonymous || r.URL.RawQuery != "" {
				t.Errorf("%d requests, %s %s, %d bytes, %q, signed: %q", len(server.got), r.Method, r.URL, r.ContentLength, r.UserAgent(), authorization)
			}
		}
	}
}

// TestOverwriteRequest: no condition, no lock, the same checksum.
func TestOverwriteRequest(t *testing.T) {
	server := record(t, created)
	environment(t, "AZURE_STORAGE_SAS_TOKEN="+plantedSAS, "AZURE_STORAGE_ACCOUNT=acme", "AZURE_STORAGE_PROTOCOL=http",
		"AZURE_STORAGE_DOMAIN="+strings.TrimPrefix(server.URL, "http://"))
	b := open(t, "azblob://vault", providers.Options{})
	if err := b.Overwrite(t.Context(), "a", providers.Bytes([]byte("abc"))); err != nil {
		t.Fatal(err)
	}
	r := server.last(t)
	if r.Header.Get("If-None-Match") != "" || r.Header.Get("x-ms-content-crc64") == "" || r.Header.Get("Authorization") != "" || r.URL.Query().Get("sig") == "" {
		t.Errorf("sent %v to %v", r.Header, r.URL)
	}
	if _, ok := providers.Feature[providers.Overwriter](providers.Decorate(b, providers.Policy{})); !ok {
		t.Error("the decorators hide the feature")
	}
}

// TestPutIsOneTransfer: the checksum is no transfer, so that a body counts
// once, and comes as it was.
func TestPutIsOneTransfer(t *testing.T) {
	content := bytes.Repeat([]byte("segment "), 1<<17)
	server := record(t, created)
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	m := new(providers.Metrics)
	b := providers.Decorate(open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{}), providers.Policy{Metrics: m, Tries: 1})
	if err := b.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	if up := m.Snapshot().BytesUp; up != int64(len(content)) || !bytes.Equal(server.bodies[0], content) {
		t.Errorf("%d bytes are counted of %d, %d came", up, len(content), len(server.bodies[0]))
	}
}

// TestBodyIsLeftAloneMidway: nothing reads a body after a Put that ended while
// it was sent.
func TestBodyIsLeftAloneMidway(t *testing.T) {
	stop := make(chan struct{})
	began := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 64<<10)) // and no more
		began <- struct{}{}
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{})
	for range 5 {
		content := make([]byte, 16<<20)
		var returned atomic.Bool
		var late atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- b.Put(ctx, "a", watched{providers.Bytes(content), func() {
				if returned.Load() {
					late.Add(1)
				}
			}})
		}()
		<-began
		cancel()
		if err := <-done; !providers.Permanent(err) {
			t.Errorf("put: %v", err)
		}
		returned.Store(true)
		clear(content) // the race detector sees a reader that is still at work
		if late.Load() > 0 {
			t.Errorf("%d reads after put had returned", late.Load())
		}
	}
}

// TestListAfterRequest: a listing goes on in the middle, page by page, also at
// a store that begins at the start again.
func TestListAfterRequest(t *testing.T) {
	page := func(names []string, next string) string {
		out := `<?xml version="1.0"?><EnumerationResults><Blobs>`
		for _, name := range names {
			out += "<Blob><Name>" + name + "</Name></Blob>"
		}
		return out + "</Blobs><NextMarker>" + next + "</NextMarker></EnumerationResults>"
	}
	server := record(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		body := page([]string{"p/a", "p/b"}, "m1")
		if r.URL.Query().Get("marker") == "m1" {
			body = page([]string{"p/c", "p/d"}, "")
		}
		_, _ = io.WriteString(w, body) // the client may have gone
	})
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{})
	for after, want := range map[string]string{"": "p/a p/b p/c p/d", "p/b": "p/c p/d", "p/bb": "p/c p/d", "p/d": ""} {
		var got []string
		for o, err := range providers.ListAfter(t.Context(), providers.Decorate(b, providers.Policy{Tries: 1}), "p/", after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o.Key)
		}
		q := server.last(t).URL.Query()
		if strings.Join(got, " ") != want || q.Get("startFrom") != after || q.Get("prefix") != "p/" || q.Get("marker") != "m1" {
			t.Errorf("after %q listed %q, want %q; asked for %v", after, got, want, q)
		}
	}
}

// TestRealConditions lets the emulator check what it can: the checksum, the
// tier, the condition.
func TestRealConditions(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	b := open(t, server.URL("vault", "")+"&access_tier=Cool", providers.Options{
		Attributes: func(key string) providers.Attributes { return providers.Attributes{Bulk: key == "data"} }})
	for key, tier := range map[string]string{"data": "Cool", "catalog": "Hot"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte(key))); err != nil {
			t.Fatal(err)
		}
		p, err := server.Client().ServiceClient().NewContainerClient("vault").NewBlobClient(key).GetProperties(t.Context(), nil)
		if err != nil || *p.AccessTier != tier || *p.ContentType != "application/octet-stream" {
			t.Errorf("%s is in tier %v, %v", key, p.AccessTier, err)
		}
	}
	if err := b.Overwrite(t.Context(), "data", providers.Bytes([]byte("new"))); err != nil || string(server.Object("vault", "data")) != "new" {
		t.Errorf("overwrite: %v", err)
	}
	// One wrong bit in the table of the checksum, as if one had changed on the way.
	b.crc = crc64.MakeTable(crcPolynomial ^ 1)
	err := b.Put(t.Context(), "wrong", providers.Bytes([]byte("content")))
	if !errors.Is(err, providers.ErrChecksum) || providers.Permanent(err) {
		t.Errorf("wrong checksum: %v", err)
	}
	if got := server.Keys("vault"); len(got) != 2 {
		t.Errorf("left %q", got)
	}
}
