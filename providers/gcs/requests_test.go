package gcs_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

// crc returns the CRC32C of b as the API spells it.
func crc(b []byte) string {
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// stored is the answer to an insert.
func stored(content []byte) string {
	return fmt.Sprintf(`{"crc32c":%q,"size":"%d","generation":"7"}`, crc(content), len(content))
}

// received is what a request of a Put brought.
type received struct {
	*http.Request
	resource map[string]any
	content  []byte
}

// recorder is a store that remembers what it is sent.
type recorder struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex // guards what follows
	got    []received
	answer func(w http.ResponseWriter, r received) // nil: all is well
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	rec := &recorder{t: t}
	rec.Server = httptest.NewServer(http.HandlerFunc(rec.serve))
	t.Cleanup(rec.Close)
	return rec
}

func (rec *recorder) serve(w http.ResponseWriter, r *http.Request) {
	in := received{Request: r}
	if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/related" {
		parts := multipart.NewReader(r.Body, params["boundary"])
		for i := range 2 {
			part, err := parts.NextPart()
			if err != nil {
				rec.t.Errorf("part %d: %v", i, err)
				return
			}
			content, err := io.ReadAll(part)
			if err == nil && i == 0 {
				err = json.Unmarshal(content, &in.resource)
			}
			if err != nil {
				rec.t.Errorf("part %d: %v", i, err)
			}
			in.content = content
		}
		if _, err := parts.NextPart(); err != io.EOF {
			rec.t.Errorf("after the last part: %v", err)
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.got = append(rec.got, in)
	switch {
	case rec.answer != nil:
		rec.answer(w, in)
	case r.Method == http.MethodPost:
		_, _ = io.WriteString(w, stored(in.content)) // the client may have gone
	default:
		_, _ = io.WriteString(w, "{}") // the client may have gone
	}
}

// requests returns what has come since the last call.
func (rec *recorder) requests() []received {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	got := rec.got
	rec.got = nil
	return got
}

// TestPutRequest looks at what is sent: one request that creates and never
// overwrites, with all the store needs to check the bytes.
func TestPutRequest(t *testing.T) {
	rec := newRecorder(t)
	m := new(providers.Metrics)
	b := providers.Decorate(openURL(t, "gs://vault/p?anonymous=true&endpoint="+rec.URL, providers.Options{UserAgent: "snapferry/1.2"}),
		providers.Policy{Metrics: m, Tries: 1})
	closeAtEnd(t, b)
	content := providertest.Noise(300_000)
	if err := b.Put(t.Context(), "p/a.b", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	got := rec.requests()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	r := got[0]
	want := map[string]string{"uploadType": "multipart", "name": "p/a.b", "ifGenerationMatch": "0", "alt": "json", "projection": "full", "prettyPrint": "false"}
	for name, v := range want {
		if r.URL.Query().Get(name) != v {
			t.Errorf("%s is %q, want %q", name, r.URL.Query().Get(name), v)
		}
	}
	if len(r.URL.Query()) != len(want) || r.Method != http.MethodPost || r.URL.Path != "/upload/storage/v1/b/vault/o" {
		t.Errorf("%s %s", r.Method, r.URL)
	}
	if r.Header.Get("Authorization") != "" || !strings.HasSuffix(r.UserAgent(), " snapferry/1.2") {
		t.Errorf("authorization %q, agent %q", r.Header.Get("Authorization"), r.UserAgent())
	}
	if string(r.content) != string(content) {
		t.Error("other bytes were sent")
	}
	body := providers.Bytes(content)
	resource, _ := json.Marshal(r.resource) // was parsed
	if want := fmt.Sprintf(`{"bucket":"vault","contentType":"application/octet-stream","crc32c":%q,"metadata":{"sha256":"%x"},"name":"p/a.b"}`, crc(content), body.SHA256()); string(resource) != want {
		t.Errorf("resource %s, want %s", resource, want)
	}
	// The checksum is computed past what counts and limits transfers.
	if up := m.Snapshot().BytesUp; up != int64(len(content)) {
		t.Errorf("%d bytes were counted of %d", up, len(content))
	}
}

// TestParametersInRequests: what the URL says is in every request it concerns.
func TestParametersInRequests(t *testing.T) {
	rec := newRecorder(t)
	key := "projects/p/locations/l/keyRings/r/cryptoKeys/k"
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	o := providers.Options{Attributes: func(k string) providers.Attributes {
		switch k {
		case "bulk":
			return providers.Attributes{Bulk: true, Lock: providers.Lock{Mode: providers.LockCompliance, Until: until}}
		case "held":
			return providers.Attributes{Lock: providers.Lock{Mode: providers.LockGovernance, Until: until}}
		}
		return providers.Attributes{}
	}}
	b := openURL(t, "gs://vault?anonymous=true&user_project=payer&storage_class=coldline&kms_key="+key+"&endpoint="+rec.URL, o)
	closeAtEnd(t, b)
	for object, want := range map[string][2]string{ // storage class, retention
		"bulk": {`"COLDLINE"`, `{"mode":"Locked","retainUntilTime":"2027-01-02T02:04:05Z"}`},
		"held": {`null`, `{"mode":"Unlocked","retainUntilTime":"2027-01-02T02:04:05Z"}`},
		"free": {`null`, `null`},
	} {
		if err := b.Put(t.Context(), object, providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		r := rec.requests()[0]
		class, _ := json.Marshal(r.resource["storageClass"])
		retention, _ := json.Marshal(r.resource["retention"])
		if string(class) != want[0] || string(retention) != want[1] || r.URL.Query().Get("kmsKeyName") != key {
			t.Errorf("%s: class %s, retention %s, key %q", object, class, retention, r.URL.Query().Get("kmsKeyName"))
		}
		if r.URL.Query().Get("userProject") != "payer" {
			t.Errorf("put %s names no payer", object)
		}
	}
	_ = operations(t.Context(), b) // only what is sent counts
	feature[providers.Locker](t, b).CheckLock(t.Context(), providers.LockGovernance)
	_, _ = feature[providers.Locker](t, b).LockOf(t.Context(), "a")
	_, _ = feature[providers.Inspector](t, b).Inspect(t.Context())
	_, _ = feature[providers.Inspector](t, b).ServerTime(t.Context())
	_ = feature[providers.Overwriter](t, b).Overwrite(t.Context(), "a", providers.Bytes(nil))
	for range feature[providers.Versioner](t, b).Versions(t.Context(), "") {
		break
	}
	got := rec.requests()
	if len(got) < 11 {
		t.Errorf("%d requests", len(got))
	}
	for _, r := range got {
		if r.URL.Query().Get("userProject") != "payer" {
			t.Errorf("%s %s names no payer", r.Method, r.URL)
		}
	}
}

// TestOverwriteHasNoCondition: it asks the store to break the rule.
func TestOverwriteHasNoCondition(t *testing.T) {
	rec := newRecorder(t)
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
	closeAtEnd(t, b)
	if err := feature[providers.Overwriter](t, b).Overwrite(t.Context(), "a", providers.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if got := rec.requests(); len(got) != 1 || got[0].URL.Query().Has("ifGenerationMatch") {
		t.Errorf("%d requests, the first %s", len(got), got[0].URL)
	}
}

// TestDamagedOnArrival: a store that keeps other bytes than were sent loses
// them again, or the user is told.
func TestDamagedOnArrival(t *testing.T) {
	for _, test := range []struct {
		name      string
		removed   int // status of the removal
		permanent bool
		hint      string
	}{
		{"removed", http.StatusNoContent, false, ""},
		{"not removed", http.StatusForbidden, true, "remove the object gs://vault/a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := newRecorder(t)
			rec.answer = func(w http.ResponseWriter, r received) {
				if r.Method == http.MethodDelete {
					w.WriteHeader(test.removed)
					return
				}
				_, _ = io.WriteString(w, stored([]byte("other"))) // the client may have gone
			}
			b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
			closeAtEnd(t, b)
			err := b.Put(t.Context(), "a", providers.Bytes([]byte("x")))
			wantError(t, err, providers.ErrChecksum, "put", test.hint)
			if providers.Permanent(err) != test.permanent {
				t.Errorf("%v is permanent: %v", err, providers.Permanent(err))
			}
			got := rec.requests()
			if len(got) != 2 || got[1].Method != http.MethodDelete || got[1].URL.Query().Get("ifGenerationMatch") != "7" {
				t.Errorf("%d requests, the last %s %s", len(got), got[len(got)-1].Method, got[len(got)-1].URL)
			}
		})
	}
}

// TestTakenWithoutTheRightToDelete: a store that looks at permissions first
// refuses the creation of a key that is taken for want of the right to remove
// it.
func TestTakenWithoutTheRightToDelete(t *testing.T) {
	rec := newRecorder(t)
	there := true
	rec.answer = func(w http.ResponseWriter, r received) {
		switch {
		case r.Method == http.MethodPost:
			refuse(w, 403, "forbidden", "writer@p.iam.gserviceaccount.com does not have storage.objects.delete access to the Google Cloud Storage object.")
		case there:
			_, _ = io.WriteString(w, `{"size":"1"}`) // the client may have gone
		default:
			refuse(w, 404, "notFound", "No such object: vault/a")
		}
	}
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
	closeAtEnd(t, b)
	wantError(t, b.Put(t.Context(), "a", providers.Bytes([]byte("x"))), providers.ErrExists, "put", "")
	rec.mu.Lock()
	there = false
	rec.mu.Unlock()
	wantError(t, b.Put(t.Context(), "a", providers.Bytes([]byte("x"))), providers.ErrDenied, "put", "storage.objects.create")
}

// TestWrongRanges: a store that answers with another range than asked for is
// found out.
func TestWrongRanges(t *testing.T) {
	for contentRange, ok := range map[string]bool{
		"bytes 10-19/100": true, "bytes 10-19/20": true, "bytes 10-14/15": false, "bytes 0-9/100": false, "bytes 10-19/*": false, "": false, "bytes 10-20/100": false,
	} {
		rec := newRecorder(t)
		rec.answer = func(w http.ResponseWriter, _ received) {
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = io.WriteString(w, "0123456789") // the client may have gone
		}
		b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
		closeAtEnd(t, b)
		r, err := b.Get(t.Context(), "a", 10, 10)
		if (err == nil) != ok {
			t.Errorf("range %q: %v", contentRange, err)
		}
		if err == nil {
			_ = r.Close() // not read
		}
	}
}

// TestNothingIsTriedTwice: one place tries again, and it is not in here.
func TestNothingIsTriedTwice(t *testing.T) {
	rec := newRecorder(t)
	rec.answer = func(w http.ResponseWriter, _ received) { refuse(w, 503, "backendError", "Backend Error") }
	b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
	closeAtEnd(t, b)
	for op, err := range operations(t.Context(), b) {
		wantError(t, err, providers.ErrThrottled, op, "")
	}
	if n := len(rec.requests()); n != 4 {
		t.Errorf("%d requests for 4 operations", n)
	}
}
