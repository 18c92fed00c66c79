package azure_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

// network is a store behind a proxy that can be made bad.
type network struct {
	t      *testing.T
	server *testenv.AzureServer
	bucket string
	proxy  *toxiproxy.Proxy
	direct providers.Bucket // past the proxy

	mu       sync.Mutex // guards what follows
	log      bytes.Buffer
	failures int
	heal     int // removes the toxics at this failure
}

// stall is long enough for the emulator to compute its checksums on a busy
// machine, which moves no byte.
const stall = 1500 * time.Millisecond

// newNetwork puts a new vault of a server behind a proxy; nil starts a server.
func newNetwork(t *testing.T, server *testenv.AzureServer) *network {
	t.Helper()
	if server == nil {
		server = testenv.Azure(t)
	}
	n := &network{t: t, server: server, bucket: "vault-" + strings.ToLower(rand.Text())}
	n.server.Setenv(t)
	n.server.MakeBucket(n.bucket)
	n.direct = openURL(t, n.server.URL(n.bucket, ""), providers.Options{})
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n.proxy = toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", n.address())
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

// address is where the store itself listens.
func (n *network) address() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(n.server.Endpoint, "http://"), "/")
	return host
}

// open returns the store behind the proxy with all decorators, whose waits are
// short and whose failures are counted.
func (n *network) open(stall time.Duration) providers.Bucket {
	n.t.Helper()
	b := openURL(n.t, fmt.Sprintf("azblob://%s?storage_account=%s&endpoint=http://%s/%s", n.bucket, n.server.Account, n.proxy.Listen, n.server.Account), providers.Options{})
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
	got, err := read(n.direct, key)
	if err != nil || !bytes.Equal(got, want) {
		n.t.Errorf("stored: %d bytes of %d, %v", len(got), len(want), err)
	}
}

func read(b providers.Bucket, key string) ([]byte, error) {
	r, err := b.Get(context.Background(), key, 0, -1)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>7 ^ i)
	}
	return b
}

// TestBadUpload: an upload meets a network that is bad for two attempts. It
// succeeds, or says that the object exists where an answer was lost; and what
// is stored is whole.
func TestBadUpload(t *testing.T) {
	server := testenv.Azure(t)
	content := pattern(6 << 20)
	for _, test := range []struct {
		name, kind, direction, attributes string
		lost                              bool // the store has it before the network heals
		log                               string
	}{
		{"reset at once", "reset_peer", "upstream", `{"timeout":0}`, false, ""},
		{"reset before the answer", "reset_peer", "downstream", `{"timeout":0}`, true, ""},
		{"cut in the body", "limit_data", "upstream", `{"bytes":3000000}`, false, ""},
		{"half open, nothing arrives", "timeout", "upstream", `{"timeout":0}`, false, "no progress for 1.5s"},
		{"half open, no answer", "timeout", "downstream", `{"timeout":0}`, true, "no progress for 1.5s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t, server)
			n.heal = 2
			b := n.open(stall)
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

// TestStallInTheBody: the network goes silent when a part is sent.
func TestStallInTheBody(t *testing.T) {
	n := newNetwork(t, nil)
	n.heal = 1
	b := n.open(stall)
	content := pattern(14 << 20)
	silence := sync.OnceFunc(func() { n.add("timeout", "upstream", `{"timeout":0}`) })
	// The body is read once for its checksum before it is sent.
	var read atomic.Int64
	err := b.Put(t.Context(), "a", hooked{providers.Bytes(content), func(n int) {
		if read.Add(int64(n)) > int64(len(content))+5<<20 {
			silence()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	n.wantLog(1, "no progress for 1.5s")
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

// TestBadDownload: every connection breaks or goes silent after a part; a
// reader sees nothing of it.
func TestBadDownload(t *testing.T) {
	server := testenv.Azure(t)
	content := pattern(5 << 20)
	for _, test := range []struct {
		name, kind, attributes string
		heal, failures         int
		log                    string
	}{
		{"cut, never better", "limit_data", `{"bytes":1000000}`, 0, 5, "bytes are missing"},
		{"reset", "reset_peer", `{"timeout":1}`, 3, 1, ""},
		{"silence", "timeout", `{"timeout":0}`, 1, 1, "no progress for 1.5s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t, server)
			n.heal = test.heal
			if err := n.direct.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
				t.Fatal(err)
			}
			b := n.open(stall)
			n.add(test.kind, "downstream", test.attributes)
			got, err := read(b, "a")
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			n.wantLog(test.failures, "op=get", test.log)
		})
	}
}

// TestBadListing: pages break; all objects come once, in order.
func TestBadListing(t *testing.T) {
	n := newNetwork(t, nil)
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("l/%03d", i))
		if err := n.direct.Put(t.Context(), want[i], providers.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	n.heal = 3
	b := n.open(stall)
	n.add("limit_data", "downstream", `{"bytes":1500}`)
	var got []string
	for o, err := range b.List(t.Context(), "l/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	n.wantLog(3, "op=list")
}

// TestSlowIsNoStall: bytes that trickle, in every phase of a transfer, for much
// longer than the stall timeout, are left alone.
func TestSlowIsNoStall(t *testing.T) {
	n := newNetwork(t, nil)
	content := pattern(300)
	if err := n.direct.Put(t.Context(), "small", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	b := n.open(stall)
	// One byte every 4 ms: the header of the answer alone takes longer than
	// the timeout.
	n.add("slicer", "downstream", `{"average_size":1,"size_variation":0,"delay":4000}`)
	start := time.Now()
	got, err := read(b, "small")
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if took := time.Since(start); took < 2*stall {
		t.Errorf("took %v only: this was not slow", took)
	}
	n.wantLog(0)
}

// TestLatency: a far store is slow to answer and nothing else.
func TestLatency(t *testing.T) {
	n := newNetwork(t, nil)
	b := n.open(5 * time.Second)
	n.add("latency", "downstream", `{"latency":150,"jitter":50}`)
	content := pattern(3 << 20)
	if err := b.Put(t.Context(), "a", providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	if got, err := read(b, "a"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	n.wantLog(0)
}

// TestServerGone: nobody listens; every try shows, and the end is clear.
func TestServerGone(t *testing.T) {
	n := newNetwork(t, nil)
	b := n.open(5 * time.Second)
	n.proxy.Stop()
	err := b.Put(t.Context(), "a", providers.Bytes(nil))
	if err == nil || !strings.Contains(err.Error(), "put a: gave up after 10 attempts: reach the store: dial tcp") {
		t.Errorf("error %v", err)
	}
	n.wantLog(9, "attempt=10", "giving up", "connection refused")
}
