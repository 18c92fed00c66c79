package s3_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

func feature[T any](t *testing.T, b providers.Bucket) T {
	t.Helper()
	// As it is used: behind the decorators.
	f, ok := providers.Feature[T](providers.Decorate(b, providers.Policy{Tries: 1}))
	if !ok {
		t.Fatalf("%T is no %T", b, *new(T))
	}
	return f
}

func eachStore(t *testing.T, run func(t *testing.T, store store, server *testenv.S3Server)) {
	for _, store := range stores() {
		t.Run(store.name, func(t *testing.T) {
			server := store.start(t)
			server.Setenv(t)
			run(t, store, server)
		})
	}
}

func versions(t *testing.T, b providers.Bucket, prefix string) (out []providers.Version) {
	t.Helper()
	for v, err := range feature[providers.Versioner](t, b).Versions(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("versions: %v", err)
		}
		out = append(out, v)
	}
	return out
}

func readVersion(t *testing.T, b providers.Bucket, v providers.Version) []byte {
	t.Helper()
	r, err := feature[providers.Versioner](t, b).GetVersion(t.Context(), v, 0, -1)
	if err != nil {
		t.Fatalf("get version: %v", err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("get version: %v", err)
	}
	return got
}

// TestVersions: what was overwritten and what was deleted is found, the oldest
// version first.
func TestVersions(t *testing.T) {
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		server.MakeBucketOf("versions", testenv.VersionedBucket)
		b := openURL(t, server.URL("versions", ""), providers.Options{})
		defer b.Close()
		if err := b.Put(t.Context(), "v/a", providers.Bytes([]byte("good"))); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"bad", "worse"} {
			server.SetObject("versions", "v/a", []byte(bad))
		}
		for _, key := range []string{"v/b", "v/c", "w/a"} {
			if err := b.Put(t.Context(), key, providers.Bytes([]byte(key))); err != nil {
				t.Fatal(err)
			}
		}
		server.RemoveObject("versions", "v/b")

		var got []string
		for _, v := range versions(t, b, "v/") {
			content := readVersion(t, b, v)
			mark := "-"
			if v.Current {
				mark = "+"
			}
			got = append(got, mark+v.Key+"="+string(content))
			if v.Size != int64(len(content)) || v.Created.IsZero() || v.ID == "" {
				t.Errorf("version %+v", v)
			}
		}
		want := []string{"-v/a=good", "-v/a=bad", "+v/a=worse", "-v/b=v/b", "+v/c=v/c"}
		if !slices.Equal(got, want) {
			t.Errorf("versions %q, want %q", got, want)
		}
		first := versions(t, b, "v/a")[0]
		part, err := feature[providers.Versioner](t, b).GetVersion(t.Context(), first, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		defer part.Close()
		if middle, err := io.ReadAll(part); err != nil || string(middle) != "oo" {
			t.Errorf("a range of a version: %q, %v", middle, err)
		}
		if _, err := providertest.Read(b, "v/b"); !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("what is deleted reads: %v", err)
		}
		if got := versions(t, b, "none/"); got != nil {
			t.Errorf("versions of nothing: %+v", got)
		}
	})
}

// TestPutBehindMarker: a deleted object can be created anew, and the older one
// is found below it.
func TestPutBehindMarker(t *testing.T) {
	eachStore(t, func(t *testing.T, store store, server *testenv.S3Server) {
		server.MakeBucketOf("markers", testenv.VersionedBucket)
		b := openURL(t, server.URL("markers", ""), providers.Options{})
		defer b.Close()
		if err := b.Put(t.Context(), "a", providers.Bytes([]byte("old"))); err != nil {
			t.Fatal(err)
		}
		server.RemoveObject("markers", "a")
		err := b.Put(t.Context(), "a", providers.Bytes([]byte("new")))
		found := versions(t, b, "a")
		if len(found) == 0 || string(readVersion(t, b, found[0])) != "old" {
			t.Fatalf("versions %+v", found)
		}
		if store.keepsMarkers {
			if !errors.Is(err, providers.ErrExists) || len(found) != 1 {
				t.Errorf("versions %+v; %v", found, err)
			}
			return
		}
		if got, rerr := providertest.Read(b, "a"); err != nil || len(found) != 2 || !found[1].Current || string(got) != "new" || rerr != nil {
			t.Errorf("versions %+v; put %v; get %q, %v", found, err, got, rerr)
		}
	})
}

// TestVersionsOfPlainBucket: an object of a bucket without versioning is its
// only version.
func TestVersionsOfPlainBucket(t *testing.T) {
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		server.MakeBucket("plain")
		b := openURL(t, server.URL("plain", ""), providers.Options{})
		defer b.Close()
		if err := b.Put(t.Context(), "a", providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		got := versions(t, b, "")
		if len(got) != 1 || !got[0].Current || got[0].ID != "null" || string(readVersion(t, b, got[0])) != "x" {
			t.Errorf("versions %+v", got)
		}
	})
}

// TestLock: a locked version can be hidden, and not removed.
func TestLock(t *testing.T) {
	until := time.Now().Add(48 * time.Hour).Truncate(time.Second).UTC()
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		server.MakeBucketOf("locked", testenv.LockedBucket)
		for _, mode := range []providers.LockMode{providers.LockGovernance, providers.LockCompliance} {
			lock := providers.Lock{Mode: mode, Until: until}
			b := openURL(t, server.URL("locked", ""), providers.Options{Attributes: func(key string) providers.Attributes {
				if strings.HasPrefix(key, "free/") {
					return providers.Attributes{}
				}
				return providers.Attributes{Lock: lock}
			}})
			defer b.Close()
			locker := feature[providers.Locker](t, b)
			if err := locker.CheckLock(t.Context(), mode); err != nil {
				t.Fatalf("check: %v", err)
			}
			key, free, content := string(mode)+"/a", "free/"+string(mode), []byte("locked "+mode)
			for _, k := range []string{key, free} {
				if err := b.Put(t.Context(), k, providers.Bytes(content)); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := locker.LockOf(t.Context(), key); err != nil || got != lock {
				t.Errorf("lock %+v, %v; want %+v", got, err, lock)
			}
			if got, err := locker.LockOf(t.Context(), free); err != nil || !got.IsZero() {
				t.Errorf("lock of an object without one: %+v, %v", got, err)
			}
			id := versions(t, b, key)[0].ID
			if code := server.RemoveVersion("locked", key, id); !slices.Contains([]string{"AccessDenied", "InvalidRequest"}, code) {
				t.Errorf("removing a locked version: %q", code)
			}
			server.RemoveObject("locked", key)
			if _, err := providertest.Read(b, key); !errors.Is(err, providers.ErrNotFound) {
				t.Errorf("behind a delete marker: %v", err)
			}
			found := versions(t, b, key)
			if len(found) != 1 || found[0].ID != id || found[0].Current || !bytes.Equal(readVersion(t, b, found[0]), content) {
				t.Errorf("versions behind a delete marker: %+v", found)
			}
		}
	})
}

// TestNoLock: a bucket without Object Lock refuses before anything is sent,
// and with each Put.
func TestNoLock(t *testing.T) {
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		server.MakeBucket("plain")
		server.MakeBucketOf("versions", testenv.VersionedBucket)
		for _, name := range []string{"plain", "versions"} {
			b := openURL(t, server.URL(name, ""), providers.Options{Attributes: func(string) providers.Attributes {
				return providers.Attributes{Lock: providers.Lock{Mode: providers.LockGovernance, Until: time.Now().Add(time.Hour)}}
			}})
			defer b.Close()
			locker := feature[providers.Locker](t, b)
			err := locker.CheckLock(t.Context(), providers.LockGovernance)
			if e, ok := errors.AsType[*providers.Error](err); !errors.Is(err, providers.ErrUnsupported) || !ok || !strings.Contains(e.Hint, "Object Lock") {
				t.Errorf("%s: check: %v", name, err)
			}
			err = b.Put(t.Context(), "a", providers.Bytes(nil))
			if !errors.Is(err, providers.ErrUnsupported) {
				t.Errorf("%s: put: %v", name, err)
			}
			err = locker.CheckLock(t.Context(), "forever")
			if !errors.Is(err, providers.ErrUnsupported) {
				t.Errorf("%s: check of an unknown mode: %v", name, err)
			}
		}
	})
}

func TestInspect(t *testing.T) {
	on, off := providers.On, providers.Off
	eachStore(t, func(t *testing.T, store store, server *testenv.S3Server) {
		server.MakeBucket("plain")
		server.MakeBucketOf("versions", testenv.VersionedBucket)
		server.MakeBucketOf("locked", testenv.LockedBucket)
		for name, want := range map[string][2]providers.State{"plain": {off, off}, "versions": {on, off}, "locked": {on, on}} {
			b := openURL(t, server.URL(name, ""), providers.Options{})
			defer b.Close()
			got, err := feature[providers.Inspector](t, b).Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Versioning.State != want[0] || got.Lock.State != want[1] || (got.Public.State == on) != store.public || got.Region != "us-east-1" ||
				got.Encryption.State != store.encryption {
				t.Errorf("%s: %+v", name, got)
			}
			now, err := feature[providers.Inspector](t, b).ServerTime(t.Context())
			if d := time.Since(now); err != nil || d < -2*time.Second || d > time.Minute || now.Location() != time.UTC {
				t.Errorf("server time %v, %v", now, err)
			}
		}
		b := openURL(t, server.URL("missing", ""), providers.Options{})
		defer b.Close()
		if _, err := feature[providers.Inspector](t, b).Inspect(t.Context()); !errors.Is(err, providers.ErrNoBucket) {
			t.Errorf("a missing bucket: %v", err)
		}
	})
}

// TestInspectPublic: a bucket that everybody may read shows. MinIO itself calls
// none public that not everybody may write to.
func TestInspectPublic(t *testing.T) {
	server := testenv.MinIO(t)
	server.Setenv(t)
	server.MakeBucket("public")
	b := openURL(t, server.URL("public", ""), providers.Options{})
	defer b.Close()
	if err := server.SetPolicy("public", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",`+
		`"Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::public","arn:aws:s3:::public/*"]}]}`); err != nil {
		t.Fatal(err)
	}
	got, err := feature[providers.Inspector](t, b).Inspect(t.Context())
	if err != nil || got.Public.State != providers.On || !strings.Contains(got.Public.Detail, "without credentials") {
		t.Errorf("public: %+v, %v", got.Public, err)
	}
}

// TestOverwrite: without its policy a store lets everybody who may write
// overwrite.
func TestOverwrite(t *testing.T) {
	eachStore(t, func(t *testing.T, store store, server *testenv.S3Server) {
		server.MakeBucket("over")
		b := openURL(t, server.URL("over", ""), providers.Options{})
		defer b.Close()
		if err := b.Put(t.Context(), "p/a", providers.Bytes([]byte("first"))); err != nil {
			t.Fatal(err)
		}
		over := feature[providers.Overwriter](t, b)
		if err := over.Overwrite(t.Context(), "p/a", providers.Bytes([]byte("second"))); err != nil {
			t.Fatal(err)
		}
		if got := server.Object("over", "p/a"); string(got) != "second" {
			t.Errorf("after overwriting: %q", got)
		}
		err := server.SetPolicy("over", feature[providers.PolicyAdviser](t, b).OverwritePolicy("p"))
		if (err == nil) != store.takesPolicy {
			t.Fatalf("the policy: %v", err)
		}
		if err != nil {
			return
		}
		if err := over.Overwrite(t.Context(), "p/a", providers.Bytes([]byte("third"))); !errors.Is(err, providers.ErrDenied) {
			t.Errorf("overwriting against the policy: %v", err)
		}
		if got := server.Object("over", "p/a"); string(got) != "second" {
			t.Errorf("after a refusal: %q", got)
		}
	})
}

// TestAttributes: what each store makes of encryption and storage classes.
func TestAttributes(t *testing.T) {
	eachStore(t, func(t *testing.T, store store, server *testenv.S3Server) {
		server.MakeBucket("attributes")
		for query, want := range store.attributes {
			b := openURL(t, server.URL("attributes", "")+"&"+query, providers.Options{Attributes: func(key string) providers.Attributes {
				return providers.Attributes{Bulk: strings.HasSuffix(key, "bulk")}
			}})
			defer b.Close()
			name, _, _ := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(query, "=", "-"), ":", "-"), "&")
			var got string
			for _, key := range []string{name + "/small", name + "/bulk"} {
				err := b.Put(t.Context(), key, providers.Bytes([]byte("x")))
				if err != nil && !(errors.Is(err, providers.ErrUnsupported) && providers.Permanent(err)) {
					t.Fatalf("%s: %v", query, err)
				}
				if err != nil {
					got += "refused "
					continue
				}
				h := server.Head("attributes", key)
				got += strings.Trim(string(h.ServerSideEncryption)+"/"+strings.Replace(string(h.StorageClass), "STANDARD", "", 1), "/") + " "
			}
			if got = strings.TrimSpace(got); got != want {
				t.Errorf("%s gives %q, want %q", query, got, want)
			}
		}
	})
}

// TestBucketRemoved: a bucket that goes away in the middle of a run is a clear
// end.
func TestBucketRemoved(t *testing.T) {
	eachStore(t, func(t *testing.T, _ store, server *testenv.S3Server) {
		server.MakeBucket("brief")
		b := openURL(t, server.URL("brief", ""), providers.Options{})
		defer b.Close()
		if err := b.Put(t.Context(), "a/b", providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), "a/b"); err != nil {
			t.Fatal(err)
		}
		server.RemoveBucket("brief")
		for op, err := range operations(t.Context(), b) {
			if !errors.Is(err, providers.ErrNoBucket) || !providers.Permanent(err) {
				t.Errorf("%s: %v", op, err)
			}
		}
	})
}
