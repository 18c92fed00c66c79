package gcs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

func TestCopies(t *testing.T) {
	server := testenv.GCS(t)
	n := 0
	providertest.RunCopies(t, func(t *testing.T) providertest.Copies {
		n++
		name := fmt.Sprintf("copies-%d", n)
		server.MakeBucket(name)
		b := openURL(t, server.URL(name, ""), providers.Options{})
		closeAtEnd(t, b)
		return providertest.Copies{Bucket: b}
	})
}

func TestHolds(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucket("held")
	b := openURL(t, server.URL("held", ""), providers.Options{})
	closeAtEnd(t, b)
	providertest.RunHolds(t, b, nil)
	wantError(t, b.Delete(t.Context(), "held"), providers.ErrDenied, "delete", "hold")
}

// A copy has class and lock of its own, and the hash of its content.
func TestCopyAttributes(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucketWith("vault", testenv.GCSOptions{Retention: true})
	lock := providers.Lock{Mode: providers.LockCompliance, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	b := openURL(t, server.URL("vault", "")+"&storage_class=NEARLINE", providers.Options{Attributes: func(key string) providers.Attributes {
		if key == "from" {
			return providers.Attributes{}
		}
		return providers.Attributes{Bulk: true, Lock: lock}
	}})
	closeAtEnd(t, b)
	if err := b.Put(t.Context(), "from", providers.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	want := providers.Digest{Size: 1, SHA256: providers.Bytes([]byte("x")).SHA256()}
	copier := feature[providers.Copier](t, b)
	if err := copier.CopyObject(t.Context(), "from", "to", want); err != nil {
		t.Fatal(err)
	}
	if class := server.StorageClass("vault", "to"); class != "NEARLINE" {
		t.Errorf("class %s", class)
	}
	if got, err := feature[providers.Locker](t, b).LockOf(t.Context(), "to"); err != nil || got != lock {
		t.Errorf("lock %+v, %v", got, err)
	}
	for o, err := range b.List(t.Context(), "to") {
		if err != nil || o.Class != "NEARLINE" {
			t.Errorf("%+v, %v", o, err)
		}
	}
	// A copy of the copy is checked against what the first one has left.
	want.SHA256[0] ^= 1
	if err := copier.CopyObject(t.Context(), "to", "again", want); !errors.Is(err, providers.ErrChecksum) {
		t.Error(err)
	}
}
