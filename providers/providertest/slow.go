package providertest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
)

// testSlowUploadIsNoStall: the system takes a whole body at once and sends it
// for longer than the stall timeout. The peer reads slowly, with a small
// window; only its acknowledgements show that anything moves.
func (c Cloud) testSlowUploadIsNoStall(t *testing.T) {
	const size, step, stall = 4 << 20, 128 << 10, 300 * time.Millisecond
	content := Noise(size)
	got := make(chan []byte, 1)
	address := smallWindow(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []byte
		p := make([]byte, step)
		for {
			// The slowness of the peer, not a guess when something is ready.
			time.Sleep(50 * time.Millisecond)
			n, err := io.ReadFull(r.Body, p)
			all = append(all, p[:n]...)
			if err != nil {
				break
			}
		}
		c.Upload.Answer(w, content)
		got <- all
	}))
	b := providers.Decorate(c.Open(t, c.Peer(t, address), providers.Options{}), providers.Policy{StallTimeout: stall, Tries: 1})
	defer func() { _ = b.Close() }() // nothing is kept in it
	start := time.Now()
	put(t, b, "a", content)
	if took := time.Since(start); took < 3*stall {
		t.Errorf("took %v only: this was not slow", took)
	}
	if all := <-got; !bytes.Contains(all, content) || !c.Upload.Wrapped && len(all) != size {
		t.Error("the peer got other bytes")
	}
}

// smallWindow serves h on connections that take little at once.
func smallWindow(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ConnState: func(c net.Conn, s http.ConnState) {
		if tc, ok := c.(*net.TCPConn); ok && s == http.StateNew {
			if err := tc.SetReadBuffer(128 << 10); err != nil {
				t.Error(err)
			}
		}
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = server.Close() // so that Serve ends
		<-done
	})
	return l.Addr().String()
}
