package gcs_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/providertest"
)

// Documents with rules of snapferry's and of other people, and with what
// nobody knows yet.
const (
	ourRules     = `{"rule":[{"action":{"type":"Delete"},"condition":{"age":8,"isLive":true,"matchesPrefix":["p/daily/"]}}]}`
	foreignRules = "{\n \"later\" : null, \"rule\": [\n\t{\"condition\": {\"matchesPattern\":\"a\\u003cb\", \"melts\":1e400, \"age\": 0, \"isLive\":false},\"action\":{\"type\":\"Melt\",\"by\":[ ]}} ]\n}"
)

func ruler(t *testing.T, raw string) providers.Ruler {
	t.Helper()
	b := openURL(t, raw, providers.Options{})
	closeAtEnd(t, b)
	return feature[providers.Ruler](t, providers.Decorate(b, providers.Policy{Tries: 1}))
}

func TestRules(t *testing.T) {
	server := testenv.GCS(t)
	n := 0
	providertest.RunRules(t, func(t *testing.T) providertest.Rules {
		n++
		name := fmt.Sprintf("rules-%d", n)
		server.MakeBucket(name)
		b, missing := openURL(t, server.URL(name, "p"), providers.Options{}), openURL(t, server.URL("missing", "p"), providers.Options{})
		closeAtEnd(t, b)
		closeAtEnd(t, missing)
		return providertest.Rules{Bucket: b, Missing: missing, Store: lifecycle.GCS, Scope: "bucket " + name, One: []byte(ourRules), Other: []byte(foreignRules)}
	})
}

// TestRulesRace: of many who have read the same rules one writes; the others
// are told, and only what the one wrote is there.
func TestRulesRace(t *testing.T) {
	server := testenv.GCS(t)
	server.MakeBucket("vault")
	r := ruler(t, server.URL("vault", ""))
	doc, err := r.Rules(t.Context())
	if err != nil || doc.Version == "" || doc.Body != nil {
		t.Fatalf("%+v, %v", doc, err)
	}
	var writers sync.WaitGroup
	var mu sync.Mutex // guards won
	var won []string
	for i := range 8 {
		writers.Go(func() {
			mine := doc
			mine.Body = []byte(strings.Replace(ourRules, `"age":8`, fmt.Sprintf(`"age":%d`, i+1), 1))
			if err := r.SetRules(t.Context(), mine); err != nil {
				wantError(t, err, providers.ErrChanged, "write rules", "read the rules again")
				return
			}
			mu.Lock()
			won = append(won, string(mine.Body))
			mu.Unlock()
		})
	}
	writers.Wait()
	if len(won) != 1 || string(server.Lifecycle("vault")) != won[0] {
		t.Errorf("%d won: %q; there is %s", len(won), won, server.Lifecycle("vault"))
	}
	// Whatever changes the settings changes the version, also back and forth.
	if doc, err = r.Rules(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.SetLifecycle("vault", nil)
	server.SetLifecycle("vault", doc.Body)
	wantError(t, r.SetRules(t.Context(), doc), providers.ErrChanged, "write rules", "read the rules again")
	doc.Version = ""
	if err := r.SetRules(t.Context(), doc); err != nil {
		t.Errorf("without a version: %v", err)
	}
}

// TestRulesOfEmulator: fake-gcs-server by itself takes rules and forgets them.
func TestRulesOfEmulator(t *testing.T) {
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Scheme: "http"})
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Stop()
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "vault"})
	server := httptest.NewServer(fake.HTTPHandler())
	defer server.Close()
	r := ruler(t, "gs://vault?anonymous=true&endpoint="+server.URL)
	for range 2 {
		doc, err := r.Rules(t.Context())
		if err != nil || doc.Version != "1" || doc.Body != nil {
			t.Errorf("%+v, %v", doc, err)
		}
		doc.Body = []byte(ourRules)
		if err := r.SetRules(t.Context(), doc); err != nil {
			t.Error(err)
		}
	}
	_, err = ruler(t, "gs://missing?anonymous=true&endpoint="+server.URL).Rules(t.Context())
	wantError(t, err, providers.ErrNoBucket, "read rules", "check the name missing")
}

// TestRulesRequests looks at what is sent, and at odd answers.
func TestRulesRequests(t *testing.T) {
	rec := newRecorder(t)
	rec.answer = func(w http.ResponseWriter, _ received) {
		_, _ = io.WriteString(w, `{"metageneration": "41", "lifecycle" : `+foreignRules+` }`) // the client may have gone
	}
	r := ruler(t, "gs://vault/p?anonymous=true&user_project=payer&endpoint="+rec.URL+"/path")
	doc, err := r.Rules(t.Context())
	if err != nil || string(doc.Body) != foreignRules || doc.Version != "41" {
		t.Fatalf("%+v, %v", doc, err)
	}
	var sent string
	rec.answer = func(_ http.ResponseWriter, in received) {
		body, _ := io.ReadAll(in.Body) // whatever comes
		sent = string(body)
	}
	for _, body := range []string{foreignRules, ourRules, ""} {
		want := `{"lifecycle":` + body + `}`
		if doc.Body = []byte(body); body == "" {
			doc.Body, want = nil, `{"lifecycle":null}`
		}
		if err := r.SetRules(t.Context(), doc); err != nil || sent != want {
			t.Errorf("sent %s, want %s; %v", sent, want, err)
		}
	}
	got := rec.requests()
	if len(got) != 4 || got[0].Method != http.MethodGet || got[0].URL.Path != "/path/storage/v1/b/vault" ||
		got[0].URL.RawQuery != "fields=lifecycle%2Cmetageneration&userProject=payer" {
		t.Errorf("%d requests, the first %s %s", len(got), got[0].Method, got[0].URL)
	}
	for _, in := range got[1:] {
		if in.Method != http.MethodPatch || in.URL.RawQuery != "fields=metageneration&ifMetagenerationMatch=41&userProject=payer" || in.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s as %s", in.Method, in.URL, in.Header.Get("Content-Type"))
		}
	}
	for _, odd := range []string{`{"rule":[]},"acl":[]`, "", "x", `{"rule":[`} {
		doc.Body = []byte(odd)
		wantError(t, r.SetRules(t.Context(), doc), providers.ErrUnsupported, "write rules", `{"rule": [...]}`)
	}
	if got := rec.requests(); len(got) != 0 {
		t.Errorf("sent what is no document: %d requests", len(got))
	}
	for body, want := range map[string]error{"{}": providers.ErrUnsupported, `{"lifecycle":{}}`: providers.ErrUnsupported, "": nil, "<html>": nil, `{"metageneration":1}`: nil,
		`{"metageneration":"1","lifecycle":{"ru`: nil, strings.Repeat(" ", 5<<20): nil} {
		rec.answer = func(w http.ResponseWriter, _ received) { _, _ = io.WriteString(w, body) } // the client may have gone
		_, err := r.Rules(t.Context())
		e, ok := errors.AsType[*providers.Error](err)
		if !ok || e.Op != "read rules" || providers.Permanent(err) != (want != nil) || want != nil && !errors.Is(err, want) {
			t.Errorf("%.40q: %v", body, err)
		}
	}
	rec.answer = func(w http.ResponseWriter, _ received) {
		_, _ = io.WriteString(w, `{"metageneration":"1","lifecycle":null}`) // the client may have gone
	}
	if doc, err := r.Rules(t.Context()); err != nil || doc.Body != nil || doc.Version != "1" {
		t.Errorf("null: %+v, %v", doc, err)
	}
}

// TestRulesAnswers maps what the store answers.
func TestRulesAnswers(t *testing.T) {
	for _, test := range []struct {
		name        string
		status      int
		body        string
		want        [2]error // of reading and writing; nil: a passing fault
		read, write string   // hints
	}{
		{"denied", 403, apiError(403, "forbidden", "w@p.iam does not have storage.buckets.x access."), [2]error{providers.ErrDenied, providers.ErrDenied}, "allow storage.buckets.get ", "allow storage.buckets.update "},
		{"token refused", 401, apiError(401, "authError", "Invalid Credentials"), [2]error{providers.ErrCredentials, providers.ErrCredentials}, "anonymous", "anonymous"},
		{"no bucket", 404, apiError(404, "notFound", "The specified bucket does not exist."), [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "check the name vault", "check the name vault"},
		{"not GCS", 404, "<html>", [2]error{providers.ErrNoBucket, providers.ErrNoBucket}, "check the name vault", "check the name vault"},
		{"changed", 412, apiError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."), [2]error{nil, providers.ErrChanged}, "", "read the rules again"},
		{"constraint", 412, apiError(412, "conditionNotMet", "Request violates constraint 'constraints/x'"), [2]error{providers.ErrDenied, providers.ErrDenied}, "organisation", "organisation"},
		{"rule", 400, apiError(400, "invalid", "Invalid lifecycle rule: retention"), [2]error{providers.ErrUnsupported, providers.ErrUnsupported}, "", "which part it refuses"},
		{"payer", 400, apiError(400, "userProjectMissing", "no"), [2]error{providers.ErrDenied, providers.ErrDenied}, "?user_project=", "?user_project="},
		{"redirect", 302, "", [2]error{providers.ErrUnsupported, providers.ErrUnsupported}, "check the endpoint", "check the endpoint"},
		{"rate", 429, apiError(429, "rateLimitExceeded", "The bucket exceeded the rate limit for metadata"), [2]error{}, "", ""},
		{"busy", 503, apiError(503, "backendError", "Backend Error"), [2]error{}, "", ""},
		{"internal", 500, "", [2]error{}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // whatever comes
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body) // the client may have gone
			}))
			defer server.Close()
			r := ruler(t, "gs://vault/p?anonymous=true&endpoint="+server.URL)
			check := func(err error, op string, want error, hint string) {
				t.Helper()
				if want != nil {
					wantError(t, err, want, op, hint)
					return
				}
				e, ok := errors.AsType[*providers.Error](err)
				if !ok || e.Op != op || providers.Permanent(err) || errors.Is(err, providers.ErrThrottled) != (test.status == 429 || test.status == 503) {
					t.Errorf("%v (%+v), want %s: a passing fault", err, e, op)
				}
			}
			doc, err := r.Rules(t.Context())
			check(err, "read rules", test.want[0], test.read)
			for _, body := range [][]byte{[]byte(ourRules), nil} {
				doc.Body, doc.Version = body, "1"
				check(r.SetRules(t.Context(), doc), "write rules", test.want[1], test.write)
			}
		})
	}
}
