package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

// The service reads the source with a signature of the key, or with that in
// use.
func TestCopies(t *testing.T) {
	server := testenv.Azure(t)
	n := 0
	copies := func(t *testing.T) providertest.Copies {
		n++
		name := fmt.Sprintf("copies-%d", n)
		server.MakeBucket(name)
		return providertest.Copies{Bucket: open(t, server.URL(name, ""), providers.Options{}), TellsNothing: true}
	}
	t.Run("key", func(t *testing.T) {
		server.Setenv(t)
		providertest.RunCopies(t, copies)
	})
	t.Run("shared access signature", func(t *testing.T) {
		credential, err := azblob.NewSharedKeyCredential(server.Account, server.Key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := sas.AccountSignatureValues{ExpiryTime: time.Now().Add(time.Hour), ResourceTypes: (&sas.AccountResourceTypes{Container: true, Object: true}).String(),
			Permissions: (&sas.AccountPermissions{Read: true, Write: true, Create: true, Delete: true, List: true}).String()}.SignWithSharedKey(credential)
		if err != nil {
			t.Fatal(err)
		}
		environment(t, "AZURE_STORAGE_CONNECTION_STRING=BlobEndpoint="+server.Endpoint+";SharedAccessSignature="+signed.Encode())
		providertest.RunCopies(t, func(t *testing.T) providertest.Copies {
			n++
			name := fmt.Sprintf("copies-%d", n)
			server.MakeBucket(name)
			return providertest.Copies{Bucket: open(t, "azblob://"+name, providers.Options{}), TellsNothing: true}
		})
	})
}

// What a copy is asked to be, and that a token is sent for the source.
func TestCopyRequest(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1")
		w.Header().Set("ETag", `"e"`)
		if r.Method == http.MethodPut {
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(http.StatusAccepted)
		}
	})
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	b := open(t, "azblob://vault?storage_account=acme&access_tier=Cool&encryption_scope=mine&endpoint="+server.URL, providers.Options{Attributes: func(string) providers.Attributes {
		return providers.Attributes{Bulk: true, Lock: providers.Lock{Mode: providers.LockCompliance, Until: until}}
	}})
	if err := b.CopyObject(t.Context(), "a/from", "b/to", providers.Digest{Size: 1}); err != nil {
		t.Fatal(err)
	}
	r := server.got[len(server.got)-1]
	for name, want := range map[string]string{
		"If-None-Match": "*", "x-ms-access-tier": "Cool", "x-ms-encryption-scope": "mine", "x-ms-immutability-policy-mode": "Locked",
		"x-ms-immutability-policy-until-date": "Wed, 02 Jan 2030 03:04:05 GMT", "x-ms-source-if-match": `"e"`, "x-ms-requires-sync": "true",
	} {
		if got := headerValue(r.Header, name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if source := headerValue(r.Header, "x-ms-copy-source"); !strings.Contains(source, "/vault/a%2Ffrom?") || !strings.Contains(source, "sp=r&") {
		t.Errorf("source %q", source)
	}
	b.account.access = access{token: planted{}}
	if err := b.CopyObject(t.Context(), "a/from", "b/to", providers.Digest{Size: 1}); err != nil {
		t.Fatal(err)
	}
	r = server.got[len(server.got)-1]
	if source := headerValue(r.Header, "x-ms-copy-source"); strings.Contains(source, "sig=") || headerValue(r.Header, "x-ms-copy-source-authorization") != "Bearer plantedToken" {
		t.Errorf("source %q with a token: %v", source, r.Header)
	}
	if err := b.CopyObject(t.Context(), "a/from", "b/to", providers.Digest{Size: maxCopy + 1}); !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("too large: %v", err)
	}
}

// planted is a source of tokens.
type planted struct{}

func (planted) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "plantedToken", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// Legal holds are asked for as documented; Azurite has none.
func TestHold(t *testing.T) {
	b, server := features(t, map[string]string{"x-ms-legal-hold": "true", "x-ms-immutable-storage-with-versioning-enabled": "true"}, "")
	if err := b.CheckHold(t.Context()); err != nil {
		t.Error(err)
	}
	for _, on := range []bool{true, false} {
		if err := b.SetHold(t.Context(), "a", on); err != nil {
			t.Fatal(err)
		}
		r := server.got[len(server.got)-1]
		if r.Method != http.MethodPut || r.URL.Query().Get("comp") != "legalhold" || headerValue(r.Header, "x-ms-legal-hold") != fmt.Sprint(on) {
			t.Errorf("%s %s, %q", r.Method, r.URL, headerValue(r.Header, "x-ms-legal-hold"))
		}
	}
	if held, err := b.Held(t.Context(), "a"); err != nil || !held {
		t.Errorf("%t, %v", held, err)
	}
	without, _ := features(t, nil, "")
	if err := without.CheckHold(t.Context()); !errors.Is(err, providers.ErrUnsupported) {
		t.Error(err)
	}
	if held, err := without.Held(t.Context(), "a"); err != nil || held {
		t.Errorf("%t, %v", held, err)
	}
}

// What is archived is not read and not copied, and thawing moves it.
func TestThaw(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	b := open(t, server.URL("vault", "")+"&access_tier=Archive", providers.Options{Attributes: func(key string) providers.Attributes {
		return providers.Attributes{Bulk: key == "cold"}
	}})
	for _, key := range []string{"cold", "warm"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	for o, err := range b.List(t.Context(), "") {
		if err != nil || b.Freezes(o.Class) != (o.Key == "cold") {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if got, err := b.Temperature(t.Context(), "cold"); err != nil || got.Warmth != providers.Frozen || got.Class != "Archive" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := providertest.Read(b, "cold"); !errors.Is(err, providers.ErrFrozen) {
		t.Errorf("read: %v", err)
	}
	if err := b.CopyObject(t.Context(), "cold", "copy", providers.Digest{Size: 1}); !errors.Is(err, providers.ErrFrozen) {
		t.Errorf("copy: %v", err)
	}
	for _, key := range []string{"cold", "cold", "warm"} {
		if err := b.Thaw(t.Context(), key, 3, providers.ThawBulk); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.Temperature(t.Context(), "cold"); err != nil || got.Warmth == providers.Frozen {
		t.Errorf("%+v, %v", got, err)
	}
	if err := b.Thaw(t.Context(), "none", 3, providers.ThawBulk); !errors.Is(err, providers.ErrNotFound) {
		t.Error(err)
	}
	if b.ThawTime("Archive", providers.ThawExpedited) >= b.ThawTime("Archive", providers.ThawBulk) || b.ThawTime("Hot", providers.ThawBulk) != 0 {
		t.Error("times of thawing")
	}
}

// A blob that is on its way out of the archive is not frozen and not yet warm.
func TestThawing(t *testing.T) {
	b, server := features(t, map[string]string{"x-ms-access-tier": "Archive", "x-ms-archive-status": "rehydrate-pending-to-hot"}, "")
	if got, err := b.Temperature(t.Context(), "a"); err != nil || got.Warmth != providers.Thawing {
		t.Errorf("%+v, %v", got, err)
	}
	sent := len(server.got)
	if err := b.Thaw(t.Context(), "a", 1, providers.ThawExpedited); err != nil || len(server.got) != sent+1 {
		t.Errorf("asked again: %v", err)
	}
	cold, server := features(t, map[string]string{"x-ms-access-tier": "Archive"}, "")
	if err := cold.Thaw(t.Context(), "a", 1, providers.ThawExpedited); err != nil {
		t.Fatal(err)
	}
	r := server.got[len(server.got)-1]
	if headerValue(r.Header, "x-ms-access-tier") != "Hot" || headerValue(r.Header, "x-ms-rehydrate-priority") != "High" {
		t.Errorf("%v", r.Header)
	}
}

// How long the account keeps what was removed is told by its blob service.
func TestSoftDelete(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	b := open(t, server.URL("vault", ""), providers.Options{})
	if in, err := b.Inspect(t.Context()); err != nil || in.SoftDelete != 0 {
		t.Errorf("%v, %v", in.SoftDelete, err)
	}
	client, err := b.account.serviceClient("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SetProperties(t.Context(), &service.SetPropertiesOptions{DeleteRetentionPolicy: &service.RetentionPolicy{Enabled: to.Ptr(true), Days: to.Ptr[int32](9)}}); err != nil {
		t.Fatal(err)
	}
	if in, err := b.Inspect(t.Context()); err != nil || in.SoftDelete != 9*24*time.Hour {
		t.Errorf("%v, %v", in.SoftDelete, err)
	}
}
