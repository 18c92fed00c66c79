package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/snapferry/snapferry/providers"
)

// RunNetwork puts bad networks between a cloud and those who use it.
func RunNetwork(t *testing.T, c Cloud) {
	t.Run("bad upload", c.testBadUpload)
	t.Run("stall in the body", c.testStallInTheBody)
	t.Run("bad download", c.testBadDownload)
	t.Run("bad listing", c.testBadListing)
	t.Run("slow is no stall", c.testSlowIsNoStall)
	t.Run("latency", c.testLatency)
	t.Run("server gone", c.testServerGone)
	if runtime.GOOS == "linux" { // no other system tells what the peer acknowledges
		t.Run("slow upload is no stall", c.testSlowUploadIsNoStall)
	}
}

// network is a store behind a proxy that can be made bad.
type network struct {
	t      *testing.T
	cloud  Cloud
	server Server
	bucket string
	proxy  *toxiproxy.Proxy
	direct providers.Bucket // past the proxy

	mu       sync.Mutex // guards what follows
	log      bytes.Buffer
	failures int
	heal     int // removes the toxics at this failure
}

// newNetwork puts a new bucket of a server behind a proxy.
func (c Cloud) newNetwork(t *testing.T, server Server) *network {
	t.Helper()
	n := &network{t: t, cloud: c, server: server, bucket: "vault-" + strings.ToLower(rand.Text())}
	server.MakeBucket(n.bucket)
	n.direct = c.Open(t, server.URL(n.bucket, ""), providers.Options{})
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n.proxy = toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", server.Address)
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.clear()
		n.proxy.Stop()
		_ = n.direct.Close() // read through only
	})
	return n
}

// open returns the store behind the proxy with all decorators, whose waits are
// short and whose failures are counted.
func (n *network) open(stall time.Duration) providers.Bucket {
	n.t.Helper()
	b := n.cloud.Open(n.t, n.server.Behind(n.t, n.bucket, n.proxy.Listen), providers.Options{})
	d := providers.Decorate(b, providers.Policy{
		Log: slog.New(slog.NewTextHandler(n, nil)), StallTimeout: stall, Wait: n.wait,
	})
	n.t.Cleanup(func() { _ = d.Close() }) // connections may be broken
	return d
}

func (n *network) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

func (n *network) wait(ctx context.Context, _ time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failures++
	if n.failures == n.heal {
		n.proxy.Toxics.ResetToxics(context.Background())
	}
	return ctx.Err()
}

// add makes the network bad: kind is toxiproxy's, direction upstream or
// downstream.
func (n *network) add(kind, direction, attributes string) {
	n.t.Helper()
	spec := fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":%s}`, kind, direction, attributes)
	if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(spec)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *network) clear() { n.proxy.Toxics.ResetToxics(context.Background()) }

func (n *network) wantLog(failures int, texts ...string) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	log := n.log.String()
	if got := strings.Count(log, "attempt failed"); n.failures < failures || got < n.failures {
		n.t.Errorf("%d failures, %d in the log; want %d", n.failures, got, failures)
	}
	if failures == 0 && n.failures > 0 {
		n.t.Errorf("unexpected failures:\n%s", log)
	}
	for _, text := range texts {
		if !strings.Contains(log, text) {
			n.t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
}

func (n *network) wantWhole(key string, want []byte) {
	n.t.Helper()
	got, err := Read(n.direct, key)
	if err != nil || !bytes.Equal(got, want) {
		n.t.Errorf("stored: %d bytes of %d, %v", len(got), len(want), err)
	}
}

// stalled is what the log says of a silence.
func (c Cloud) stalled() string { return fmt.Sprint("no progress for ", c.Stall) }

// testBadUpload: an upload meets a network that is bad for some attempts. It
// succeeds, or says that the object exists where an answer was lost; and what
// is stored is whole.
func (c Cloud) testBadUpload(t *testing.T) {
	server := c.Start(t)
	content := Noise(6 << 20)
	for _, test := range []struct {
		name, kind, direction, attributes string
		lost                              bool // the store has it before the network heals
		log                               string
	}{
		{"reset at once", "reset_peer", "upstream", `{"timeout":0}`, false, ""},
		{"reset before the answer", "reset_peer", "downstream", `{"timeout":0}`, true, ""},
		{"cut in the body", "limit_data", "upstream", `{"bytes":3000000}`, false, ""},
		{"half open, nothing arrives", "timeout", "upstream", `{"timeout":0}`, false, c.stalled()},
		{"half open, no answer", "timeout", "downstream", `{"timeout":0}`, true, c.stalled()},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := c.newNetwork(t, server)
			n.heal = c.Heal
			b := n.open(c.Stall)
			n.add(test.kind, test.direction, test.attributes)
			err := b.Put(t.Context(), "a/b", providers.Bytes(content))
			if err != nil && !(test.lost && errors.Is(err, providers.ErrExists)) {
				t.Fatalf("put: %v", err)
			}
			n.wantLog(1, "op=put", "key=a/b", test.log)
			n.wantWhole("a/b", content)
		})
	}
}

// testStallInTheBody: the network goes silent when a part is sent.
func (c Cloud) testStallInTheBody(t *testing.T) {
	n := c.newNetwork(t, c.Start(t))
	n.heal = 1
	b := n.open(c.Stall)
	content := Noise(c.Large)
	silence := sync.OnceFunc(func() { n.add("timeout", "upstream", `{"timeout":0}`) })
	part := int64(c.Upload.Reads*c.Large + c.Large*2/5)
	var read atomic.Int64
	err := b.Put(t.Context(), "a", hooked{providers.Bytes(content), func(n int) {
		if read.Add(int64(n)) > part {
			silence()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	n.wantLog(1, c.stalled())
	n.wantWhole("a", content)
}

// hooked is a body that tells how much is read.
type hooked struct {
	providers.Body
	read func(n int)
}

func (h hooked) Open() io.ReadSeekCloser { return hookedReader{h.Body.Open(), h.read} }

type hookedReader struct {
	io.ReadSeekCloser
	read func(n int)
}

func (r hookedReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	r.read(n)
	return n, err
}

// testBadDownload: every connection breaks or goes silent after a part; a
// reader sees nothing of it.
func (c Cloud) testBadDownload(t *testing.T) {
	server := c.Start(t)
	content := Noise(5 << 20)
	for _, test := range []struct {
		name, kind, attributes string
		heal, failures         int
		log                    string
	}{
		{"cut, never better", "limit_data", `{"bytes":1000000}`, 0, 5, "bytes are missing"},
		{"reset", "reset_peer", `{"timeout":1}`, 3, 1, ""},
		{"silence", "timeout", `{"timeout":0}`, c.Heal - 1, 1, c.stalled()},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := c.newNetwork(t, server)
			n.heal = test.heal
			if err := n.direct.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
				t.Fatal(err)
			}
			b := n.open(c.Stall)
			n.add(test.kind, "downstream", test.attributes)
			got, err := Read(b, "a")
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			n.wantLog(test.failures, "op=get", test.log)
		})
	}
}

// testBadListing: pages break; all objects come once, in order.
func (c Cloud) testBadListing(t *testing.T) {
	n := c.newNetwork(t, c.Start(t))
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("l/%03d", i))
		put(t, n.direct, want[i], nil)
	}
	n.heal = 3
	b := n.open(c.Stall)
	n.add("limit_data", "downstream", `{"bytes":1500}`)
	if got := keys(t, b, "l/"); !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	n.wantLog(3, "op=list")
}

// testSlowIsNoStall: bytes that trickle, in every phase of a transfer, for much
// longer than the stall timeout, are left alone.
func (c Cloud) testSlowIsNoStall(t *testing.T) {
	n := c.newNetwork(t, c.Start(t))
	content := Noise(300)
	put(t, n.direct, "small", content)
	b := n.open(c.Stall)
	// One byte every 4 ms: the header of the answer alone takes longer than
	// the timeout.
	n.add("slicer", "downstream", `{"average_size":1,"size_variation":0,"delay":4000}`)
	start := time.Now()
	r, err := b.Get(t.Context(), "small", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	header := time.Since(start)
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if took := time.Since(start); header < c.Stall || took < 2*c.Stall {
		t.Errorf("the header took %v, all of it %v: this was not slow", header, took)
	}
	n.wantLog(0)
}

// testLatency: a far store is slow to answer and nothing else.
func (c Cloud) testLatency(t *testing.T) {
	n := c.newNetwork(t, c.Start(t))
	b := n.open(5 * time.Second)
	n.add("latency", "downstream", `{"latency":150,"jitter":50}`)
	content := Noise(3 << 20)
	put(t, b, "a", content)
	if got, err := Read(b, "a"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	n.wantLog(0)
}

// testServerGone: nobody listens; every try shows, and the end is clear.
func (c Cloud) testServerGone(t *testing.T) {
	n := c.newNetwork(t, c.Start(t))
	b := n.open(5 * time.Second)
	n.proxy.Stop()
	err := b.Put(t.Context(), "a", providers.Bytes(nil))
	if err == nil || !strings.Contains(err.Error(), "put a: gave up after 10 attempts: reach the store: dial tcp") {
		t.Errorf("error %v", err)
	}
	n.wantLog(9, "attempt=10", "giving up", "connection refused")
}
