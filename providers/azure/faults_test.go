package azure_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
	"github.com/snapferry/snapferry/providers/providertest"
)

// faulty opens a bucket whose requests meet the faults of tr, decorated with
// short waits, and the log of its attempts.
func faulty(t *testing.T, url string, tr *faults.Transport, log *bytes.Buffer) providers.Bucket {
	t.Helper()
	b := providers.Decorate(openURL(t, url, providers.Options{Transport: tr.Wrap}), providers.Policy{
		Log: slog.New(slog.NewTextHandler(log, nil)), RetryBase: time.Millisecond, RetryCap: 2 * time.Millisecond,
	})
	t.Cleanup(func() { _ = b.Close() }) // connections may be broken
	return b
}

// TestFaults meets each fault three times with an upload, a download and a
// listing.
func TestFaults(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	content := pattern(3 << 20)
	for _, test := range []struct {
		kind   faults.Kind
		method string
		lost   bool
		log    string
	}{
		{faults.ResetBefore, http.MethodPut, false, "reset"},
		{faults.ResetMidway, http.MethodPut, false, "reset"},
		{faults.LostAnswer, http.MethodPut, true, ""},
		{faults.ServerError, http.MethodPut, false, "InternalError"},
		{faults.SlowDown, http.MethodPut, false, "the store asks to slow down"},
		{faults.Conflict, http.MethodPut, false, "ConditionalRequestConflict"},
		{faults.BadSent, http.MethodPut, false, "checksum mismatch on the way"},
		{faults.ResetBefore, http.MethodGet, false, "reset"},
		{faults.ServerError, http.MethodGet, false, "InternalError"},
		{faults.SlowDown, http.MethodGet, false, "the store asks to slow down"},
		{faults.TruncatedBody, http.MethodGet, false, "op=get"},
		{faults.ResetBody, http.MethodGet, false, "op=get"},
	} {
		t.Run(test.method+" "+test.kind.String(), func(t *testing.T) {
			bucket := fmt.Sprintf("fault-%s-%d", strings.ToLower(test.method), test.kind)
			server.MakeBucket(bucket)
			tr := faults.NewTransport(1, faults.Rule{Kind: test.kind, Match: faults.Method(test.method), Times: 3})
			var log bytes.Buffer
			b := faulty(t, server.URL(bucket, ""), tr, &log)
			err := b.Put(t.Context(), "a/b", providers.Bytes(content))
			if err != nil && !(test.lost && errors.Is(err, providers.ErrExists)) {
				t.Fatalf("put: %v", err)
			}
			if got, err := read(b, "a/b"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("get: %d bytes, %v", len(got), err)
			}
			for o, err := range b.List(t.Context(), "") {
				if err != nil || o.Key != "a/b" || o.Size != int64(len(content)) {
					t.Errorf("listed %+v, %v", o, err)
				}
			}
			want := 3
			if test.lost {
				want = 0 // the object is asked for, and is there
			}
			if lines := strings.Count(log.String(), "attempt failed"); lines != want || tr.Total() < 1 || !strings.Contains(log.String(), test.log) {
				t.Errorf("%d faults, %d lines in the log, want %d:\n%s", tr.Total(), lines, want, log.String())
			}
		})
	}
}

// TestBadDownloadIsNotHidden: wrong bytes come as they are; the archive, which
// knows the hash, finds them.
func TestBadDownloadIsNotHidden(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("vault")
	content := pattern(100_000)
	tr := faults.NewTransport(1, faults.Rule{Kind: faults.BadReceived, Match: faults.Method(http.MethodGet), Times: 1})
	var log bytes.Buffer
	b := faulty(t, server.URL("vault", ""), tr, &log)
	if err := b.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	got, err := read(b, "a")
	if err != nil || len(got) != len(content) || bytes.Equal(got, content) {
		t.Errorf("%d bytes, the right ones: %v, %v", len(got), bytes.Equal(got, content), err)
	}
}

// TestStorm: half of all requests fail, in every way.
func TestStorm(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	server.MakeBucket("storm")
	var rules []faults.Rule
	for _, kind := range []faults.Kind{faults.ResetBefore, faults.ServerError, faults.SlowDown} {
		rules = append(rules, faults.Rule{Kind: kind, Probability: 0.1})
	}
	for _, kind := range []faults.Kind{faults.ResetMidway, faults.LostAnswer, faults.Conflict, faults.BadSent} {
		rules = append(rules, faults.Rule{Kind: kind, Probability: 0.08, Match: faults.Method(http.MethodPut)})
	}
	for _, kind := range []faults.Kind{faults.TruncatedBody, faults.ResetBody} {
		rules = append(rules, faults.Rule{Kind: kind, Probability: 0.15, Match: faults.Method(http.MethodGet)})
	}
	tr := faults.NewTransport(42, rules...)
	var log bytes.Buffer
	b := faulty(t, server.URL("storm", ""), tr, &log)
	var want []string
	for i := range 60 {
		key := fmt.Sprintf("s/%02d", i)
		want = append(want, key)
		content := pattern(50_000 + i*10_000)
		if err := b.Put(t.Context(), key, providers.Bytes(content)); err != nil && !errors.Is(err, providers.ErrExists) {
			t.Fatal(err)
		}
		if got, err := read(b, key); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s: %d bytes, %v", key, len(got), err)
		}
	}
	var got []string
	for o, err := range b.List(t.Context(), "s/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	// A lost answer needs no other attempt, and a few faults hit nothing: a
	// body that is not sent since the header is refused, a question whether
	// the object is there.
	faulted := tr.Total() - tr.Hits(faults.LostAnswer)
	if lines := strings.Count(log.String(), "attempt failed"); faulted < 40 || lines > tr.Total() || lines < faulted*8/10 {
		t.Errorf("%d faults beside lost answers, %d lines in the log", faulted, lines)
	}
}

// TestContractInBadWeather runs the contract through the decorators with one
// request in five refused.
func TestContractInBadWeather(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	n := 0
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		n++
		name := fmt.Sprintf("weather-%d", n)
		server.MakeBucket(name)
		reopen := func(t *testing.T) providers.Bucket {
			tr := faults.NewTransport(uint64(n), faults.Rule{Kind: faults.SlowDown, Probability: 0.1}, faults.Rule{Kind: faults.ResetBefore, Probability: 0.1})
			return providers.Decorate(openURL(t, server.URL(name, ""), providers.Options{Transport: tr.Wrap}),
				providers.Policy{RetryBase: time.Microsecond, RetryCap: time.Millisecond})
		}
		return providertest.Harness{Bucket: reopen(t), Reopen: reopen}
	})
}
