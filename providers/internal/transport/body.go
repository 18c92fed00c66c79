package transport

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/snapferry/snapferry/providers"
)

// Body reads the content of an object to be created, and can be taken away
// from whoever still reads it: an HTTP transport may read on after the answer,
// while the memory is the caller's again when Put returns.
type Body struct {
	mu sync.Mutex
	r  io.ReadSeekCloser // nil once detached
}

var errDetached = errors.New("body was taken back")

// OpenBody opens b. It checks the length that is announced before anything is
// sent: not every store refuses a body that ends early.
func OpenBody(b providers.Body) (*Body, error) {
	r := b.Open()
	size, err := r.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if size != b.Size() {
		return nil, fmt.Errorf("read body: %w: %d bytes of %d", io.ErrUnexpectedEOF, size, b.Size())
	}
	return &Body{r: r}, nil
}

// Read reads on, or fails if the body is detached.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errDetached
	}
	return b.r.Read(p)
}

// Seek goes to another place, or fails if the body is detached.
func (b *Body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errDetached
	}
	return b.r.Seek(offset, whence)
}

// Close does nothing, so that SDKs which close what they send can send it
// again; Detach ends the body.
func (b *Body) Close() error { return nil }

// Detach waits for a read that is under way and ends all later ones.
func (b *Body) Detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return
	}
	_ = b.r.Close() // releases nothing
	b.r = nil
}
