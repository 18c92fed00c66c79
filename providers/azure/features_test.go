package azure

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

// watched is a body that tells when it is read.
type watched struct {
	providers.Body
	read func()
}

func (w watched) Open() io.ReadSeekCloser { return watchedReader{w.Body.Open(), w.read} }

type watchedReader struct {
	io.ReadSeekCloser
	read func()
}

func (r watchedReader) Read(p []byte) (int, error) {
	r.read()
	return r.ReadSeekCloser.Read(p)
}

// features opens a vault at a server that answers with headers and a body.
func features(t *testing.T, header map[string]string, body string) (*Bucket, *recorder) {
	t.Helper()
	server := record(t, func(w http.ResponseWriter, r *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		if r.URL.Query().Get("comp") == "list" {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = io.WriteString(w, body) // the client may have gone
		}
	})
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	return open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{}), server
}

func TestLocks(t *testing.T) {
	for enabled, want := range map[string]error{"true": nil, "false": providers.ErrUnsupported, "": providers.ErrUnsupported} {
		header := map[string]string{}
		if enabled != "" {
			header["x-ms-immutable-storage-with-versioning-enabled"] = enabled
		}
		b, _ := features(t, header, "")
		for _, mode := range []providers.LockMode{providers.LockGovernance, providers.LockCompliance} {
			err := b.CheckLock(t.Context(), mode)
			e, _ := errors.AsType[*providers.Error](err)
			if !errors.Is(err, want) || want != nil && !strings.Contains(e.Hint, "--enable-vlw") {
				t.Errorf("%s with %q: %v", mode, enabled, err)
			}
		}
	}
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	for mode, want := range map[string]providers.Lock{
		"locked": {Mode: providers.LockCompliance, Until: until}, "unlocked": {Mode: providers.LockGovernance, Until: until}, "Mutable": {}, "": {},
	} {
		header := map[string]string{}
		if mode != "" {
			header["x-ms-immutability-policy-mode"], header["x-ms-immutability-policy-until-date"] = mode, "Sat, 02 Jan 2027 03:04:05 GMT"
		}
		b, server := features(t, header, "")
		got, err := b.LockOf(t.Context(), "a/b")
		if err != nil || got != want {
			t.Errorf("mode %q: %+v, %v", mode, got, err)
		}
		if r := server.last(t); r.Method != http.MethodHead || r.URL.Path != "/vault/a/b" {
			t.Errorf("asked by %s %s", r.Method, r.URL)
		}
	}
}

func versionItem(name, id string, current bool, size int) string {
	out := "<Blob><Name>" + name + "</Name>"
	if id != "" {
		out += "<VersionId>" + id + "</VersionId>"
	}
	if current {
		out += "<IsCurrentVersion>true</IsCurrentVersion>"
	}
	return out + fmt.Sprintf("<Properties><Creation-Time>Wed, 25 Nov 2026 00:00:00 GMT</Creation-Time><Last-Modified>Thu, 26 Nov 2026 00:00:00 GMT</Last-Modified>"+
		"<Content-Length>%d</Content-Length></Properties></Blob>", size)
}

func TestVersions(t *testing.T) {
	const first, second, third = "2026-11-25T00:00:00.0000001Z", "2026-11-25T00:00:00.0000002Z", "2026-11-26T00:00:00.0000000Z"
	b, server := features(t, nil, "<?xml version=\"1.0\"?><EnumerationResults><Blobs>"+versionItem("a", "", true, 9)+
		versionItem("b", third, true, 3)+versionItem("b", first, false, 1)+versionItem("b", second, false, 2)+versionItem("c", second, false, 4)+"</Blobs></EnumerationResults>")
	var got []string
	for v, err := range b.Versions(t.Context(), "b") {
		if err != nil {
			t.Fatal(err)
		}
		if v.Created != time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC) {
			t.Errorf("%+v was created at another time", v)
		}
		got = append(got, fmt.Sprintf("%s %d %s %v", v.Key, v.Size, v.ID, v.Current))
	}
	want := []string{"a 9  true", "b 1 " + first + " false", "b 2 " + second + " false", "b 3 " + third + " true", "c 4 " + second + " false"}
	if !slices.Equal(got, want) {
		t.Errorf("versions\n%q, want\n%q", got, want)
	}
	if q := server.last(t).URL.Query(); q.Get("include") != "versions" || q.Get("prefix") != "b" {
		t.Errorf("asked for %v", q)
	}
	r, err := b.GetVersion(t.Context(), providers.Version{Object: providers.Object{Key: "b"}, ID: first}, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close() // empty
	if q := server.last(t).URL.Query(); q.Get("versionid") != first {
		t.Errorf("asked for %v", q)
	}
	for range b.Versions(t.Context(), "") {
		break // and nothing breaks
	}
}

func TestVersionsOutOfOrder(t *testing.T) {
	b, _ := features(t, nil, "<?xml version=\"1.0\"?><EnumerationResults><Blobs>"+versionItem("b", "1", true, 1)+versionItem("a", "1", true, 1)+"</Blobs></EnumerationResults>")
	var failure error
	for _, failure = range b.Versions(t.Context(), "") {
	}
	if !errors.Is(failure, providers.ErrUnsupported) {
		t.Errorf("listed: %v", failure)
	}
}

func TestInspect(t *testing.T) {
	const versioned = "<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>a</Name><VersionId>2026</VersionId></Blob></Blobs></EnumerationResults>"
	const plain = "<?xml version=\"1.0\"?><EnumerationResults><Blobs></Blobs></EnumerationResults>"
	for _, test := range []struct {
		name                     string
		header                   map[string]string
		body                     string
		versioning, public, lock providers.State
		encryption               string
	}{
		{"plain", nil, plain, providers.Unknown, providers.Off, providers.Off, "AES-256"},
		{"versions", nil, versioned, providers.On, providers.Off, providers.Off, "AES-256"},
		{"locks", map[string]string{"x-ms-immutable-storage-with-versioning-enabled": "true"}, plain, providers.On, providers.Off, providers.On, "AES-256"},
		{"public", map[string]string{"x-ms-blob-public-access": "container"}, plain, providers.Unknown, providers.On, providers.Off, "AES-256"},
		{"scope", map[string]string{"x-ms-default-encryption-scope": "scope1"}, plain, providers.Unknown, providers.Off, providers.Off, "encryption scope scope1"},
		{"folders", map[string]string{"x-ms-is-hns-enabled": "true"}, plain, providers.Off, providers.Off, providers.Off, "AES-256"},
	} {
		b, server := features(t, test.header, test.body)
		got, err := b.Inspect(t.Context())
		if err != nil || got.Region != "" || got.Versioning.State != test.versioning || got.Public.State != test.public || got.Lock.State != test.lock ||
			got.Encryption.State != providers.On || !strings.Contains(got.Encryption.Detail, test.encryption) {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
		for _, r := range server.got {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				t.Errorf("%s: inspecting sends %s", test.name, r.Method)
			}
		}
	}
}

// TestInspectWithoutRights: what is not told is unknown; the clock is told in
// any answer.
func TestInspectWithoutRights(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Wed, 25 Nov 2026 01:02:03 GMT")
		w.Header().Set("x-ms-error-code", "AuthorizationPermissionMismatch")
		w.WriteHeader(http.StatusForbidden)
	})
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{})
	got, err := b.Inspect(t.Context())
	if err != nil || got.Public.State != providers.Unknown || got.Lock.State != providers.Unknown || got.Versioning.State != providers.Unknown {
		t.Errorf("%+v, %v", got, err)
	}
	now, err := b.ServerTime(t.Context())
	if err != nil || now != time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC) {
		t.Errorf("clock: %v, %v", now, err)
	}
	if err := b.CheckLock(t.Context(), providers.LockGovernance); !errors.Is(err, providers.ErrDenied) {
		t.Errorf("lock: %v", err)
	}
}

// TestRealFeatures asks the emulator, which has neither versions nor locks.
func TestRealFeatures(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	b := open(t, server.URL("vault", ""), providers.Options{})
	if err := b.Put(t.Context(), "a", providers.Bytes([]byte("content"))); err != nil {
		t.Fatal(err)
	}
	n := 0
	for v, err := range b.Versions(t.Context(), "") {
		if n++; err != nil || v.Key != "a" || v.ID != "" || !v.Current {
			t.Errorf("%+v, %v", v, err)
		}
		r, err := b.GetVersion(t.Context(), v, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != "nte" || r.Close() != nil {
			t.Errorf("read %q, %v", got, err)
		}
	}
	if lock, err := b.LockOf(t.Context(), "a"); n != 1 || err != nil || !lock.IsZero() {
		t.Errorf("%d versions, lock %+v, %v", n, lock, err)
	}
	if _, err := b.LockOf(t.Context(), "missing"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("lock of nothing: %v", err)
	}
	if err := b.CheckLock(t.Context(), providers.LockCompliance); !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("locks: %v", err)
	}
	if got, err := b.Inspect(t.Context()); err != nil || got.Public.State != providers.Off || got.Encryption.State != providers.On {
		t.Errorf("%+v, %v", got, err)
	}
	if now, err := b.ServerTime(t.Context()); err != nil || time.Since(now).Abs() > time.Minute {
		t.Errorf("clock: %v, %v", now, err)
	}
}

var (
	_ providers.AfterLister = (*Bucket)(nil)
	_ providers.Locker      = (*Bucket)(nil)
	_ providers.Versioner   = (*Bucket)(nil)
	_ providers.Inspector   = (*Bucket)(nil)
	_ providers.Overwriter  = (*Bucket)(nil)
	_ providers.Ruler       = (*Bucket)(nil)
	_ providers.Copier      = (*Bucket)(nil)
	_ providers.Holder      = (*Bucket)(nil)
	_ providers.Thawer      = (*Bucket)(nil)
)
