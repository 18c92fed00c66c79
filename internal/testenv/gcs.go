package testenv

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// GCSServer is fake-gcs-server within the process of the test, on a loopback
// port: other processes reach it, too. It keeps objects in memory.
//
// What the emulator takes and drops is put before it here: a bucket of
// GCSOptions.Retention says that it takes locks, and keeps them; lifecycle
// rules and holds are kept, rules raise the metageneration, and copies keep
// their conditions.
type GCSServer struct {
	Endpoint string // http://127.0.0.1:PORT

	t    testing.TB
	fake *fakestorage.Server

	mu       sync.Mutex // guards what follows
	options  map[string]GCSOptions
	settings map[string]gcsSettings
	holds    map[string]bool // temporary holds, by bucket and key
}

// GCSOptions are the settings of a bucket.
type GCSOptions struct {
	Versioned bool // what is deleted or overwritten is kept as an older version
	Retention bool // objects can be locked, and locks are kept
	// SoftDelete is how long what was removed is said to be kept beside.
	SoftDelete time.Duration
}

// GCS starts a server. It is stopped at the end of the test. Any number can
// run at once.
func GCS(t testing.TB) *GCSServer {
	t.Helper()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Scheme: "http", BucketsLocation: "EUROPE-WEST3"})
	if err != nil {
		t.Fatal(err)
	}
	s := &GCSServer{t: t, fake: fake, options: map[string]GCSOptions{}, settings: map[string]gcsSettings{}, holds: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	s.Endpoint = server.URL
	t.Cleanup(func() {
		server.Close()
		fake.Stop()
	})
	return s
}

// MakeBucket creates a bucket of at least three characters.
func (s *GCSServer) MakeBucket(name string) { s.MakeBucketWith(name, GCSOptions{}) }

// MakeBucketWith creates a bucket with settings.
func (s *GCSServer) MakeBucketWith(name string, o GCSOptions) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options[name] = o
	s.fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name, VersioningEnabled: o.Versioned})
}

// RemoveBucket removes a bucket with all that is in it.
func (s *GCSServer) RemoveBucket(name string) {
	s.t.Helper()
	for _, key := range s.Keys(name) {
		s.RemoveObject(name, key)
	}
	if err := s.fake.Backend().DeleteBucket(name); err != nil {
		s.t.Fatal(err)
	}
}

// URL returns the vault URL of a prefix, which may be empty, in a bucket.
func (s *GCSServer) URL(bucket, prefix string) string {
	u := url.URL{Scheme: "gs", Host: bucket, Path: "/" + prefix,
		RawQuery: url.Values{"endpoint": {s.Endpoint}, "anonymous": {"true"}}.Encode()}
	return u.String()
}

// Env returns the variables with which programs use the server, and which
// keep them from the credentials of the user who runs the test.
func (s *GCSServer) Env() []string {
	return []string{"STORAGE_EMULATOR_HOST=" + s.Endpoint, "GOOGLE_APPLICATION_CREDENTIALS=", "GOOGLE_CLOUD_QUOTA_PROJECT=", "GOOGLE_CLOUD_UNIVERSE_DOMAIN="}
}

// Setenv sets Env in the process of the test.
func (s *GCSServer) Setenv(t testing.TB) {
	t.Helper()
	for _, pair := range s.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// Object returns the bytes that are stored under key, past all that snapferry
// does.
func (s *GCSServer) Object(bucket, key string) []byte {
	s.t.Helper()
	o, err := s.fake.GetObject(bucket, key)
	if err != nil {
		s.t.Fatalf("object %s of %s: %v", key, bucket, err)
	}
	return o.Content
}

// SetObject stores bytes under key, whatever is there and locked.
func (s *GCSServer) SetObject(bucket, key string, content []byte) {
	s.t.Helper()
	err := s.fake.CreateObjectStreaming(fakestorage.Object{
		ObjectAttrs: fakestorage.ObjectAttrs{BucketName: bucket, Name: key}, Content: content,
	}.StreamingObject())
	if err != nil {
		s.t.Fatalf("store object %s in %s: %v", key, bucket, err)
	}
}

// FlipByte changes one byte of a stored object.
func (s *GCSServer) FlipByte(bucket, key string, at int) {
	s.t.Helper()
	content := append([]byte(nil), s.Object(bucket, key)...)
	content[at] ^= 0x40
	s.SetObject(bucket, key, content)
}

// RemoveObject removes a stored object, locked or not.
func (s *GCSServer) RemoveObject(bucket, key string) {
	s.t.Helper()
	if err := s.fake.Backend().DeleteObject(bucket, key); err != nil {
		s.t.Fatalf("remove object %s of %s: %v", key, bucket, err)
	}
}

// Keys returns the keys of all objects of a bucket, sorted.
func (s *GCSServer) Keys(bucket string) []string {
	s.t.Helper()
	list, err := s.fake.ListObjectsWithOptionsPaginated(bucket, fakestorage.ListOptions{})
	if err != nil {
		s.t.Fatalf("list %s: %v", bucket, err)
	}
	keys := make([]string, len(list.Objects))
	for i, o := range list.Objects {
		keys[i] = o.Name
	}
	return keys
}

// StorageClass returns the storage class of a stored object.
func (s *GCSServer) StorageClass(bucket, key string) string {
	s.t.Helper()
	o, err := s.fake.GetObject(bucket, key)
	if err != nil {
		s.t.Fatalf("object %s of %s: %v", key, bucket, err)
	}
	return o.StorageClass
}

var (
	gcsBucketPath = regexp.MustCompile(`^/storage/v1/b/([^/]+)$`)
	gcsObjectPath = regexp.MustCompile(`^/storage/v1/b/([^/]+)/o/(.+)$`)
	gcsUploadPath = regexp.MustCompile(`^/upload/storage/v1/b/([^/]+)/o$`)
)

func (s *GCSServer) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if x := gcsRewritePath.FindStringSubmatch(path); x != nil && r.Method == http.MethodPost {
		s.serveRewrite(w, r, [2]string{x[1], x[2]}, [2]string{x[3], x[4]})
		return
	}
	if object := gcsObjectPath.FindStringSubmatch(path); object != nil && s.serveHolds(w, r, object[1], object[2]) {
		return
	}
	switch bucket := gcsBucketPath.FindStringSubmatch(path); {
	case bucket != nil && s.serveRules(w, r, bucket[1]):
		return
	case bucket != nil && r.Method == http.MethodGet:
		s.serveSettings(w, r, s.optionsOf(bucket[1]))
		return
	case r.Method == http.MethodDelete || r.Method == http.MethodPost:
		place := gcsObjectPath.FindStringSubmatch(path)
		if place == nil {
			if place = gcsUploadPath.FindStringSubmatch(path); place != nil {
				place = append(place, r.URL.Query().Get("name"))
			}
		}
		if place != nil && r.URL.Query().Get("ifGenerationMatch") != "0" && s.locked(place[1], place[2]) {
			_, _ = io.Copy(io.Discard, r.Body) // whatever comes
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":{"code":403,"message":"Object is subject to an object retention policy and cannot be deleted or overwritten.",`+
				`"errors":[{"domain":"global","reason":"retentionPolicyNotMet"}]}}`) // the client may have gone
			return
		}
	}
	s.fake.HTTPHandler().ServeHTTP(w, r)
}

func (s *GCSServer) optionsOf(bucket string) GCSOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options[bucket]
}

func (s *GCSServer) locked(bucket, key string) bool {
	if !s.optionsOf(bucket).Retention {
		return false
	}
	o, err := s.fake.GetObject(bucket, key)
	return err == nil && o.Retention != nil && o.Retention.RetainUntil.After(time.Now())
}

// serveSettings adds to the settings of a bucket what its options say.
func (s *GCSServer) serveSettings(w http.ResponseWriter, r *http.Request, o GCSOptions) {
	recorded := httptest.NewRecorder()
	s.fake.HTTPHandler().ServeHTTP(recorded, r)
	var settings map[string]any
	if recorded.Code != http.StatusOK || json.Unmarshal(recorded.Body.Bytes(), &settings) != nil {
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes()) // the client may have gone
		return
	}
	if o.Retention {
		settings["objectRetention"] = map[string]string{"mode": "Enabled"}
	}
	if o.SoftDelete > 0 {
		settings["softDeletePolicy"] = map[string]string{"retentionDurationSeconds": strconv.Itoa(int(o.SoftDelete.Seconds()))}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(settings) // the client may have gone
}
