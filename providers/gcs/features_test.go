package gcs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

func feature[T any](t testing.TB, b providers.Bucket) T {
	t.Helper()
	f, ok := providers.Feature[T](b)
	if !ok {
		t.Fatalf("%T is missing", *new(T))
	}
	return f
}

func TestLocks(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucketWith("locks", testenv.GCSOptions{Retention: true})
	server.MakeBucket("plain")
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	locks := map[string]providers.Lock{"a/governed": {Mode: providers.LockGovernance, Until: until}, "a/kept": {Mode: providers.LockCompliance, Until: until}}
	b := openURL(t, server.URL("locks", ""), providers.Options{Attributes: func(key string) providers.Attributes {
		return providers.Attributes{Lock: locks[key]}
	}})
	closeAtEnd(t, b)
	locker := feature[providers.Locker](t, providers.Decorate(b, providers.Policy{}))
	for _, mode := range []providers.LockMode{providers.LockGovernance, providers.LockCompliance} {
		if err := locker.CheckLock(t.Context(), mode); err != nil {
			t.Error(err)
		}
	}
	wantError(t, locker.CheckLock(t.Context(), "forever"), providers.ErrUnsupported, "lock", "governance or compliance")
	for _, key := range []string{"a/governed", "a/kept", "a/free"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte(key))); err != nil {
			t.Fatal(err)
		}
		if got, err := locker.LockOf(t.Context(), key); err != nil || got != locks[key] {
			t.Errorf("lock of %s: %+v, %v; want %+v", key, got, err, locks[key])
		}
		removed := b.Delete(t.Context(), key)
		over := feature[providers.Overwriter](t, b).Overwrite(t.Context(), key, providers.Bytes([]byte("other")))
		if locks[key].IsZero() {
			if err := errors.Join(removed, over); err != nil {
				t.Error(err)
			}
			continue
		}
		wantError(t, removed, providers.ErrDenied, "delete", "locked")
		wantError(t, over, providers.ErrDenied, "overwrite", "locked")
		wantError(t, b.Put(t.Context(), key, providers.Bytes(nil)), providers.ErrExists, "put", "")
		if got, err := providertest.Read(b, key); err != nil || string(got) != key {
			t.Errorf("%s holds %q, %v", key, got, err)
		}
	}
	_, err := locker.LockOf(t.Context(), "none")
	wantError(t, err, providers.ErrNotFound, "get", "")
	plain := openURL(t, server.URL("plain", ""), providers.Options{})
	closeAtEnd(t, plain)
	wantError(t, feature[providers.Locker](t, plain).CheckLock(t.Context(), providers.LockGovernance), providers.ErrUnsupported, "lock", "--enable-per-object-retention")
	other := openURL(t, server.URL("other", ""), providers.Options{})
	closeAtEnd(t, other)
	wantError(t, feature[providers.Locker](t, other).CheckLock(t.Context(), providers.LockGovernance), providers.ErrNoBucket, "lock", "check the name other")
}

func TestVersions(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucketWith("vault", testenv.GCSOptions{Versioned: true})
	b := openURL(t, server.URL("vault", ""), providers.Options{})
	closeAtEnd(t, b)
	// The generations of v/b lie on two pages of the listing.
	const before, many = 990, 30
	for i := range before {
		server.SetObject("vault", fmt.Sprintf("p/%03d", i), nil)
	}
	for i := range many {
		server.SetObject("vault", "v/b", fmt.Appendf(nil, "%d", i))
	}
	for _, key := range []string{"v/a", "v/c", "w/x"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte(key))); err != nil {
			t.Fatal(err)
		}
	}
	server.FlipByte("vault", "v/a", 0)
	if err := b.Delete(t.Context(), "v/c"); err != nil {
		t.Fatal(err)
	}
	var got []string
	versioner := feature[providers.Versioner](t, providers.Decorate(b, providers.Policy{}))
	for v, err := range versioner.Versions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(v.Key, "v/") {
			continue
		}
		r, err := versioner.GetVersion(t.Context(), v, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || int64(len(content)) != v.Size || v.Created.IsZero() {
			t.Fatalf("%+v: %d bytes, %v", v, len(content), err)
		}
		got = append(got, fmt.Sprintf("%s=%s,%v", v.Key, content, v.Current))
	}
	want := []string{"v/a=v/a,false", "v/a=6/a,true"}
	for i := range many {
		want = append(want, fmt.Sprintf("v/b=%d,%v", i, i == many-1))
	}
	want = append(want, "v/c=v/c,false")
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%d versions %.300q, want %d", len(got), got, len(want))
	}
	for v, err := range versioner.Versions(t.Context(), "v/b") {
		part, rerr := readRange(versioner, t, v)
		if err := errors.Join(err, rerr); err != nil || string(part) != "0" {
			t.Errorf("range of a version: %q, %v", part, err)
		}
		break
	}
	for _, id := range []string{"", "x", "-1", "0", "12345"} {
		_, err := versioner.GetVersion(t.Context(), providers.Version{Object: providers.Object{Key: "v/a"}, ID: id}, 0, -1)
		wantError(t, err, providers.ErrNotFound, "get", "")
	}
}

func readRange(versioner providers.Versioner, t *testing.T, v providers.Version) ([]byte, error) {
	t.Helper()
	r, err := versioner.GetVersion(t.Context(), v, 0, 1)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func TestInspect(t *testing.T) {
	const yes, no, unknown = providers.On, providers.Off, providers.Unknown
	policy := func(member string) string {
		return `{"bindings":[{"role":"roles/storage.admin","members":["user:a@b.c"]},{"role":"roles/storage.objectViewer","members":["` + member + `"]}]}`
	}
	for _, test := range []struct {
		name, bucket, policy                 string // answers; empty: 403
		versioning, public, encryption, lock providers.State
		detail                               string // of all, somewhere
	}{
		{"private", `{"location":"EU","iamConfiguration":{"publicAccessPrevention":"enforced"},"versioning":{"enabled":true},"objectRetention":{"mode":"Enabled"}}`, "",
			yes, no, yes, yes, "enforced"},
		{"public", `{"location":"EU","iamConfiguration":{"publicAccessPrevention":"inherited"}}`, policy("allUsers"), no, yes, yes, no, "allUsers has roles/storage.objectViewer"},
		{"any account", `{"location":"EU"}`, policy("allAuthenticatedUsers"), no, yes, yes, no, "allAuthenticatedUsers"},
		{"uniform", `{"location":"EU","iamConfiguration":{"uniformBucketLevelAccess":{"enabled":true}}}`, policy("user:x@y.z"), no, no, yes, no, "names nobody"},
		{"lists of objects", `{"location":"EU"}`, policy("user:x@y.z"), no, unknown, yes, no, "access lists"},
		{"no policy", `{"location":"EU","encryption":{"defaultKmsKeyName":"projects/p/k"}}`, "", no, unknown, yes, no, "storage.buckets.getIamPolicy"},
		{"default key", `{"location":"EU","encryption":{"defaultKmsKeyName":"projects/p/k"}}`, "", no, unknown, yes, no, "default key, projects/p/k"},
		{"nothing allowed", "", "", unknown, unknown, yes, unknown, "storage.buckets.get is not allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := newRecorder(t)
			rec.answer = func(w http.ResponseWriter, r received) {
				body := test.bucket
				if strings.HasSuffix(r.URL.Path, "/iam") {
					body = test.policy
				}
				if body == "" {
					refuse(w, 403, "forbidden", "no")
					return
				}
				_, _ = io.WriteString(w, body) // the client may have gone
			}
			b := openURL(t, "gs://vault?anonymous=true&endpoint="+rec.URL, providers.Options{})
			closeAtEnd(t, b)
			in, err := feature[providers.Inspector](t, b).Inspect(t.Context())
			region := "eu"
			if test.bucket == "" {
				region = ""
			}
			if err != nil || in.Region != region || in.Versioning.State != test.versioning || in.Public.State != test.public ||
				in.Encryption.State != test.encryption || in.Lock.State != test.lock || !strings.Contains(fmt.Sprintf("%+v", in), test.detail) {
				t.Errorf("%+v, %v", in, err)
			}
		})
	}
}

// TestInspectServer asks a server.
func TestInspectServer(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucketWith("vault", testenv.GCSOptions{Versioned: true, Retention: true})
	b := openURL(t, server.URL("vault", "")+"&kms_key=projects/p/locations/l/keyRings/r/cryptoKeys/k", providers.Options{})
	closeAtEnd(t, b)
	inspector := feature[providers.Inspector](t, b)
	in, err := inspector.Inspect(t.Context())
	if err != nil || in.Region != "europe-west3" || in.Versioning.State != providers.On || in.Lock.State != providers.On || !strings.Contains(in.Encryption.Detail, "cryptoKeys/k") {
		t.Errorf("%+v, %v", in, err)
	}
	now, err := inspector.ServerTime(t.Context())
	if d := time.Since(now); err != nil || d < -2*time.Second || d > 30*time.Second || now.Location() != time.UTC {
		t.Errorf("server time %v, %v", now, err)
	}
	other := openURL(t, server.URL("other", ""), providers.Options{})
	closeAtEnd(t, other)
	_, err = feature[providers.Inspector](t, other).Inspect(t.Context())
	wantError(t, err, providers.ErrNoBucket, "inspect", "check the name other")
	_, err = feature[providers.Inspector](t, other).ServerTime(t.Context())
	wantError(t, err, providers.ErrNoBucket, "inspect", "check the name other")
}

// TestStorageClass: data alone takes the class of the URL.
func TestStorageClass(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucket("vault")
	b := openURL(t, server.URL("vault", "")+"&storage_class=NEARLINE", providers.Options{Attributes: func(key string) providers.Attributes {
		return providers.Attributes{Bulk: strings.HasPrefix(key, "data/")}
	}})
	closeAtEnd(t, b)
	for key, want := range map[string]string{"data/a": "NEARLINE", "catalog/a": "STANDARD"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if got := server.StorageClass("vault", key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if !bytes.Equal(server.Object("vault", "data/a"), []byte("x")) || strings.Join(server.Keys("vault"), " ") != "catalog/a data/a" {
		t.Errorf("the server holds %q", server.Keys("vault"))
	}
}
