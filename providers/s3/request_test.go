package s3_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
)

// recorder answers every request as a store does that is well, and keeps it.
type recorder struct {
	header http.Header // of every answer
	got    []*http.Request
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body) // whatever comes
		_ = req.Body.Close()                 // was read
	}
	r.got = append(r.got, req)
	body := ""
	if req.URL.Query().Has("list-type") {
		body = "<ListBucketResult></ListBucketResult>"
	}
	if req.URL.Query().Has("versions") {
		body = "<ListVersionsResult></ListVersionsResult>"
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

func (r *recorder) open(t *testing.T, raw string, attributes providers.Attributes) providers.Bucket {
	t.Helper()
	b := openURL(t, raw, providers.Options{
		Transport:  func(http.RoundTripper) http.RoundTripper { return r },
		Attributes: func(string) providers.Attributes { return attributes },
	})
	t.Cleanup(func() { _ = b.Close() }) // nothing is open
	return b
}

// TestPutHeaders: what the parameters and attributes add to the request of an
// object.
func TestPutHeaders(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e-0000-1111-2222-333344445555"
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	locked := providers.Attributes{Lock: providers.Lock{Mode: providers.LockCompliance, Until: until}}
	for _, test := range []struct {
		query      string
		attributes providers.Attributes
		want       map[string]string
	}{
		{"", providers.Attributes{}, map[string]string{}},
		{"ssetype=AES256", providers.Attributes{}, map[string]string{"Server-Side-Encryption": "AES256"}},
		{"ssetype=aws:kms&kmskeyid=" + key, providers.Attributes{}, map[string]string{"Server-Side-Encryption": "aws:kms", "Server-Side-Encryption-Aws-Kms-Key-Id": key}},
		{"kmskeyid=alias/backups&bucket_key=true&kms_context=b=2,a=%3Cx%3E", providers.Attributes{}, map[string]string{
			"Server-Side-Encryption": "aws:kms", "Server-Side-Encryption-Aws-Kms-Key-Id": "alias/backups", "Server-Side-Encryption-Bucket-Key-Enabled": "true",
			"Server-Side-Encryption-Context": base64.StdEncoding.EncodeToString([]byte(`{"a":"<x>","b":"2"}`)),
		}},
		{"ssetype=aws:kms:dsse&kms_context=" + `%7B%22team%22:%22graph%22%7D`, providers.Attributes{}, map[string]string{
			"Server-Side-Encryption": "aws:kms:dsse", "Server-Side-Encryption-Context": base64.StdEncoding.EncodeToString([]byte(`{"team":"graph"}`)),
		}},
		{"ssetype=aws:kms&bucket_key=false", providers.Attributes{}, map[string]string{
			"Server-Side-Encryption": "aws:kms", "Server-Side-Encryption-Bucket-Key-Enabled": "false",
		}},
		{"storage_class=GLACIER_IR", providers.Attributes{}, map[string]string{}},
		{"storage_class=GLACIER_IR", providers.Attributes{Bulk: true}, map[string]string{"Storage-Class": "GLACIER_IR"}},
		{"requester_pays=true", providers.Attributes{}, map[string]string{"Request-Payer": "requester"}},
		{"", locked, map[string]string{"Object-Lock-Mode": "COMPLIANCE", "Object-Lock-Retain-Until-Date": "2027-01-02T02:04:05Z"}},
	} {
		environment(t, plantedID, plantedSecret, "")
		r := &recorder{header: http.Header{"X-Amz-Server-Side-Encryption": {test.want["Server-Side-Encryption"]}}}
		b := r.open(t, "s3://vault/p?region=eu-west-1&"+test.query, test.attributes)
		if err := b.Put(t.Context(), "p/a", providers.Bytes([]byte("abc"))); err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		got := map[string]string{}
		for name, v := range r.got[0].Header {
			name = strings.TrimPrefix(name, "X-Amz-")
			for _, asked := range []string{"Server-Side-", "Storage-", "Object-Lock-", "Request-Payer"} {
				if strings.HasPrefix(name, asked) {
					got[name] = v[0]
				}
			}
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s sends %v, want %v", test.query, got, test.want)
		}
		// What is asked for is signed, so that nobody can take it out on the way.
		_, signed, _ := strings.Cut(r.got[0].Header.Get("Authorization"), "SignedHeaders=")
		signed, _, _ = strings.Cut(signed, ",")
		for name := range got {
			if !slices.Contains(strings.Split(signed, ";"), "x-amz-"+strings.ToLower(name)) {
				t.Errorf("%s: %s is not signed: %s", test.query, name, signed)
			}
		}
		if got := r.got[0].Header.Get("X-Amz-Sdk-Checksum-Algorithm"); got != "SHA256" {
			t.Errorf("%s: checksum algorithm %q, which a lock needs", test.query, got)
		}
	}
}

// TestEncryptionIgnored: a store that says nothing of the encryption asked for
// has stored in clear.
func TestEncryptionIgnored(t *testing.T) {
	environment(t, plantedID, plantedSecret, "")
	for _, got := range []string{"", "AES256"} {
		r := &recorder{header: http.Header{"X-Amz-Server-Side-Encryption": {got}}}
		err := r.open(t, "s3://vault?region=eu-west-1&ssetype=aws:kms", providers.Attributes{}).Put(t.Context(), "a", providers.Bytes(nil))
		e, ok := errors.AsType[*providers.Error](err)
		if !errors.Is(err, providers.ErrUnsupported) || !ok || !strings.Contains(e.Hint, "ssetype") || !strings.Contains(err.Error(), "asks for aws:kms") {
			t.Errorf("encrypted with %q: %v", got, err)
		}
	}
}

// TestRequesterPays: every request says who pays.
func TestRequesterPays(t *testing.T) {
	environment(t, plantedID, plantedSecret, "")
	r := &recorder{header: http.Header{}}
	b := r.open(t, "s3://vault?region=eu-west-1&requester_pays=true", providers.Attributes{})
	_ = operations(t.Context(), b) // the recorder is no real store
	feature[providers.Overwriter](t, b).Overwrite(t.Context(), "a", providers.Bytes(nil))
	for range feature[providers.Versioner](t, b).Versions(t.Context(), "") {
	}
	feature[providers.Locker](t, b).LockOf(t.Context(), "a")
	if len(r.got) < 7 {
		t.Fatalf("%d requests", len(r.got))
	}
	for _, got := range r.got {
		if got.Header.Get("X-Amz-Request-Payer") != "requester" {
			t.Errorf("%s %s: nobody pays", got.Method, got.URL)
		}
	}
}

// TestAddresses: the hosts of AWS that the parameters choose.
func TestAddresses(t *testing.T) {
	for query, want := range map[string]string{
		"":                               "vault.s3.eu-west-1.amazonaws.com",
		"fips=true":                      "vault.s3-fips.eu-west-1.amazonaws.com",
		"dualstack=true":                 "vault.s3.dualstack.eu-west-1.amazonaws.com",
		"fips=true&dualstack=true":       "vault.s3-fips.dualstack.eu-west-1.amazonaws.com",
		"accelerate=true":                "vault.s3-accelerate.amazonaws.com",
		"accelerate=true&dualstack=true": "vault.s3-accelerate.dualstack.amazonaws.com",
		"use_path_style=true":            "s3.eu-west-1.amazonaws.com",
	} {
		environment(t, plantedID, plantedSecret, "")
		r := &recorder{header: http.Header{}}
		if err := r.open(t, "s3://vault?region=eu-west-1&"+query, providers.Attributes{}).Put(t.Context(), "a", providers.Bytes(nil)); err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := r.got[0].URL.Host; got != want || r.got[0].URL.Scheme != "https" {
			t.Errorf("%s goes to %s, want %s", query, got, want)
		}
	}
}

// TestVersionPages: the versions of a key on both sides of a page's end, newest
// first as S3 has them, and delete markers between them.
func TestVersionPages(t *testing.T) {
	version := func(key, id string, latest bool) string {
		return fmt.Sprintf("<Version><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%v</IsLatest><Size>1</Size><LastModified>2026-11-01T00:00:00Z</LastModified></Version>", key, id, latest)
	}
	pages := map[string]string{
		"": "<IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker><NextVersionIdMarker>b2</NextVersionIdMarker>" + version("a", "a1", true) +
			"<DeleteMarker><Key>b</Key><VersionId>b4</VersionId><IsLatest>true</IsLatest></DeleteMarker>" + version("b", "b3", false) + version("b", "b2", false),
		"b2": "<IsTruncated>true</IsTruncated><NextKeyMarker>c</NextKeyMarker><NextVersionIdMarker>c2</NextVersionIdMarker>" + version("b", "b1", false) + version("c", "c2", true),
		"c2": "<IsTruncated>false</IsTruncated>" + version("c", "c1", false),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<ListVersionsResult>"+pages[r.URL.Query().Get("version-id-marker")]+"</ListVersionsResult>") // the client may have gone
	}))
	defer server.Close()
	environment(t, plantedID, plantedSecret, "")
	b := openURL(t, "s3://vault?endpoint="+server.URL, providers.Options{})
	defer b.Close()
	var got []string
	for _, v := range versions(t, b, "") {
		got = append(got, v.ID)
	}
	if want := []string{"a1", "b1", "b2", "b3", "c1", "c2"}; !slices.Equal(got, want) {
		t.Errorf("versions %q, want %q", got, want)
	}
	n := 0
	for range feature[providers.Versioner](t, b).Versions(t.Context(), "") {
		if n++; n == 2 {
			break
		}
	}
	pages["c2"] = version("b", "b0", false)
	var err error
	for _, err = range feature[providers.Versioner](t, b).Versions(t.Context(), "") {
	}
	if !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("keys out of order: %v", err)
	}
}

// TestInspectRefused: what this identity may not ask for is unknown, with the
// permission that is missing, and no error; a store out of reach is one.
func TestInspectRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", "ap-south-1")
		w.Header().Set("Date", "Mon, 23 Nov 2026 20:00:00 GMT")
		w.WriteHeader(http.StatusForbidden)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>") // the client may have gone
		}
	}))
	environment(t, plantedID, plantedSecret, "")
	b := openURL(t, "s3://vault?region=ap-south-1&endpoint="+server.URL, providers.Options{})
	defer b.Close()
	inspector := feature[providers.Inspector](t, b)
	got, err := inspector.Inspect(t.Context())
	if err != nil || got.Region != "ap-south-1" {
		t.Errorf("%+v, %v", got, err)
	}
	for action, trait := range map[string]providers.Trait{
		"s3:GetBucketVersioning": got.Versioning, "s3:GetBucketAcl": got.Public, "s3:GetEncryptionConfiguration": got.Encryption,
		"s3:GetBucketObjectLockConfiguration": got.Lock,
	} {
		if trait.State != providers.Unknown || !strings.Contains(trait.Detail, "allow "+action+" ") {
			t.Errorf("%s: %+v", action, trait)
		}
	}
	if now, err := inspector.ServerTime(t.Context()); err != nil || !now.Equal(time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)) {
		t.Errorf("server time %v, %v", now, err)
	}
	server.Close()
	if _, err := inspector.Inspect(t.Context()); err == nil || providers.Permanent(err) {
		t.Errorf("a store out of reach: %v", err)
	}
	if _, err := inspector.ServerTime(t.Context()); err == nil || providers.Permanent(err) {
		t.Errorf("the clock of a store out of reach: %v", err)
	}
}

// TestOverwritePolicy: the policy is the one that the Terraform module makes,
// whose tests read the same file.
func TestOverwritePolicy(t *testing.T) {
	environment(t, plantedID, plantedSecret, "")
	b := openURL(t, "s3://acme-graph-backups/prod/graph?region=eu-west-1", providers.Options{})
	defer b.Close()
	adviser := feature[providers.PolicyAdviser](t, b)
	text, err := os.ReadFile(filepath.Join("testdata", "overwrite-policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := errors.Join(json.Unmarshal([]byte(adviser.OverwritePolicy("prod/graph")), &got), json.Unmarshal(text, &want)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("policy %s\nwant %s", adviser.OverwritePolicy("prod/graph"), text)
	}
	for raw, want := range map[string]string{
		"s3://acme?region=us-east-1": `"arn:aws:s3:::acme/*"`, "s3://acme?region=cn-north-1": `"arn:aws-cn:s3:::acme/*"`,
		"s3://acme?region=us-gov-west-1": `"arn:aws-us-gov:s3:::acme/*"`,
	} {
		b := openURL(t, raw, providers.Options{})
		defer b.Close()
		if got := feature[providers.PolicyAdviser](t, b).OverwritePolicy(""); !strings.Contains(got, want) {
			t.Errorf("%s: %s", raw, got)
		}
	}
}
