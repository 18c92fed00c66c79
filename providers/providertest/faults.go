package providertest

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

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
)

// RunFaults breaks requests to a cloud in every way that faults.Transport has.
func RunFaults(t *testing.T, c Cloud) {
	for _, kind := range []faults.Kind{faults.ServerError, faults.SlowDown, faults.Conflict} {
		if c.Says[kind] == "" {
			t.Fatalf("the cloud has no words for %v", kind)
		}
	}
	t.Run("each", c.testFaults)
	t.Run("bad download is not hidden", c.testBadDownloadIsNotHidden)
	t.Run("storm", c.testStorm)
	t.Run("contract in bad weather", c.testContractInBadWeather)
}

// faulty opens a bucket whose requests meet the faults of tr, decorated with
// short waits, and the log of its attempts.
func (c Cloud) faulty(t *testing.T, url string, tr *faults.Transport, log *bytes.Buffer) providers.Bucket {
	t.Helper()
	wrap := tr.Wrap
	if c.Midway != nil {
		wrap = c.Midway(tr, 60_000)
	}
	b := providers.Decorate(c.Open(t, url, providers.Options{Transport: wrap}), providers.Policy{
		Log: slog.New(slog.NewTextHandler(log, nil)), RetryBase: time.Millisecond, RetryCap: 2 * time.Millisecond,
	})
	t.Cleanup(func() { _ = b.Close() }) // connections may be broken
	return b
}

// testFaults meets each fault three times with an upload, a download and a
// listing.
func (c Cloud) testFaults(t *testing.T) {
	server := c.Start(t)
	content := Noise(3 << 20)
	for _, test := range []struct {
		kind   faults.Kind
		method string
		lost   bool
		log    string
	}{
		{faults.ResetBefore, c.Upload.Method, false, "reset"},
		{faults.ResetMidway, c.Upload.Method, false, "reset"},
		{faults.LostAnswer, c.Upload.Method, true, ""},
		{faults.ServerError, c.Upload.Method, false, c.Says[faults.ServerError]},
		{faults.SlowDown, c.Upload.Method, false, c.Says[faults.SlowDown]},
		{faults.Conflict, c.Upload.Method, false, c.Says[faults.Conflict]},
		{faults.BadSent, c.Upload.Method, false, "checksum mismatch on the way"},
		{faults.ResetBefore, http.MethodGet, false, "reset"},
		{faults.ServerError, http.MethodGet, false, c.Says[faults.ServerError]},
		{faults.SlowDown, http.MethodGet, false, c.Says[faults.SlowDown]},
		{faults.TruncatedBody, http.MethodGet, false, "op=get"},
		{faults.ResetBody, http.MethodGet, false, "op=get"},
	} {
		t.Run(test.method+" "+test.kind.String(), func(t *testing.T) {
			bucket := fmt.Sprintf("fault-%s-%d", strings.ToLower(test.method), test.kind)
			server.MakeBucket(bucket)
			tr := faults.NewTransport(1, faults.Rule{Kind: test.kind, Match: faults.Method(test.method), Times: 3})
			var log bytes.Buffer
			b := c.faulty(t, server.URL(bucket, ""), tr, &log)
			err := b.Put(t.Context(), "a/b", providers.Bytes(content))
			if err != nil && !(test.lost && errors.Is(err, providers.ErrExists)) {
				t.Fatalf("put: %v", err)
			}
			if got, err := Read(b, "a/b"); err != nil || !bytes.Equal(got, content) {
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

// testBadDownloadIsNotHidden: wrong bytes come as they are; the archive, which
// knows the hash, finds them.
func (c Cloud) testBadDownloadIsNotHidden(t *testing.T) {
	server := c.Start(t)
	server.MakeBucket("vault")
	content := Noise(100_000)
	tr := faults.NewTransport(1, faults.Rule{Kind: faults.BadReceived, Match: faults.Method(http.MethodGet), Times: 1})
	var log bytes.Buffer
	b := c.faulty(t, server.URL("vault", ""), tr, &log)
	if err := b.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	got, err := Read(b, "a")
	if err != nil || len(got) != len(content) || bytes.Equal(got, content) {
		t.Errorf("%d bytes, the right ones: %v, %v", len(got), bytes.Equal(got, content), err)
	}
}

// testStorm: half of all requests fail, in every way.
func (c Cloud) testStorm(t *testing.T) {
	server := c.Start(t)
	server.MakeBucket("storm")
	var rules []faults.Rule
	for _, kind := range []faults.Kind{faults.ResetBefore, faults.ServerError, faults.SlowDown} {
		rules = append(rules, faults.Rule{Kind: kind, Probability: 0.1})
	}
	for _, kind := range []faults.Kind{faults.ResetMidway, faults.LostAnswer, faults.Conflict, faults.BadSent} {
		rules = append(rules, faults.Rule{Kind: kind, Probability: 0.08, Match: faults.Method(c.Upload.Method)})
	}
	for _, kind := range []faults.Kind{faults.TruncatedBody, faults.ResetBody} {
		rules = append(rules, faults.Rule{Kind: kind, Probability: 0.15, Match: faults.Method(http.MethodGet)})
	}
	tr := faults.NewTransport(42, rules...)
	var log bytes.Buffer
	b := c.faulty(t, server.URL("storm", ""), tr, &log)
	var want []string
	for i := range 60 {
		key := fmt.Sprintf("s/%02d", i)
		want = append(want, key)
		content := Noise(50_000 + i*10_000)
		if err := b.Put(t.Context(), key, providers.Bytes(content)); err != nil && !errors.Is(err, providers.ErrExists) {
			t.Fatal(err)
		}
		if got, err := Read(b, key); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s: %d bytes, %v", key, len(got), err)
		}
	}
	if got := keys(t, b, "s/"); !slices.Equal(got, want) {
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

// testContractInBadWeather runs the contract through the decorators with one
// request in five refused.
func (c Cloud) testContractInBadWeather(t *testing.T) {
	server := c.Start(t)
	n := 0
	Run(t, func(t *testing.T) Harness {
		n++
		name := fmt.Sprintf("weather-%d", n)
		server.MakeBucket(name)
		h := c.Harness
		h.Reopen = func(t *testing.T) providers.Bucket {
			tr := faults.NewTransport(uint64(n), faults.Rule{Kind: faults.SlowDown, Probability: 0.1}, faults.Rule{Kind: faults.ResetBefore, Probability: 0.1})
			return providers.Decorate(c.Open(t, server.URL(name, ""), providers.Options{Transport: tr.Wrap}),
				providers.Policy{RetryBase: time.Microsecond, RetryCap: time.Millisecond})
		}
		h.Bucket = h.Reopen(t)
		return h
	})
}
