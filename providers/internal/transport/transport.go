// Package transport is what the providers of object stores share below their
// SDKs: a pool of connections for many transfers at once, whose bytes the
// stall watchdog sees, bodies that end with their Put, and the meaning of
// errors without an answer. It knows no store.
package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snapferry/snapferry/providers"
)

const (
	defaultConnections = 8
	// bufferBytes is what one system call moves. Larger gained nothing on
	// loopback, and two of them are kept for each connection.
	bufferBytes = 256 << 10

	dialTimeout = 15 * time.Second
	tlsTimeout  = 15 * time.Second
	keepAlive   = 15 * time.Second
	idleTimeout = 60 * time.Second
	// headerTimeout bounds the wait for an answer where no watchdog does.
	headerTimeout = 5 * time.Minute
	// continueTimeout is how long a body is held back for the store to refuse
	// its header first.
	continueTimeout = time.Second
)

// New makes a pool for n transfers at once; n ≤ 0 means 8. It trusts the
// certificates the system trusts.
func New(n int) *http.Transport {
	t := new(http.Transport)
	Tune(t, n)
	return t
}

// Tune makes t, not used yet, a pool for n transfers at once; n ≤ 0 means 8.
// What it knows of certificates stays. It speaks HTTP/1.1 alone: HTTP/2 would
// send all transfers over one TCP stream, whose window and losses they would
// share; separate connections add up.
func Tune(t *http.Transport, n int) {
	if n <= 0 {
		n = defaultConnections
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t.Protocols = protocols
	t.ForceAttemptHTTP2 = false
	t.Proxy = http.ProxyFromEnvironment
	d := dialer{net: &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}, buffers: new(sync.Pool)}
	t.DialContext = d.dial
	t.TLSHandshakeTimeout = tlsTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.ExpectContinueTimeout = continueTimeout
	t.IdleConnTimeout = idleTimeout
	// Listings and small reads go beside the transfers.
	t.MaxIdleConns = 2*n + 4
	t.MaxIdleConnsPerHost = 2*n + 4
	t.MaxConnsPerHost = 0
	t.DisableCompression = true
	t.ReadBufferSize = 32 << 10  // a read of more goes straight to the reader's memory
	t.WriteBufferSize = 64 << 10 // what is larger passes by it, see ReadFrom
}

type dialer struct {
	net     *net.Dialer
	buffers *sync.Pool // of *[bufferBytes]byte
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, buffers: d.buffers}, nil
}

// conn counts the bytes that move, for the stall watchdog.
type conn struct {
	net.Conn
	buffers *sync.Pool
	moved   atomic.Int64
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.moved.Add(int64(n))
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.moved.Add(int64(n))
	return n, err
}

// ReadFrom is how net/http sends a body once its header is out. The generic
// copy would do so in pieces of 32 KiB.
func (c *conn) ReadFrom(r io.Reader) (total int64, err error) {
	buf, ok := c.buffers.Get().(*[bufferBytes]byte)
	if !ok {
		buf = new([bufferBytes]byte)
	}
	defer c.buffers.Put(buf)
	for {
		n, rerr := r.Read(buf[:])
		if n > 0 {
			w, werr := c.Write(buf[:n])
			total += int64(w)
			if werr != nil {
				return total, werr
			}
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
	}
}

// activity changes whenever a byte moves, also within the system's buffers
// where it can tell.
func (c *conn) activity() int64 { return c.moved.Load() + acknowledged(c.Conn) }

// Observe shows the connection of each request to the stall watchdog, if it is
// one of a pool of this package.
func Observe(next http.RoundTripper) http.RoundTripper { return observed{next} }

type observed struct {
	next http.RoundTripper
}

func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		nc := info.Conn
		if t, ok := nc.(*tls.Conn); ok {
			nc = t.NetConn()
		}
		if c, ok := nc.(*conn); ok {
			providers.Observe(ctx, c.activity)
		}
	}}
	return o.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
}
