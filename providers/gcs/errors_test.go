package gcs_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
	"github.com/snapferry/snapferry/providers/providertest"
)

// refuse answers as the JSON API does.
func refuse(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, apiError(status, reason, message)) // the client may have gone
}

func apiError(status int, reason, message string) string {
	item := map[string]string{"domain": "global", "reason": reason, "message": message}
	b, _ := json.Marshal(map[string]any{"error": map[string]any{"code": status, "message": message, "errors": []any{item}}}) // strings and a number
	return string(b)
}

// operations returns the error of every operation of a bucket.
func operations(ctx context.Context, b providers.Bucket) map[string]error {
	out := map[string]error{"put": b.Put(ctx, "a/b", providers.Bytes([]byte("x"))), "delete": b.Delete(ctx, "a/b")}
	_, out["get"] = providertest.Read(b, "a/b")
	for _, err := range b.List(ctx, "a/") {
		out["list"] = err
	}
	return out
}

func wantError(t *testing.T, err, want error, op, hint string) {
	t.Helper()
	e, ok := errors.AsType[*providers.Error](err)
	if !errors.Is(err, want) || !ok || e.Op != op || !strings.Contains(e.Hint, hint) {
		t.Errorf("%s: %v, want %v; %+v", op, err, want, e)
		return
	}
	wantNoSecret(t, err.Error()+e.Hint)
}

// planted are the beginnings of credentials that must never be seen.
func wantNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"planted", "PLANTED", "BEGIN PRIVATE", "ya29."} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows in %q", secret, text)
		}
	}
}

// TestAnswers maps what the store answers in situations no emulator is in.
func TestAnswers(t *testing.T) {
	echo := "Authorization: Bearer ya29.planted " + `"access_token": "plantedToken"`
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   error // nil: a passing fault
		named  error // also wraps; nil: nothing
		text   string
		hint   string
	}{
		{"denied", 403, apiError(403, "forbidden", "w@p.iam does not have storage.objects.list access."), providers.ErrDenied, nil, "forbidden: w@p.iam does not have", "allow storage.objects."},
		{"denied by a proxy", 403, "<html>" + echo + "</html>", providers.ErrDenied, nil, "no reason given (HTTP status 403)", "allow storage.objects."},
		{"token refused", 401, apiError(401, "authError", "Invalid Credentials "+echo), providers.ErrCredentials, nil, "Invalid Credentials", "leave out ?anonymous"},
		{"no bucket", 404, apiError(404, "notFound", "The specified bucket does not exist."), providers.ErrNoBucket, nil, "does not exist", "check the name vault"},
		{"not GCS", 404, "<html>no such page</html>", providers.ErrNoBucket, nil, "404", "check the name vault"},
		{"redirect", 302, "", providers.ErrUnsupported, nil, "302", "check the endpoint"},
		{"not implemented", 501, "", providers.ErrUnsupported, nil, "501", "check the endpoint"},
		{"too large", 413, "<html>", providers.ErrUnsupported, nil, "413", "proxy"},
		{"full", 507, "", providers.ErrNoSpace, nil, "507", "free space"},
		{"billing", 403, apiError(403, "accountDisabled", "The billing account is disabled in state absent"), providers.ErrDenied, nil, "disabled", "enable billing"},
		{"requester pays", 400, apiError(400, "userProjectMissing", "Bucket is requester pays bucket but no user project provided."), providers.ErrDenied, nil, "requester", "?user_project="},
		{"wrong payer", 403, apiError(403, "userProjectAccessDenied", "no"), providers.ErrDenied, nil, "no", "serviceusage.services.use"},
		{"locked", 403, apiError(403, "retentionPolicyNotMet", "Object is subject to an object retention policy"), providers.ErrDenied, nil, "retention", "locked"},
		{"perimeter", 403, apiError(403, "vpcServiceControls", "Request is prohibited by organization's policy."), providers.ErrDenied, nil, "prohibited", "perimeter"},
		{"constraint", 412, apiError(412, "conditionNotMet", "Request violates constraint 'constraints/x'"), providers.ErrDenied, nil, "constraint", "organisation"},
		{"wrong key", 403, apiError(403, "forbidden", "Permission denied on Cloud KMS key. Please ensure that your service account has been authorized."), providers.ErrDenied, nil, "KMS", "cryptoKeyEncrypterDecrypter"},
		{"disabled key", 400, apiError(400, "invalid", "Cloud KMS key 'k' is disabled"), providers.ErrDenied, nil, "disabled", "that it is enabled"},
		{"no retention", 400, apiError(400, "invalid", "Object Retention cannot be set: bucket has object retention disabled."), providers.ErrUnsupported, nil, "disabled", "enable object retention"},
		{"rate", 429, apiError(429, "rateLimitExceeded", "The object exceeded the rate limit"), nil, providers.ErrThrottled, "rate limit", ""},
		{"rate of a user", 403, apiError(403, "userRateLimitExceeded", "User Rate Limit Exceeded"), nil, providers.ErrThrottled, "Rate Limit", ""},
		{"quota", 403, apiError(403, "quotaExceeded", "bandwidth"), nil, providers.ErrThrottled, "bandwidth", "quota"},
		{"busy", 503, apiError(503, "backendError", "Backend Error"), nil, providers.ErrThrottled, "Backend Error", ""},
		{"busy proxy", 429, "<html>", nil, providers.ErrThrottled, "429", ""},
		{"checksum", 400, apiError(400, "invalid", `Provided CRC32C "a" doesn't match calculated CRC32C "b".`), nil, providers.ErrChecksum, "doesn't match", ""},
		{"conflict", 409, apiError(409, "conflict", "try again"), nil, nil, "conflict", ""},
		{"internal", 500, apiError(500, "internalError", "We encountered an internal error."), nil, nil, "internal", ""},
		{"gateway", 502, "<html>" + echo + "</html>", nil, nil, "502", ""},
		{"timeout", 408, "", nil, nil, "408", ""},
		{"teapot", 418, "", nil, nil, "418", ""},
		{"line of text", 400, "bad " + echo, nil, nil, "bad", ""},
		{"long", 500, apiError(500, "x", strings.Repeat("long ", 10_000)), nil, nil, "long", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // whatever comes
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body) // the client may have gone
			}))
			defer server.Close()
			b := openURL(t, "gs://vault/p?anonymous=true&endpoint="+server.URL, providers.Options{})
			closeAtEnd(t, b)
			for op, err := range operations(t.Context(), b) {
				want := test.want
				if want == nil {
					want = test.named
				}
				if want != nil {
					wantError(t, err, want, op, test.hint)
				}
				if err == nil || providers.Permanent(err) != (test.want != nil) || !strings.Contains(err.Error(), test.text) || len(err.Error()) > 700 {
					t.Errorf("%s: %v, permanent: %v", op, err, providers.Permanent(err))
					continue
				}
				wantNoSecret(t, err.Error())
			}
		})
	}
}

// TestMissing: an object that is not there is told from a bucket that is not,
// also where the store's words do not.
func TestMissing(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucket("vault")
	for bucket, want := range map[string]map[string]error{
		"vault": {"put": nil, "get": nil, "list": nil, "delete": nil},
		"other": {"put": providers.ErrNoBucket, "get": providers.ErrNoBucket, "list": providers.ErrNoBucket, "delete": providers.ErrNoBucket},
	} {
		b := openURL(t, server.URL(bucket, ""), providers.Options{})
		closeAtEnd(t, b)
		_, err := providertest.Read(b, "none")
		if bucket == "vault" {
			wantError(t, err, providers.ErrNotFound, "get", "")
			if err := b.Delete(t.Context(), "none"); err != nil {
				t.Errorf("delete of what is missing: %v", err)
			}
			continue
		}
		for op, err := range operations(t.Context(), b) {
			wantError(t, err, want[op], op, "check the name other")
		}
	}
	for name, test := range map[string]struct {
		object, list string // answers
		want         error
	}{
		"words of a download": {"No such object: vault/a", "", providers.ErrNotFound},
		"listing is denied":   {apiError(404, "notFound", "Not Found"), apiError(403, "forbidden", "no"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, status := test.object, http.StatusNotFound
				if strings.HasSuffix(r.URL.Path, "/o") {
					body, status = test.list, http.StatusForbidden
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body) // the client may have gone
			}))
			defer server.Close()
			b := openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, providers.Options{})
			closeAtEnd(t, b)
			_, err := providertest.Read(b, "a")
			if test.want != nil {
				wantError(t, err, test.want, "get", "")
			} else if err == nil || providers.Permanent(err) {
				t.Errorf("%v, permanent: %v", err, providers.Permanent(err))
			}
		})
	}
}

// TestBucketRemovedDuringARun: the rest of the run gets a clear end.
func TestBucketRemovedDuringARun(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucket("vault")
	b := providers.Decorate(openURL(t, server.URL("vault", ""), providers.Options{}), providers.Policy{})
	closeAtEnd(t, b)
	if err := b.Put(t.Context(), "a", providers.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	server.RemoveBucket("vault")
	for op, err := range operations(t.Context(), b) {
		wantError(t, err, providers.ErrNoBucket, op, "check the name vault")
	}
}

// TestNoise: answers that are no answers are passing faults.
func TestNoise(t *testing.T) {
	for _, noise := range []string{"<<<not json", `{"items":[{"name":"a/b","size":"1","timeCreated":"yesterday"}]}`, `{"crc32c":7}`, `{"nextPageToken":`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // whatever comes
			_, _ = io.WriteString(w, noise)    // the client may have gone
		}))
		b := openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, providers.Options{})
		closeAtEnd(t, b)
		errs := operations(t.Context(), b)
		if strings.Contains(noise, "yesterday") {
			if err := errs["list"]; err == nil || !strings.Contains(err.Error(), "is no time") || providers.Permanent(err) {
				t.Errorf("%q lists with %v", noise, err)
			}
		} else if err := errs["put"]; err == nil || providers.Permanent(err) {
			t.Errorf("%q puts with %v", noise, err)
		}
		server.Close()
	}
}

// TestUnsorted: what lists in another order, or without end, is not GCS.
func TestUnsorted(t *testing.T) {
	item := func(name string) string {
		return `{"name":"` + name + `","size":"1","timeCreated":"2026-01-01T00:00:00Z"}`
	}
	for name, body := range map[string]string{
		"order": `{"items":[` + item("b") + `,` + item("a") + `]}`, "twice": `{"items":[` + item("b") + `,` + item("b") + `]}`,
		"no end": `{"nextPageToken":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, body) // the client may have gone
			}))
			defer server.Close()
			b := openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, providers.Options{})
			closeAtEnd(t, b)
			var last error
			for _, err := range b.List(t.Context(), "") {
				last = err
			}
			if !errors.Is(last, providers.ErrUnsupported) {
				t.Errorf("listed with %v", last)
			}
		})
	}
}

// TestNoSecretInLog: nothing of the credentials is in the attempt log.
func TestNoSecretInLog(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, 500, "internalError", "you sent Authorization: Bearer ya29.planted")
	}))
	defer server.Close()
	var log strings.Builder
	o := providers.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	b := providers.Decorate(openURL(t, "gs://vault?anonymous=true&endpoint="+server.URL, o), providers.Policy{Log: o.Log, Tries: 2, RetryBase: time.Microsecond})
	closeAtEnd(t, b)
	for op, err := range operations(t.Context(), b) {
		if err == nil {
			t.Errorf("%s was no error", op)
			continue
		}
		wantNoSecret(t, err.Error())
	}
	if strings.Count(log.String(), "attempt failed") != 8 {
		t.Errorf("log: %s", log.String())
	}
	wantNoSecret(t, log.String())
}

func TestOpen(t *testing.T) {
	t.Setenv("STORAGE_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	for raw, want := range map[string][2]string{ // text of the error, of the hint
		"gs://v":                     {"3 to 222", "gs://BUCKET"},
		"gs:///p":                    {"3 to 222", "gs://BUCKET"},
		"gs://Vault":                 {"3 to 222", "gs://BUCKET"},
		"gs://vault/Upper":           {`the part "Upper"`, "a-z"},
		"gs://vault/a//b":            {"empty part", ""},
		"gs://vault?anonymous=maybe": {"neither true nor false", "anonymous=true"},
		"gs://vault?anonymous=true&credentials_file=x":    {"excludes", ""},
		"gs://vault?anonymous=true&impersonate=a@b.c":     {"excludes", ""},
		"gs://vault?anonymous=true&storage_class=COLDLIN": {"not known", "did you mean COLDLINE?"},
		"gs://vault?anonymous=true&kms_key=k":             {"no resource name", "cryptoKeys"},
		"gs://vault?anonymous=true&user_project=A%20b":    {"no project", "id or the number"},
		"gs://vault?anonymous=true&universe_domain=x":     {"no domain", "leave it out"},
		"gs://vault?impersonate=nobody":                   {"no e-mail", "iam.gserviceaccount.com"},
		"gs://vault?endpoint=":                            {"endpoint is empty", ""},
		"gs://vault?anonymous=true&endpoint=ftp://h":      {"not the address", "HOST:PORT"},
		"gs://vault?endpoint=https://u:planted@h":         {"credentials", "environment"},
		"gs://vault?endpoint=http://store.example":        {"in clear", "anonymous=true"},
		"gs://vault?acces_id=planted":                     {"unknown parameter acces_id", "known parameters: credentials_file"},
		"gs://vault?anonymus=true":                        {"unknown parameter anonymus", "did you mean anonymous?"},
	} {
		_, _, err := all.Registry().Open(t.Context(), raw, providers.Options{})
		if !strings.Contains(errorText(err), want[0]) {
			t.Errorf("open %s: %v", raw, err)
		}
		wantError(t, err, providers.ErrInvalidURL, "open", want[1])
	}
	for _, ok := range []string{
		"gs://vault?anonymous=true", "gs://vault/?anonymous=1", "gs://vault/a/b?anonymous=true&storage_class=nearline", "gs://a.b-c_d?anonymous=true&endpoint=h:9000",
		"gs://vault?anonymous=true&endpoint=http://h:9000/x/", "gs://vault?anonymous=true&universe_domain=apis-berlin.example",
		"gs://vault?anonymous=true&user_project=example.com:my-project",
	} {
		b, prefix, err := all.Registry().Open(t.Context(), ok, providers.Options{})
		if err != nil || strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") {
			t.Errorf("open %s: prefix %q, %v", ok, prefix, err)
			continue
		}
		closeAtEnd(t, b)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestEmulatorOfTheEnvironment: STORAGE_EMULATOR_HOST is used as Google's
// libraries do, and the URL's endpoint comes before it.
func TestEmulatorOfTheEnvironment(t *testing.T) {
	server := testenv.GCS(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	for _, host := range []string{server.Endpoint, strings.TrimPrefix(server.Endpoint, "http://")} {
		t.Setenv("STORAGE_EMULATOR_HOST", host)
		b := openURL(t, "gs://vault", providers.Options{})
		closeAtEnd(t, b)
		for _, err := range b.List(t.Context(), "") {
			if err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
	}
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	b := openURL(t, server.URL("vault", ""), providers.Options{})
	closeAtEnd(t, b)
	if err := b.Put(t.Context(), "a", providers.Bytes(nil)); err != nil {
		t.Error(err)
	}
	t.Setenv("STORAGE_EMULATOR_HOST", "http://[::1")
	if _, _, err := all.Registry().Open(t.Context(), server.URL("vault", ""), providers.Options{}); err != nil {
		wantError(t, err, err, "open", "STORAGE_EMULATOR_HOST")
	}
	t.Setenv("STORAGE_EMULATOR_HOST", "::::")
	_, _, err := all.Registry().Open(t.Context(), "gs://vault", providers.Options{})
	wantError(t, err, providers.ErrInvalidURL, "open", "STORAGE_EMULATOR_HOST")
}
