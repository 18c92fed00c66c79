package s3_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
	"github.com/snapferry/snapferry/providers/providertest"
)

// Credentials that must never be seen.
const (
	plantedID     = "AKIAPLANTEDPLANTED00"
	plantedSecret = "plantedSecretplantedSecretplanted0000000"
	plantedToken  = "plantedTokenplantedTokenplantedToken"
)

func wantNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{plantedID, plantedSecret, plantedToken, "Signature=", "PLANTED", "planted"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows in %q", secret, text)
		}
	}
}

// environment sets credentials and keeps the user's own configuration out.
func environment(t *testing.T, id, secret, token string) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token, "AWS_REGION": "us-east-1",
		"AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
		if value == "" {
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
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
	server := testenv.S3(t)
	server.MakeBucket("vault")
	for _, test := range []struct {
		name, bucket, id, secret string
		want                     error
		hint                     string
	}{
		{"unknown key id", "vault", plantedID, plantedSecret, providers.ErrCredentials, "AWS_ACCESS_KEY_ID"},
		{"wrong secret", "vault", server.AccessKey, plantedSecret, providers.ErrCredentials, "AWS_SECRET_ACCESS_KEY"},
		{"no bucket", "missing", server.AccessKey, server.SecretKey, providers.ErrNoBucket, "check the name missing"},
		{"no credentials", "vault", "", "", providers.ErrCredentials, "set AWS_ACCESS_KEY_ID"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment(t, test.id, test.secret, "")
			b := openURL(t, server.URL(test.bucket, "p"), providers.Options{})
			defer func() { _ = b.Close() }() // nothing was written
			for op, err := range operations(t.Context(), b) {
				e, ok := errors.AsType[*providers.Error](err)
				if !errors.Is(err, test.want) || !ok || e.Op != op || !strings.Contains(e.Hint, test.hint) || !providers.Permanent(err) {
					t.Errorf("%s: %v; %+v", op, err, e)
					continue
				}
				wantNoSecret(t, err.Error()+e.Hint)
			}
		})
	}
}

// TestAnswers maps what stores answer in situations no local server is in.
func TestAnswers(t *testing.T) {
	xml := func(code, message string) string {
		return "<Error><Code>" + code + "</Code><Message>" + message + "</Message><RequestId>R1</RequestId></Error>"
	}
	echo := "Authorization: AWS4-HMAC-SHA256 Credential=" + plantedID + "/20260101, Signature=" + plantedSecret + " x-amz-security-token: " + plantedToken + " AWSAccessKeyId=" + plantedID
	for _, test := range []struct {
		name   string
		status int
		body   string
		header map[string]string
		want   error // nil: a passing fault
		text   string
		hint   string
	}{
		{"denied", 403, xml("AccessDenied", "Access Denied"), nil, providers.ErrDenied, "AccessDenied: Access Denied (HTTP status 403, request R1)", "allow s3:"},
		{"denied by a proxy", 403, "<html>" + echo + "</html>", nil, providers.ErrDenied, "403", "allow s3:"},
		{"expired", 400, xml("ExpiredToken", "The provided token has expired."), nil, providers.ErrCredentials, "expired", "sign in again"},
		{"invalid token", 400, xml("InvalidToken", "bad "+echo), nil, providers.ErrCredentials, "InvalidToken", "AWS_SESSION_TOKEN"},
		{"clock", 403, xml("RequestTimeTooSkewed", "The difference is too large."), map[string]string{"Date": "Mon, 23 Nov 2026 20:00:00 GMT"}, providers.ErrClockSkew, "there Mon, 23 Nov 2026 20:00:00 GMT", "clock"},
		{"region by header", 301, xml("PermanentRedirect", "The bucket you are attempting to access must be addressed elsewhere."), map[string]string{"X-Amz-Bucket-Region": "eu-west-1", "Location": "http://127.0.0.1:1/"}, providers.ErrInvalidURL, "another region", "?region=eu-west-1"},
		{"region by message", 400, xml("AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'ap-south-1'"), nil, providers.ErrInvalidURL, "another region", "?region=ap-south-1"},
		{"region unknown", 307, xml("TemporaryRedirect", "elsewhere"), map[string]string{"Location": "http://127.0.0.1:1/"}, providers.ErrInvalidURL, "another region", "?region="},
		{"quota", 403, xml("QuotaExceeded", "full"), nil, providers.ErrNoSpace, "full", "free space"},
		{"full", 507, xml("XMinioStorageFull", "full"), nil, providers.ErrNoSpace, "full", "free space"},
		{"no conditions", 501, xml("NotImplemented", "A header you provided implies functionality that is not implemented"), nil, providers.ErrUnsupported, "NotImplemented", "If-None-Match"},
		{"archived", 403, xml("InvalidObjectState", "archived"), nil, providers.ErrFrozen, "archived", "--thaw"},
		{"archived source", 403, xml("ObjectNotInActiveTierError", "archived"), nil, providers.ErrFrozen, "archived", "--thaw"},
		{"checksum", 400, xml("BadDigest", "mismatch"), nil, nil, "checksum mismatch on the way: BadDigest", ""},
		{"conflict", 409, xml("ConditionalRequestConflict", "try again"), nil, nil, "ConditionalRequestConflict", ""},
		{"slow down", 503, xml("SlowDown", "Please reduce your request rate."), nil, nil, "the store asks to slow down: SlowDown", ""},
		{"too many", 429, "", nil, nil, "the store asks to slow down", ""},
		{"unavailable", 503, "<html>busy</html>", nil, nil, "the store asks to slow down", ""},
		{"key throttled", 400, xml("KMS.ThrottlingException", "Rate exceeded"), nil, nil, "the store asks to slow down", ""},
		{"key out of order", 500, xml("KMS.KMSInternalException", "try again"), nil, nil, "KMSInternalException", ""},
		{"no key", 400, xml("KMS.NotFoundException", "Key 'arn:aws:kms:eu-west-1:1:key/x' does not exist"), nil, providers.ErrInvalidURL, "no such KMS key", "check kmskeyid"},
		{"key disabled", 400, xml("KMS.DisabledException", "arn:aws:kms:x is disabled."), nil, providers.ErrDenied, "disabled", "enable it"},
		{"key pending", 400, xml("KMS.KMSInvalidStateException", "is pending deletion."), nil, providers.ErrDenied, "pending deletion", "cancel its deletion"},
		{"key denied", 403, xml("AccessDenied", "User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on this resource"), nil, providers.ErrDenied, "kms:GenerateDataKey", "allow kms:GenerateDataKey and kms:Decrypt"},
		{"key argument", 400, xml("InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"), nil, providers.ErrUnsupported, "InvalidArgument", "kms_context"},
		{"no lock", 400, xml("InvalidRequest", "Bucket is missing Object Lock Configuration"), nil, providers.ErrUnsupported, "missing Object Lock", "create the bucket with Object Lock"},
		{"no class", 400, xml("InvalidStorageClass", "The storage class you specified is not valid"), nil, providers.ErrUnsupported, "storage class", "change storage_class"},
		{"bucket removed", 404, xml("NoSuchBucket", "The specified bucket does not exist"), nil, providers.ErrNoBucket, "NoSuchBucket", "check the name vault"},
		{"internal", 500, xml("InternalError", "We encountered an internal error."), nil, nil, "InternalError", ""},
		{"gateway", 502, "<html>" + echo + "</html>", nil, nil, "502", ""},
		{"teapot", 418, "", nil, nil, "418", ""},
		{"not S3", 404, "<html>no such page</html>", nil, providers.ErrNoBucket, "404", "check the endpoint"},
		{"unknown reason", 404, xml("SomethingElse", "not here"), nil, nil, "SomethingElse", ""},
		{"noise", 200, "<<<not xml " + echo, nil, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // whatever comes
				for name, value := range test.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body) // the client may have gone
			}))
			defer server.Close()
			environment(t, plantedID, plantedSecret, plantedToken)
			b := openURL(t, "s3://vault/p?use_path_style=true&endpoint="+server.URL, providers.Options{})
			defer func() { _ = b.Close() }() // nothing was written
			for op, err := range operations(t.Context(), b) {
				if test.status == 200 && (op == "get" || op == "put" || op == "delete") {
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
				if errors.Is(err, providers.ErrThrottled) != strings.Contains(test.text, "asks to slow down") {
					t.Errorf("%s: throttled: %v, want %v", op, errors.Is(err, providers.ErrThrottled), !errors.Is(err, providers.ErrThrottled))
				}
				if !strings.Contains(err.Error(), test.text) || !strings.Contains(e.Hint, test.hint) || len(err.Error()) > 700 {
					t.Errorf("%s: %v; hint %q", op, err, e.Hint)
				}
				wantNoSecret(t, err.Error()+e.Hint)
			}
		})
	}
}

// TestNoSecretInLog: nothing of the credentials is in the attempt log.
func TestNoSecretInLog(t *testing.T) {
	environment(t, plantedID, plantedSecret, plantedToken)
	var log strings.Builder
	o := providers.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	b := providers.Decorate(openURL(t, "s3://vault?endpoint=http://127.0.0.1:1", o), providers.Policy{
		Log: o.Log, Tries: 2, RetryBase: time.Microsecond,
	})
	defer func() { _ = b.Close() }() // nothing was written
	for op, err := range operations(t.Context(), b) {
		if err == nil {
			t.Errorf("%s into the void was no error", op)
			continue
		}
		wantNoSecret(t, err.Error())
	}
	if strings.Count(log.String(), "attempt failed") != 8 {
		t.Errorf("log: %s", log.String())
	}
	wantNoSecret(t, log.String())
}

// TestWrongRanges: a store that answers with another range than asked for is
// found out.
func TestWrongRanges(t *testing.T) {
	for contentRange, ok := range map[string]bool{
		"bytes 10-19/100": true, "bytes 10-19/20": true, "bytes 10-14/15": false, "bytes 0-9/100": false, "bytes 10-19/*": false, "": false, "bytes 10-20/100": false,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = io.WriteString(w, "0123456789") // the client may have gone
		}))
		environment(t, "id", "secret", "")
		b := openURL(t, "s3://vault?endpoint="+server.URL, providers.Options{})
		r, err := b.Get(t.Context(), "a", 10, 10)
		if (err == nil) != ok {
			t.Errorf("range %q: %v", contentRange, err)
		}
		if err == nil {
			_ = r.Close() // not read
		}
		_ = b.Close() // nothing was written
		server.Close()
	}
}

func TestOpen(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/backup"
	for query, want := range map[string][2]string{ // text of the error, of the hint
		"s3://v":                                                {"3 to 63", "s3://BUCKET"},
		"s3:///p":                                               {"3 to 63", "s3://BUCKET"},
		"s3://vault/Upper":                                      {`the part "Upper"`, "a-z"},
		"s3://vault/a//b":                                       {"empty part", ""},
		"s3://vault?anonymous=maybe":                            {"neither true nor false", "anonymous=true"},
		"s3://vault?role=backup":                                {"no ARN", "arn:aws"},
		"s3://vault?anonymous=true&profile=x":                   {"excludes", ""},
		"s3://vault?endpoint=":                                  {"empty", "HOST:PORT"},
		"s3://vault?endpoint=ftp://h":                           {"not the address", "HOST:PORT"},
		"s3://vault?endpoint=https://u:planted@h":               {"credentials", "environment"},
		"s3://vault?endpoint=https://h&disable_https=true":      {"contradicts", ""},
		"s3://vault?use_path_style=true&s3ForcePathStyle=true":  {"same", ""},
		"s3://vault?speed=true":                                 {"unknown parameter speed", "known parameters: region"},
		"s3://vault?role_session=x1":                            {"are for a role", "role=arn"},
		"s3://vault?external_id=planted":                        {"are for a role", "role=arn"},
		"s3://vault?role=" + arn + "&role_session=a+b":          {"role_session must have", "%2B"},
		"s3://vault?role=" + arn + "&external_id=planted+b":     {"external_id must have", "%2B"},
		"s3://vault?anonymous=true&requester_pays=true":         {"somebody must be known to pay", ""},
		"s3://vault?requester_pays=1x":                          {"neither true nor false", "requester_pays=true"},
		"s3://vault?endpoint=h&fips=true":                       {"choose an address of AWS", "leave out the endpoint"},
		"s3://vault?endpoint=h&dualstack=true":                  {"choose an address of AWS", "leave out the endpoint"},
		"s3://vault?endpoint=h&accelerate=true":                 {"choose an address of AWS", "leave out the endpoint"},
		"s3://vault?fips=true&accelerate=true":                  {"not FIPS", "leave out"},
		"s3://vault?fips=true&disable_https=true":               {"contradicts fips", "leave out"},
		"s3://vault?accelerate=true&use_path_style=true":        {"host name", "use_path_style"},
		"s3://va.ult?accelerate=true":                           {"dot in their name", "accelerate"},
		"s3://vault?ssetype=":                                   {"ssetype is empty", "AES256"},
		"s3://vault?ssetype=aes256":                             {`"aes256" is unknown`, "AES256"},
		"s3://vault?ssetype=AES256&kmskeyid=k":                  {"has no KMS key", "ssetype=aws:kms"},
		"s3://vault?ssetype=AES256&bucket_key=true":             {"has no KMS key", "ssetype=aws:kms"},
		"s3://vault?ssetype=aws:kms:dsse&bucket_key=true":       {"knows no bucket key", "ssetype=aws:kms"},
		"s3://vault?ssetype=aws:kms&kmskeyid=":                  {"names no key", "ARN"},
		"s3://vault?kms_context=planted":                        {"no NAME=VALUE", "JSON object"},
		"s3://vault?kms_context=a=planted,a=b":                  {"a name twice", "JSON object"},
		"s3://vault?kms_context=":                               {"no NAME=VALUE", "JSON object"},
		"s3://vault?kms_context=%7B%7D":                         {"is empty", "JSON object"},
		"s3://vault?kms_context=%7B%22a%22:1%7D":                {"no JSON object of strings", "JSON object"},
		"s3://vault?kms_context=a=" + strings.Repeat("x", 4096): {"more than 4096 bytes", "JSON object"},
		"s3://vault?storage_class=GLACIER_RI":                   {"storage class is unknown", "did you mean GLACIER_IR?"},
		"s3://vault?storage_class=glacier":                      {"storage class is unknown", "did you mean GLACIER?"},
		"s3://vault?storage_class=EXPRESS_ONEZONE":              {"directory buckets", "general purpose"},
		"s3://vault?endpoint=h&storage_class=a+b":               {"storage class is unknown", "STANDARD_IA"},
		"s3://vault": {"region is not known", "?region=REGION"},
	} {
		environment(t, plantedID, plantedSecret, plantedToken)
		t.Setenv("AWS_REGION", "")
		_, _, err := all.Registry().Open(t.Context(), query, providers.Options{})
		e, ok := errors.AsType[*providers.Error](err)
		if !errors.Is(err, providers.ErrInvalidURL) || !ok || !strings.Contains(err.Error(), want[0]) || !strings.Contains(e.Hint, want[1]) {
			t.Errorf("open %s: %v; %+v", query, err, e)
			continue
		}
		wantNoSecret(t, err.Error()+e.Hint)
	}
	environment(t, plantedID, plantedSecret, "")
	for _, ok := range []string{
		"s3://vault", "s3://vault/", "s3://vault/a/b?region=eu-west-1", "s3://vault?endpoint=h:9000", "s3://vault?endpoint=http://h:9000/x/",
		"s3://vault?anonymous=true", "s3://vault?role=" + arn, "s3://vault?use_path_style=false&endpoint=h",
		"s3://vault?role=" + arn + "&role_session=nightly&external_id=acme:1", "s3://vault?requester_pays=true",
		"s3://vault?fips=true&dualstack=true", "s3://vault?accelerate=true&dualstack=true", "s3://vault?ssetype=AES256",
		"s3://vault?ssetype=aws:kms:dsse&kmskeyid=k", "s3://vault?kmskeyid=alias/backups&bucket_key=true&kms_context=a=b,c=d",
		"s3://vault?storage_class=DEEP_ARCHIVE", "s3://vault?endpoint=h&storage_class=COLD-2",
	} {
		b, prefix, err := all.Registry().Open(t.Context(), ok, providers.Options{})
		if err != nil || strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") {
			t.Errorf("open %s: prefix %q, %v", ok, prefix, err)
			continue
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _, err := all.Registry().Open(t.Context(), "s3://vault?profile=nobody", providers.Options{})
	if !errors.Is(err, providers.ErrCredentials) || !strings.Contains(err.Error(), "nobody is no profile") {
		t.Errorf("missing profile: %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	_, _, err = all.Registry().Open(t.Context(), "s3://vault?fips=true", providers.Options{})
	if !errors.Is(err, providers.ErrInvalidURL) || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Errorf("an endpoint of the environment beside fips: %v", err)
	}
}

// TestRequests looks at what is sent: where to, as whom, and how often.
func TestRequests(t *testing.T) {
	var got []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // whatever comes
		got = append(got, r)
	}))
	defer server.Close()
	environment(t, plantedID, plantedSecret, "")
	for _, anonymous := range []bool{false, true} {
		got = nil
		b := openURL(t, fmt.Sprintf("s3://vault/p?anonymous=%v&endpoint=%s", anonymous, server.URL), providers.Options{UserAgent: "snapferry/1.2"})
		if err := b.Put(t.Context(), "p/a", providers.Bytes([]byte("abc"))); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if len(got) != 1 {
			t.Fatalf("%d requests", len(got))
		}
		r, sum := got[0], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
		for name, want := range map[string]string{
			"If-None-Match": "*", "Content-Type": "application/octet-stream", "X-Amz-Checksum-Sha256": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
			"X-Amz-Content-Sha256": sum,
		} {
			if v := r.Header.Get(name); v != want && !(anonymous && name == "X-Amz-Content-Sha256") {
				t.Errorf("%s is %q, want %q", name, v, want)
			}
		}
		if r.URL.Path != "/vault/p/a" || r.ContentLength != 3 || !strings.Contains(r.UserAgent(), "snapferry/1.2") || (r.Header.Get("Authorization") == "") != anonymous {
			t.Errorf("request %s, %d bytes, %q, signed: %v", r.URL.Path, r.ContentLength, r.UserAgent(), r.Header.Get("Authorization") != "")
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum-Crc") || name == "X-Amz-Trailer" {
				t.Errorf("the SDK computes a checksum of its own: %s", name)
			}
		}
	}
}

// TestHashIsComputedOnce: a body is read once, over http and TLS, and its hash
// is signed rather than left out. The server's certificate is known through
// AWS_CA_BUNDLE alone.
func TestHashIsComputedOnce(t *testing.T) {
	content := providertest.Noise(1 << 20)
	body := providers.Bytes(content)
	want := fmt.Sprintf("%x", body.SHA256())
	for _, tls := range []bool{false, true} {
		signed := ""
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // whatever comes
			signed = r.Header.Get("X-Amz-Content-Sha256")
		}))
		environment(t, plantedID, plantedSecret, "")
		if tls {
			server.StartTLS()
			ca := filepath.Join(t.TempDir(), "ca.pem")
			block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			if err := os.WriteFile(ca, block, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CA_BUNDLE", ca)
		} else {
			server.Start()
		}
		m := new(providers.Metrics)
		b := providers.Decorate(openURL(t, "s3://vault?endpoint="+server.URL, providers.Options{}), providers.Policy{Metrics: m, Tries: 1})
		if err := b.Put(t.Context(), "a", body); err != nil {
			t.Fatalf("TLS %v: %v", tls, err)
		}
		if got := m.Snapshot().BytesUp; got != int64(len(content)) || signed != want {
			t.Errorf("TLS %v: %d bytes were read of %d, signed hash %s, want %s", tls, got, len(content), signed, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}
