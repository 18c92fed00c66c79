package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

func TestCopies(t *testing.T) {
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		n := 0
		providertest.RunCopies(t, func(t *testing.T) providertest.Copies {
			n++
			name := fmt.Sprintf("copies-%d", n)
			server.MakeBucket(name)
			b := openURL(t, server.URL(name, ""), providers.Options{})
			t.Cleanup(func() { _ = b.Close() }) // nothing is kept in it
			return providertest.Copies{Bucket: b}
		})
	})
}

func TestHolds(t *testing.T) {
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		server.MakeBucketOf("held", testenv.LockedBucket)
		server.MakeBucket("plain")
		b, plain := openURL(t, server.URL("held", ""), providers.Options{}), openURL(t, server.URL("plain", ""), providers.Options{})
		defer b.Close()
		defer plain.Close()
		providertest.RunHolds(t, b, plain)
		id := versions(t, b, "held")[0].ID
		if code := server.RemoveVersion("held", "held", id); code == "" {
			t.Error("a version that is held was removed")
		}
	})
}

// A copy has class, encryption and lock of its own.
func TestCopyAttributes(t *testing.T) {
	content := []byte("x")
	copyIn := func(t *testing.T, server *testenv.S3Server, parameters string, a providers.Attributes) providers.Bucket {
		server.Setenv(t)
		server.MakeBucketOf("vault", testenv.LockedBucket)
		b := openURL(t, server.URL("vault", "")+parameters, providers.Options{Attributes: func(key string) providers.Attributes {
			if key == "to" {
				return a
			}
			return providers.Attributes{}
		}})
		t.Cleanup(func() { _ = b.Close() }) // nothing is kept in it
		if err := b.Put(t.Context(), "from", providers.Bytes(content)); err != nil {
			t.Fatal(err)
		}
		want := providers.Digest{Size: 1, SHA256: providers.Bytes(content).SHA256()}
		if err := feature[providers.Copier](t, b).CopyObject(t.Context(), "from", "to", want); err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Run("class and encryption", func(t *testing.T) {
		server := testenv.Moto(t)
		b := copyIn(t, server, "&storage_class=STANDARD_IA&ssetype=AES256", providers.Attributes{Bulk: true})
		if head := server.Head("vault", "to"); head.StorageClass != "STANDARD_IA" || head.ServerSideEncryption != "AES256" {
			t.Errorf("class %s, encryption %s", head.StorageClass, head.ServerSideEncryption)
		}
		for o, err := range b.List(t.Context(), "") {
			if want := map[string]string{"from": "STANDARD", "to": "STANDARD_IA"}[o.Key]; err != nil || o.Class != want {
				t.Errorf("%s is listed in %q, %v", o.Key, o.Class, err)
			}
		}
	})
	t.Run("lock", func(t *testing.T) { // moto asks for a checksum of the body, which a copy does not have
		lock := providers.Lock{Mode: providers.LockGovernance, Until: time.Now().Add(48 * time.Hour).Truncate(time.Second).UTC()}
		b := copyIn(t, testenv.MinIO(t), "", providers.Attributes{Lock: lock})
		if got, err := feature[providers.Locker](t, b).LockOf(t.Context(), "to"); err != nil || got != lock {
			t.Errorf("lock %+v, %v", got, err)
		}
	})
}

// What is archived is not read and not copied; what it takes is told, and asked
// for.
func TestThaw(t *testing.T) {
	server := testenv.Moto(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	b := openURL(t, server.URL("vault", "")+"&storage_class=DEEP_ARCHIVE", providers.Options{Attributes: func(key string) providers.Attributes {
		return providers.Attributes{Bulk: key == "cold"}
	}})
	defer b.Close()
	for _, key := range []string{"cold", "warm"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	thawer := feature[providers.Thawer](t, b)
	if got, err := thawer.Temperature(t.Context(), "warm"); err != nil || got.Warmth != providers.Warm {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := thawer.Temperature(t.Context(), "cold"); err != nil || got.Warmth != providers.Frozen || got.Class != "DEEP_ARCHIVE" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := providertest.Read(b, "cold"); !errors.Is(err, providers.ErrFrozen) {
		t.Errorf("read: %v", err)
	}
	if err := feature[providers.Copier](t, b).CopyObject(t.Context(), "cold", "copy", providers.Digest{Size: 1, SHA256: providers.Bytes([]byte("x")).SHA256()}); !errors.Is(err, providers.ErrFrozen) {
		t.Errorf("copy: %v", err)
	}
	for range 2 {
		if err := thawer.Thaw(t.Context(), "cold", 2, providers.ThawBulk); err != nil {
			t.Fatal(err)
		}
	}
	got, err := thawer.Temperature(t.Context(), "cold")
	if days := time.Until(got.Until).Hours() / 24; err != nil || got.Warmth != providers.Thawed || days < 1.9 || days > 2.1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := providertest.Read(b, "cold"); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"warm", "none"} {
		if err := thawer.Thaw(t.Context(), key, 1, providers.ThawStandard); (key == "none") != errors.Is(err, providers.ErrNotFound) || key == "warm" && err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	for class, freezes := range map[string]bool{"STANDARD": false, "GLACIER_IR": false, "GLACIER": true, "DEEP_ARCHIVE": true, "INTELLIGENT_TIERING": true} {
		if thawer.Freezes(class) != freezes || freezes && thawer.ThawTime(class, providers.ThawStandard) < 5*time.Hour {
			t.Errorf("%s", class)
		}
	}
}

// A store that cannot be asked whether the key is free is not told to copy: it
// might replace what is there.
func TestCopyUnasked(t *testing.T) {
	server := testenv.MinIO(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	b := openURL(t, server.URL("vault", ""), providers.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodHead {
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			}
			return next.RoundTrip(r)
		})
	}})
	defer b.Close()
	for key, content := range map[string]string{"from": "new", "to": "old"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte(content))); err != nil {
			t.Fatal(err)
		}
	}
	want := providers.Digest{Size: 3, SHA256: providers.Bytes([]byte("new")).SHA256()}
	if err := feature[providers.Copier](t, b).CopyObject(t.Context(), "from", "to", want); !errors.Is(err, providers.ErrThrottled) {
		t.Error(err)
	}
	if got := string(server.Object("vault", "to")); got != "old" {
		t.Errorf("it was replaced by %q", got)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
