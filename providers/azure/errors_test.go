package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

func open(t *testing.T, raw string, o providers.Options) *Bucket {
	t.Helper()
	b, _, err := Open(t.Context(), mustParse(t, raw), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // connections may be broken
	return b.(*Bucket)
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// operations returns the error of every operation of a bucket.
func operations(ctx context.Context, b providers.Bucket) map[string]error {
	out := map[string]error{"put": b.Put(ctx, "a/b", providers.Bytes([]byte("x"))), "delete": b.Delete(ctx, "a/b")}
	r, err := b.Get(ctx, "a/b", 0, -1)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		err = errors.Join(err, r.Close())
	}
	out["get"] = err
	for _, err := range b.List(ctx, "a/") {
		out["list"] = err
	}
	return out
}

// TestRealRefusals provokes what a real server refuses.
func TestRealRefusals(t *testing.T) {
	server := testenv.Azure(t)
	server.MakeBucket("vault")
	signature := func(end time.Time) string {
		u, err := server.Client().ServiceClient().NewContainerClient("vault").GetSASURL(
			sas.ContainerPermissions{Read: true, Add: true, Create: true, Write: true, Delete: true, List: true}, end, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(u, "?")
		return "AZURE_STORAGE_SAS_TOKEN=" + query
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(server.Endpoint, "http://"), "/")
	where := []string{"AZURE_STORAGE_DOMAIN=" + host, "AZURE_STORAGE_PROTOCOL=http", "AZURE_STORAGE_ACCOUNT=" + server.Account}
	valid := signature(time.Now().Add(time.Hour))
	for _, test := range []struct {
		name, bucket string
		env          []string
		want         error
		text, hint   string
	}{
		{"wrong key", "vault", []string{"AZURE_STORAGE_KEY=" + plantedKey}, providers.ErrCredentials, "failed to authenticate", "AZURE_STORAGE_KEY"},
		{"no container", "missing", []string{"AZURE_STORAGE_KEY=" + server.Key}, providers.ErrNoBucket, "ContainerNotFound", "check the name missing"},
		{"wrong signature", "vault", []string{valid[:len(valid)-12] + "planted"}, providers.ErrCredentials, "failed to authenticate", "AZURE_STORAGE_SAS_TOKEN"},
		{"expired signature", "vault", []string{signature(time.Now().Add(-time.Hour))}, providers.ErrCredentials, "has expired at 20", "make a new one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment(t, append(where, test.env...)...)
			b := open(t, "azblob://"+test.bucket+"/p", providers.Options{})
			for op, err := range operations(t.Context(), b) {
				e, ok := errors.AsType[*providers.Error](err)
				if !errors.Is(err, test.want) || !ok || e.Op != op || !strings.Contains(e.Hint, test.hint) || !strings.Contains(err.Error(), test.text) || !providers.Permanent(err) {
					t.Errorf("%s: %v; %+v", op, err, e)
					continue
				}
				wantNoSecret(t, err.Error()+e.Hint)
			}
		})
	}
	environment(t, append(where, valid)...)
	for op, err := range operations(t.Context(), open(t, "azblob://vault", providers.Options{})) {
		if err != nil && !(op == "get" && errors.Is(err, providers.ErrNotFound)) { // it was deleted before
			t.Errorf("%s with a valid signature: %v", op, err)
		}
	}
}

func refusal(code, message, detail string) string {
	if detail != "" {
		detail = "<AuthenticationErrorDetail>" + detail + "</AuthenticationErrorDetail>"
	}
	return "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code + "</Code><Message>" + message +
		"\nRequestId:R1\nTime:2026-11-25T00:00:00.0000000Z</Message>" + detail + "</Error>"
}

// TestAnswers maps what Azure answers in situations no local server is in.
func TestAnswers(t *testing.T) {
	const (
		shared, signed = "AZURE_STORAGE_KEY=", "AZURE_STORAGE_SAS_TOKEN="
		today          = "Wed, 25 Nov 2026 00:00:00 GMT"
		later          = "Wed, 02 Dec 2026 00:00:00 GMT"
	)
	echo := "Authorization: SharedKey acme:plantedSignature x-ms-copy-source: https://h/?" + plantedSAS + " AccountKey=" + plantedKey
	for _, test := range []struct {
		name                  string
		status                int
		code, message, detail string
		env, date             string
		want                  error // nil: a passing fault
		text, hint            string
	}{
		{"wrong key", 403, "AuthenticationFailed", "Server failed to authenticate the request.", "The MAC signature found in the HTTP request 'plantedMAC' is not the same as any computed signature.", shared, today, providers.ErrCredentials, "AuthenticationFailed: Server failed to authenticate the request. (HTTP status 403, request R1)", "AZURE_STORAGE_KEY"},
		{"expired signature", 403, "AuthenticationFailed", "Server failed to authenticate the request.", "Signature not valid in the specified time frame: Start [x] - Expiry [y] - Current [z]", signed, later, providers.ErrCredentials, "has expired at 2026-12-01T00:00:00Z", "run the same command again"},
		{"signature not valid yet", 403, "AuthenticationFailed", "Server failed to authenticate the request.", "Signature not valid in the specified time frame: Start [x]", signed, today, providers.ErrCredentials, "not valid now", "st="},
		{"rotated key of a signature", 403, "AuthenticationFailed", "Server failed to authenticate the request.", "Signature did not match. String to sign used was planted", signed, today, providers.ErrCredentials, "AuthenticationFailed", "rotated"},
		{"expired token", 401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.", "Lifetime validation failed. The token is expired.", shared, today, providers.ErrCredentials, "the token has expired", "run the same command again"},
		{"clock", 403, "AuthenticationFailed", "Server failed to authenticate the request.", "Request date header too old: 'planted'", shared, today, providers.ErrClockSkew, "there " + today, "clock"},
		{"no credentials", 401, "NoAuthenticationInformation", "Server failed to authenticate the request.", "", shared, today, providers.ErrCredentials, "NoAuthenticationInformation", ""},
		{"keys are off", 403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account.", "", shared, today, providers.ErrCredentials, "not permitted", "Entra"},
		{"firewall", 403, "AuthorizationFailure", "This request is not authorized to perform this operation.", "", shared, today, providers.ErrDenied, "not authorized", "firewall"},
		{"no right", 403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.", "", shared, today, providers.ErrDenied, "using this permission", "blobs/"},
		{"wrong address", 403, "AuthorizationSourceIPMismatch", "This request is not authorized.", "", signed, today, providers.ErrDenied, "not authorized", "addresses"},
		{"disabled account", 403, "AccountIsDisabled", "The specified account is disabled.", "", shared, today, providers.ErrDenied, "disabled", "subscription"},
		{"denied by a proxy", 403, "", "<html>" + echo + "</html>", "", shared, today, providers.ErrDenied, "403", "blobs/"},
		{"container removed", 404, "ContainerNotFound", "The specified container does not exist.", "", shared, today, providers.ErrNoBucket, "does not exist", "check the name vault"},
		{"container on its way out", 409, "ContainerBeingDeleted", "The specified container is being deleted.", "", shared, today, providers.ErrNoBucket, "being deleted", ""},
		{"not Azure", 404, "", "<html>no such page</html>", "", shared, today, providers.ErrNoBucket, "404", "endpoint"},
		{"captive portal", 302, "", "", "", shared, today, providers.ErrUnsupported, "302", "endpoint"},
		{"archived", 409, "BlobArchived", "This operation is not permitted on an archived blob.", "", shared, today, providers.ErrFrozen, "archived", "--thaw"},
		{"rehydrating", 409, "BlobBeingRehydrated", "This operation is not permitted because the blob is being rehydrated.", "", shared, today, providers.ErrFrozen, "rehydrated", "hours"},
		{"locked", 409, "BlobImmutableDueToPolicy", "This operation is not permitted as the blob is immutable due to a policy.", "", shared, today, providers.ErrDenied, "immutable", "lock ends"},
		{"leased", 412, "LeaseIdMissing", "There is currently a lease on the blob.", "", shared, today, providers.ErrDenied, "lease", "lease break"},
		{"snapshots", 409, "SnapshotsPresent", "This operation is not permitted because the blob has snapshots.", "", shared, today, providers.ErrUnsupported, "snapshots", "delete them first"},
		{"no such tier", 400, "InvalidBlobTier", "The specified blob tier is invalid.", "", shared, today, providers.ErrUnsupported, "tier", "access_tier"},
		{"scope", 404, "EncryptionScopeNotFound", "The encryption scope does not exist.", "", shared, today, providers.ErrUnsupported, "scope", "encryption_scope"},
		{"key vault", 403, "KeyVaultEncryptionKeyNotFound", "The key vault key is not found to unwrap the encryption key.", "", shared, today, providers.ErrDenied, "key vault", "Key Vault"},
		{"old emulator", 400, "InvalidHeaderValue", "The API version 2026-12-06 is not supported by Azurite.", "", shared, today, providers.ErrUnsupported, "API version", "--skipApiVersionCheck"},
		{"old cloud", 400, "UnsupportedHeader", "One of the headers specified in the request is not supported.", "", shared, today, providers.ErrUnsupported, "headers", "If-None-Match"},
		{"full", 507, "", "", "", shared, today, providers.ErrNoSpace, "507", "free space"},
		{"checksum", 400, "Crc64Mismatch", "The CRC64 value specified in the request did not match.", "", shared, today, nil, "checksum mismatch on the way: Crc64Mismatch", ""},
		{"md5", 400, "Md5Mismatch", "The MD5 value specified in the request did not match.", "", shared, today, nil, "checksum mismatch on the way", ""},
		{"busy", 503, "ServerBusy", "Egress is over the account limit.", "", shared, today, nil, "the store asks to slow down: ServerBusy: Egress", ""},
		{"too many", 429, "TooManyRequests", "Slow down.", "", shared, today, nil, "the store asks to slow down", ""},
		{"too many by a proxy", 429, "", "", "", shared, today, nil, "the store asks to slow down", ""},
		{"internal", 500, "InternalError", "Server encountered an internal error.", "", shared, today, nil, "InternalError", ""},
		{"timed out", 500, "OperationTimedOut", "Operation could not be completed within the specified time.", "", shared, today, nil, "OperationTimedOut", ""},
		{"unknown conflict", 409, "SomethingElse", "Try again.", "", shared, today, nil, "SomethingElse", ""},
		{"gateway", 502, "", "<html>" + echo + "</html>", "", shared, today, nil, "502", ""},
		{"echo", 400, "InvalidInput", echo, "", signed, today, nil, "InvalidInput", ""},
		{"noise", 200, "", "<<<not xml " + echo, "", shared, today, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // whatever comes
				w.Header().Set("Date", test.date)
				w.Header().Set("x-ms-request-id", "R1")
				if test.status == 302 {
					w.Header().Set("Location", "http://127.0.0.1:1/")
				}
				body := test.message
				if test.code != "" {
					w.Header().Set("x-ms-error-code", test.code)
					body = refusal(test.code, test.message, test.detail)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, body) // the client may have gone
			}))
			defer server.Close()
			secret := plantedKey
			if test.env == signed {
				secret = plantedSAS
			}
			host := strings.TrimPrefix(server.URL, "http://")
			environment(t, test.env+secret, "AZURE_STORAGE_ACCOUNT=acme", "AZURE_STORAGE_DOMAIN="+host, "AZURE_STORAGE_PROTOCOL=http")
			b := open(t, "azblob://vault/p", providers.Options{})
			for op, err := range operations(t.Context(), b) {
				if test.status == 200 && op == "get" {
					continue // noise is a fine object
				}
				e, ok := errors.AsType[*providers.Error](err)
				if !ok || e.Op != op {
					t.Errorf("%s: %v", op, err)
					continue
				}
				if test.want != nil && !errors.Is(err, test.want) || (test.want != nil) != providers.Permanent(err) {
					t.Errorf("%s: %v, permanent: %v; want %v", op, err, providers.Permanent(err), test.want)
				}
				if !strings.Contains(err.Error(), test.text) || !strings.Contains(e.Hint, test.hint) || len(err.Error()) > 900 {
					t.Errorf("%s: %v; hint %q", op, err, e.Hint)
				}
				wantNoSecret(t, err.Error()+e.Hint)
			}
		})
	}
}

// TestExistsBehindARefusal: with rights that only create, a lock or a lease,
// Azure refuses a create before it looks whether the object is there. Whoever
// creates has to learn that it is.
func TestExistsBehindARefusal(t *testing.T) {
	for _, test := range []struct {
		status  int
		code    string
		there   bool
		put     error
		replace error
	}{
		{409, "BlobAlreadyExists", true, providers.ErrExists, nil},
		{412, "ConditionNotMet", true, providers.ErrExists, nil},
		{412, "", true, providers.ErrExists, nil},
		{403, "UnauthorizedBlobOverwrite", true, providers.ErrExists, providers.ErrDenied},
		{403, "AuthorizationPermissionMismatch", true, providers.ErrExists, providers.ErrDenied},
		{403, "AuthorizationPermissionMismatch", false, providers.ErrDenied, providers.ErrDenied},
		{409, "BlobImmutableDueToPolicy", true, providers.ErrExists, providers.ErrDenied},
		{412, "LeaseIdMissing", true, providers.ErrExists, providers.ErrDenied},
		{409, "BlobArchived", true, providers.ErrExists, providers.ErrFrozen},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // whatever comes
			if r.Method == http.MethodHead {
				if !test.there {
					w.Header().Set("x-ms-error-code", "BlobNotFound")
					w.WriteHeader(http.StatusNotFound)
				}
				return
			}
			w.Header().Set("x-ms-error-code", test.code)
			w.WriteHeader(test.status)
		}))
		environment(t, "AZURE_STORAGE_KEY="+plantedKey)
		b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{})
		if err := b.Put(t.Context(), "a", providers.Bytes(nil)); !errors.Is(err, test.put) {
			t.Errorf("put after %s: %v, want %v", test.code, err, test.put)
		}
		if err := b.Overwrite(t.Context(), "a", providers.Bytes(nil)); err == nil || test.replace != nil && !errors.Is(err, test.replace) {
			t.Errorf("overwrite after %s: %v, want %v", test.code, err, test.replace)
		}
		server.Close()
	}
}

// TestOthersHoldThings: leases and snapshots that somebody made on objects.
func TestOthersHoldThings(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	for _, key := range []string{"leased", "snapped", "archived"} {
		server.SetObject("vault", key, []byte("x"))
	}
	of := server.Client().ServiceClient().NewContainerClient("vault")
	held, err := lease.NewBlobClient(of.NewBlobClient("leased"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.AcquireLease(t.Context(), -1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := of.NewBlobClient("snapped").CreateSnapshot(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := of.NewBlobClient("archived").SetTier(t.Context(), blob.AccessTierArchive, nil); err != nil {
		t.Fatal(err)
	}
	b := open(t, server.URL("vault", ""), providers.Options{})
	for _, key := range []string{"leased", "snapped", "archived"} {
		if err := b.Put(t.Context(), key, providers.Bytes([]byte("y"))); !errors.Is(err, providers.ErrExists) {
			t.Errorf("put %s: %v", key, err)
		}
	}
	if err := b.Delete(t.Context(), "leased"); !errors.Is(err, providers.ErrDenied) {
		t.Errorf("delete of what is leased: %v", err)
	}
	if err := b.Delete(t.Context(), "snapped"); !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("delete of what has a snapshot: %v", err)
	}
	if _, err := b.Get(t.Context(), "archived", 0, -1); !errors.Is(err, providers.ErrFrozen) || !strings.Contains(err.Error(), "archived") {
		t.Errorf("get of what is archived: %v", err)
	}
	if got := string(server.Object("vault", "snapped")); got != "x" {
		t.Errorf("left %q", got)
	}
}

// TestNoSecretInLog: nothing of the credentials is in the attempt log.
func TestNoSecretInLog(t *testing.T) {
	for _, env := range []string{"AZURE_STORAGE_KEY=" + plantedKey, "AZURE_STORAGE_SAS_TOKEN=" + plantedSAS,
		"AZURE_STORAGE_CONNECTION_STRING=BlobEndpoint=http://127.0.0.1:1/acme;SharedAccessSignature=" + plantedSAS} {
		environment(t, env, "AZURE_STORAGE_ACCOUNT=acme", "AZURE_STORAGE_DOMAIN=127.0.0.1:1", "AZURE_STORAGE_PROTOCOL=http")
		var log strings.Builder
		o := providers.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		b := providers.Decorate(open(t, "azblob://vault", o), providers.Policy{Log: o.Log, Tries: 2, RetryBase: time.Microsecond})
		for op, err := range operations(t.Context(), b) {
			if err == nil {
				t.Errorf("%s into the void was no error", op)
				continue
			}
			wantNoSecret(t, err.Error())
		}
		if strings.Count(log.String(), "attempt failed") != 8 || !strings.Contains(log.String(), "connection refused") {
			t.Errorf("log: %s", log.String())
		}
		wantNoSecret(t, log.String())
	}
}

// TestWrongRanges: a store that answers with another range than asked for is
// found out.
func TestWrongRanges(t *testing.T) {
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	for contentRange, ok := range map[string]bool{
		"bytes 10-19/100": true, "bytes 10-19/20": true, "bytes 10-14/15": false, "bytes 0-9/100": false, "bytes 10-19/*": false, "": false, "bytes 10-20/100": false,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("x-ms-range"); got != "bytes=10-19" {
				t.Errorf("asked for %q", got)
			}
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = io.WriteString(w, "0123456789") // the client may have gone
		}))
		b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{})
		r, err := b.Get(t.Context(), "a", 10, 10)
		if (err == nil) != ok {
			t.Errorf("range %q: %v", contentRange, err)
		}
		if err == nil {
			_ = r.Close() // not read
		}
		server.Close()
	}
}

// TestHierarchicalNamespace: folders are no objects, and an order that is not
// that of bytes is found out.
func TestHierarchicalNamespace(t *testing.T) {
	item := func(name, kind string) string {
		return fmt.Sprintf("<Blob><Name>%s</Name><Properties><Content-Length>1</Content-Length><ResourceType>%s</ResourceType></Properties></Blob>", name, kind)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(w, `<?xml version="1.0"?><EnumerationResults><Blobs>`+item("a", "directory")+item("a/b", "file")+item("a-b", "file")+`</Blobs><NextMarker/></EnumerationResults>`)
	}))
	defer server.Close()
	environment(t, "AZURE_STORAGE_KEY="+plantedKey)
	b := open(t, "azblob://vault?storage_account=acme&endpoint="+server.URL, providers.Options{})
	var keys []string
	var failure error
	for o, err := range b.List(t.Context(), "") {
		if failure = err; err == nil {
			keys = append(keys, o.Key)
		}
	}
	e, _ := errors.AsType[*providers.Error](failure)
	if len(keys) != 1 || keys[0] != "a/b" || !errors.Is(failure, providers.ErrUnsupported) || !strings.Contains(e.Hint, "hierarchical namespace") {
		t.Errorf("listed %q, %v", keys, failure)
	}
}
