package s3_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

// Documents with rules of snapferry's and of other people.
const (
	ourRules = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
		`<Rule><ID>snapferry-daily</ID><Status>Enabled</Status><Filter><Prefix>p/daily/</Prefix></Filter><Expiration><Days>8</Days></Expiration>` +
		`<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>`
	foreignRules = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <!-- the archive team's -->
  <Rule>
	<ID>logs &amp; more</ID>   <Status>Enabled</Status>
    <Filter><And><Prefix>logs/</Prefix><Tag><Key>kind</Key><Value>a &lt; b</Value></Tag><Tag><Key>x</Key><Value>y</Value></Tag></And></Filter>
    <Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition><Expiration><Days>365</Days></Expiration>
  </Rule>

  <Rule><ID>one tag</ID><Status>Disabled</Status><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Expiration><Days>5</Days></Expiration></Rule>
</LifecycleConfiguration>
`
	unknownRules = "\n<LifecycleConfiguration xmlns=\"urn:x\"  xmlns:n='urn:new'>\r\n\t<!-- c --><Rule n:since=\"2030\"><ID>z</ID><Status>Sometimes</Status>" +
		"<Filter><Owner><![CDATA[<a>]]></Owner></Filter><n:Melt><Days>1e9</Days></n:Melt></Rule><Later/>\n</LifecycleConfiguration>\n<!-- end -->\n\n"
)

func ruler(t *testing.T, raw string) providers.Ruler {
	t.Helper()
	b := openURL(t, raw, providers.Options{})
	t.Cleanup(func() { _ = b.Close() }) // nothing was written
	return feature[providers.Ruler](t, b)
}

func runRules(t *testing.T, server *testenv.S3Server, other string, takesMissing bool) {
	server.Setenv(t)
	n := 0
	providertest.RunRules(t, func(t *testing.T) providertest.Rules {
		n++
		name := fmt.Sprintf("rules-%d", n)
		server.MakeBucket(name)
		b, missing := openURL(t, server.URL(name, "p"), providers.Options{}), openURL(t, server.URL("missing", "p"), providers.Options{})
		t.Cleanup(func() {
			if err := errors.Join(b.Close(), missing.Close()); err != nil {
				t.Error(err)
			}
		})
		return providertest.Rules{Bucket: b, Missing: missing, TakesMissing: takesMissing, Store: lifecycle.S3Compatible, Scope: "bucket " + name,
			One: []byte(ourRules), Other: []byte(other), Rewrites: true}
	})
}

func TestRulesOfMoto(t *testing.T) { runRules(t, testenv.Moto(t), foreignRules, false) }

func TestRulesOfMinIO(t *testing.T) {
	runRules(t, testenv.MinIO(t), strings.ReplaceAll(ourRules, "daily", "weekly"), true)
}

// TestForeignRulesOfMoto: what moto knows of the rules of others comes through.
func TestForeignRulesOfMoto(t *testing.T) {
	server := testenv.Moto(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	r := ruler(t, server.URL("vault", ""))
	if err := r.SetRules(t.Context(), providers.RulesDocument{Body: []byte(foreignRules)}); err != nil {
		t.Fatal(err)
	}
	doc, err := r.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<ID>logs &amp; more</ID>", "<Prefix>logs/</Prefix>", "<Value>a &lt; b</Value>", "<Key>x</Key>", "<StorageClass>STANDARD_IA</StorageClass>",
		"<ID>one tag</ID>", "<Status>Disabled</Status>", "<Days>365</Days>"} {
		if !strings.Contains(string(doc.Body), want) {
			t.Errorf("no %s in\n%s", want, doc.Body)
		}
	}
}

// TestRefusedRules: what MinIO does not take is said, and changes nothing.
func TestRefusedRules(t *testing.T) {
	server := testenv.MinIO(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	r := ruler(t, server.URL("vault", ""))
	for _, test := range []struct {
		name string
		body string
		text string
	}{
		{"abandoned uploads alone", strings.Replace(ourRules, "<Expiration><Days>8</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
			"<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>", 1), "not well-formed or did not validate"},
		{"no days", strings.Replace(ourRules, ">8<", ">0<", 1), "Days must be positive integer"},
		{"class", strings.Replace(foreignRules, "Days>365</Days", "Days>366</Days", 1), "Invalid storage class"},
		{"no document", "<Life", "MalformedXML"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := r.SetRules(t.Context(), providers.RulesDocument{Body: []byte(ourRules)}); err != nil {
				t.Fatal(err)
			}
			before, err := r.Rules(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = r.SetRules(t.Context(), providers.RulesDocument{Body: []byte(test.body)})
			wantRefusal(t, err, "write rules", providers.ErrUnsupported, "does not take the rules")
			if err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v, want %q", err, test.text)
			}
			if after, err := r.Rules(t.Context()); err != nil || string(after.Body) != string(before.Body) {
				t.Errorf("rules after a refusal: %s, %v", after.Body, err)
			}
		})
	}
}

// TestNoRulesOfVersitygw: a store without rules says so.
func TestNoRulesOfVersitygw(t *testing.T) {
	server := testenv.S3(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	r := ruler(t, server.URL("vault", ""))
	doc, err := r.Rules(t.Context())
	wantRefusal(t, err, "read rules", providers.ErrUnsupported, "no lifecycle rules")
	for _, body := range [][]byte{[]byte(ourRules), nil} {
		doc.Body = body
		wantRefusal(t, r.SetRules(t.Context(), doc), "write rules", providers.ErrUnsupported, "no lifecycle rules")
	}
}

func wantRefusal(t *testing.T, err error, op string, want error, hint string) {
	t.Helper()
	e, ok := errors.AsType[*providers.Error](err)
	if !errors.Is(err, want) || !ok || e.Op != op || !strings.Contains(e.Hint, hint) {
		t.Errorf("%v (%+v), want %s: %v, hint %q", err, e, op, want, hint)
		return
	}
	wantNoSecret(t, err.Error()+e.Hint)
}

// TestRulesByteForByte: what the SDK does not know, and how it is written,
// comes through both ways, with the header beside it, and what is sent is
// what its checksums are of.
func TestRulesByteForByte(t *testing.T) {
	var stored []byte
	var header string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("lifecycle") || r.URL.Path != "/vault" {
			t.Errorf("asked for %s", r.URL)
		}
		const minimum = "X-Amz-Transition-Default-Minimum-Object-Size"
		switch r.Method {
		case http.MethodGet:
			w.Header().Set(minimum, header)
			_, _ = w.Write(stored) // the client may have gone
		case http.MethodDelete:
			stored, header = nil, ""
			w.WriteHeader(http.StatusNoContent)
		case http.MethodPut:
			body, _ := io.ReadAll(r.Body) // whatever comes
			stored, header = body, r.Header.Get(minimum)
			sum, older := sha256.Sum256(body), md5.Sum(body)
			for name, want := range map[string]string{
				"X-Amz-Content-Sha256": fmt.Sprintf("%x", sum), "X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(sum[:]),
				"Content-Md5": base64.StdEncoding.EncodeToString(older[:]), "Content-Type": "application/xml", "X-Amz-Sdk-Checksum-Algorithm": "SHA256",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if r.ContentLength != int64(len(body)) || !strings.Contains(r.Header.Get("Authorization"), "x-amz-checksum-sha256") {
				t.Errorf("%d bytes announced of %d; %s", r.ContentLength, len(body), r.Header.Get("Authorization"))
			}
		}
	}))
	defer server.Close()
	environment(t, plantedID, plantedSecret, "")
	r := ruler(t, "s3://vault/p?endpoint="+server.URL)
	for _, body := range []string{unknownRules, foreignRules, ourRules} {
		for _, minimum := range []string{"varies_by_storage_class", "later_value", ""} {
			stored, header = []byte(body), minimum
			doc, err := r.Rules(t.Context())
			if err != nil || string(doc.Body) != body || doc.Header != minimum || doc.Version != "" {
				t.Fatalf("read %q, %q, %v; want %q, %q", doc.Body, doc.Header, err, body, minimum)
			}
			stored, header = nil, "none"
			if err := r.SetRules(t.Context(), doc); err != nil || string(stored) != body || header != minimum {
				t.Fatalf("wrote %q, %q, %v; want %q, %q", stored, header, err, body, minimum)
			}
		}
	}
	if err := r.SetRules(t.Context(), providers.RulesDocument{}); err != nil || stored != nil {
		t.Errorf("removed: %q, %v", stored, err)
	}
}

// TestRulesOfAmazon: an address that the SDK found is Amazon's; it needs no
// second checksum.
func TestRulesOfAmazon(t *testing.T) {
	environment(t, plantedID, plantedSecret, "")
	for query, want := range map[string]lifecycle.Store{
		"region=eu-west-1": lifecycle.S3, "region=eu-west-1&use_path_style=true": lifecycle.S3, "region=eu-west-1&endpoint=s3.eu-west-1.amazonaws.com": lifecycle.S3Compatible,
	} {
		rec := &recorder{header: http.Header{}}
		r := feature[providers.Ruler](t, rec.open(t, "s3://vault?"+query, providers.Attributes{}))
		doc, err := r.Rules(t.Context()) // the recorder answers with nothing
		if err == nil || providers.Permanent(err) || doc.Store != want || doc.Scope != "bucket vault" {
			t.Errorf("%s: %+v, %v; want %s", query, doc, err, want)
		}
		doc.Body = []byte(ourRules)
		if err := r.SetRules(t.Context(), doc); err != nil {
			t.Error(err)
		}
		sent := rec.got[len(rec.got)-1]
		if (sent.Header.Get("Content-Md5") == "") != (want == lifecycle.S3) || sent.Header.Get("X-Amz-Checksum-Sha256") == "" {
			t.Errorf("%s: sent with %v", query, sent.Header)
		}
	}
}

// TestRulesAnswers maps what stores answer.
func TestRulesAnswers(t *testing.T) {
	xml := func(code, message string) string {
		return "<Error><Code>" + code + "</Code><Message>" + message + "</Message><RequestId>R1</RequestId></Error>"
	}
	for _, test := range []struct {
		name       string
		status     int
		body       string
		want       [2]error // of reading and writing; nil: a passing fault
		read, hint string   // hints of reading and writing
	}{
		{"denied", 403, xml("AccessDenied", "User is not authorized to perform this"), [2]error{providers.ErrDenied, providers.ErrDenied}, "allow s3:GetLifecycleConfiguration ", "allow s3:PutLifecycleConfiguration "},
		{"denied by a proxy", 403, "<html>", [2]error{providers.ErrDenied, providers.ErrDenied}, "s3:GetLifecycleConfiguration ", "s3:PutLifecycleConfiguration "},
		{"no bucket", 404, xml("NoSuchBucket", "no"), [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "check the name vault", "check the name vault"},
		{"not S3", 404, "<html>", [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "check the endpoint", "check the endpoint"},
		{"not implemented", 501, xml("NotImplemented", "no"), [2]error{providers.ErrUnsupported, providers.ErrUnsupported}, "no lifecycle rules", "no lifecycle rules"},
		{"method", 405, xml("MethodNotAllowed", "no"), [2]error{providers.ErrUnsupported, providers.ErrUnsupported}, "no lifecycle rules", "no lifecycle rules"},
		{"rule", 400, xml("InvalidArgument", "'Days' for Expiration action must be a positive integer"), [2]error{nil, providers.ErrUnsupported}, "", "which part it refuses"},
		{"malformed", 400, xml("MalformedXML", "The XML you provided was not well-formed"), [2]error{nil, providers.ErrUnsupported}, "", "which part it refuses"},
		{"expired", 400, xml("ExpiredToken", "x"), [2]error{providers.ErrCredentials, providers.ErrCredentials}, "sign in", "sign in"},
		{"busy", 503, xml("SlowDown", "Reduce your request rate."), [2]error{}, "", ""},
		{"conflict", 409, xml("OperationAborted", "try again"), [2]error{}, "", ""},
		{"internal", 500, "", [2]error{}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // whatever comes
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body) // the client may have gone
			}))
			defer server.Close()
			environment(t, plantedID, plantedSecret, plantedToken)
			r := ruler(t, "s3://vault/p?endpoint="+server.URL)
			doc, err := r.Rules(t.Context())
			check := func(err error, op string, want error, hint string) {
				t.Helper()
				if want == nil {
					e, ok := errors.AsType[*providers.Error](err)
					if !ok || e.Op != op || providers.Permanent(err) || errors.Is(err, providers.ErrThrottled) != (test.status == 503) {
						t.Errorf("%v (%+v), want %s: a passing fault", err, e, op)
					}
					return
				}
				wantRefusal(t, err, op, want, hint)
			}
			check(err, "read rules", test.want[0], test.read)
			for _, body := range [][]byte{[]byte(ourRules), nil} {
				doc.Body = body
				check(r.SetRules(t.Context(), doc), "write rules", test.want[1], test.hint)
			}
		})
	}
}

// TestOddRules: what is no lifecycle configuration is not taken for one, nor
// for none.
func TestOddRules(t *testing.T) {
	for body, want := range map[string]error{
		"": nil, "<LifecycleConfiguration><Rule>": nil, "noise": nil, "<html><body></html>": nil,
		"<ListBucketResult></ListBucketResult>": providers.ErrUnsupported, "<html/>": providers.ErrUnsupported,
		strings.Repeat(" ", 9<<20): nil,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body) // the client may have gone
		}))
		environment(t, plantedID, plantedSecret, "")
		_, err := ruler(t, "s3://vault?endpoint="+server.URL).Rules(t.Context())
		e, ok := errors.AsType[*providers.Error](err)
		if !ok || e.Op != "read rules" || providers.Permanent(err) != (want != nil) || want != nil && !errors.Is(err, want) {
			t.Errorf("%.40q: %v", body, err)
		}
		server.Close()
	}
}
