package providertest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/faults"
)

// Cloud is a store that is reached over a network, and what it does in its own
// way. RunFaults, RunNetwork and RunBench take it.
type Cloud struct {
	// Start starts a server, and sets the variables with which it is used.
	Start func(t testing.TB) Server
	Open  func(t testing.TB, raw string, o providers.Options) providers.Bucket
	// Peer returns the URL of a vault at an address where no real server
	// listens, and sets the variables that it takes.
	Peer func(t testing.TB, address string) string
	// Midway lets faults find the middle of uploads of about size bytes; nil
	// if each upload has a length of its own.
	Midway func(tr *faults.Transport, size int64) func(http.RoundTripper) http.RoundTripper
	Upload Upload
	// Says is what the log has of the faults ServerError, SlowDown and
	// Conflict, which each store words differently.
	Says map[faults.Kind]string
	// Harness is what the contract is told beside its Bucket and Reopen.
	Harness Harness
	// Stall is how long a bad network may be silent: longer than the server
	// ever is by itself.
	Stall time.Duration
	// Heal is how many attempts of an upload meet a bad network.
	Heal int
	// Large is the size of a body that no buffer on its way swallows, in bytes.
	Large int
}

// Server is a running server of a Cloud.
type Server struct {
	Address    string // host and port
	MakeBucket func(name string)
	// URL returns the vault URL of a prefix, which may be empty, in a bucket.
	URL func(bucket, prefix string) string
	// Behind returns the URL of a bucket that is reached at another address,
	// and sets the variables that it takes.
	Behind func(t testing.TB, bucket, address string) string
}

// Upload is how a Cloud is given an object.
type Upload struct {
	Method string
	// Reads is how often a body is read before it is sent.
	Reads int
	// Wrapped says that more than the object is in the request's body.
	Wrapped bool
	// Answer is what a store says when it has the content.
	Answer func(w http.ResponseWriter, content []byte)
}

// Read returns what is stored under key.
func Read(b providers.Bucket, key string) ([]byte, error) {
	return get(context.Background(), b, key, 0, -1)
}
