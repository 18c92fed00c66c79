package providers_test

import (
	"context"
	"io"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// peeking reads each body twice: once to know it, once as if it were sent.
type peeking struct {
	providers.Bucket
	t *testing.T
}

func (p peeking) Put(_ context.Context, _ string, body providers.Body) error {
	for _, b := range []providers.Body{providers.Content(body), body} {
		if got, err := io.ReadAll(b.Open()); err != nil || string(got) != "content" {
			p.t.Errorf("read %q, %v", got, err)
		}
	}
	return nil
}

func TestReadingContentIsNoTransfer(t *testing.T) {
	m := new(providers.Metrics)
	b := providers.Decorate(peeking{localBucket(t, t.TempDir()), t}, providers.Policy{Metrics: m, Bandwidth: table(t, "1GB:off")})
	if err := b.Put(t.Context(), "a", providers.Bytes([]byte("content"))); err != nil {
		t.Fatal(err)
	}
	if got := m.Snapshot().BytesUp; got != 7 {
		t.Errorf("%d bytes count as sent, want 7", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
