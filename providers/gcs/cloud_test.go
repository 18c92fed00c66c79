package gcs_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers/faults"
	"github.com/snapferry/snapferry/providers/providertest"
)

// cloud is fake-gcs-server, and what it does in its own way.
func cloud() providertest.Cloud {
	return providertest.Cloud{
		Start: func(t testing.TB) providertest.Server {
			s := testenv.GCS(t)
			return providertest.Server{
				Address: strings.TrimPrefix(s.Endpoint, "http://"), MakeBucket: s.MakeBucket, URL: s.URL,
				Behind: func(_ testing.TB, bucket, address string) string {
					return "gs://" + bucket + "?anonymous=true&endpoint=http://" + address
				},
			}
		},
		Open: openURL,
		Peer: func(_ testing.TB, address string) string {
			return "gs://vault?anonymous=true&endpoint=http://" + address
		},
		Midway: midway,
		Upload: providertest.Upload{
			Method:  http.MethodPost,
			Wrapped: true, // in two parts, after what is said of the object
			Answer: func(w http.ResponseWriter, content []byte) {
				_, _ = io.WriteString(w, stored(content)) // the client may have gone
			},
		},
		// The faults answer in XML, as S3 does. GCS speaks JSON, and so their
		// status is all that is understood.
		Says: map[faults.Kind]string{
			faults.ServerError: "HTTP status 500", faults.SlowDown: "the store asks to slow down", faults.Conflict: "HTTP status 409",
		},
		// Long enough for the server, which is a part of this process and slow
		// under the race detector, to compute its checksums on a busy machine.
		Stall: 1500 * time.Millisecond,
		Heal:  3,
		Large: 14 << 20,
	}
}

// midway lets the faults of tr find the middle of uploads, which the library
// sends without a length.
func midway(tr *faults.Transport, size int64) func(http.RoundTripper) http.RoundTripper {
	withLength := func(next http.RoundTripper, length int64) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				r = r.Clone(r.Context())
				r.ContentLength = length
			}
			return next.RoundTrip(r)
		})
	}
	return func(next http.RoundTripper) http.RoundTripper {
		return withLength(tr.Wrap(withLength(next, -1)), size)
	}
}

func TestFaults(t *testing.T) { providertest.RunFaults(t, cloud()) }

func TestNetwork(t *testing.T) { providertest.RunNetwork(t, cloud()) }

func BenchmarkTransfer(b *testing.B) { providertest.RunBench(b, cloud()) }
