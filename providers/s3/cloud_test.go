package s3_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers/faults"
	"github.com/snapferry/snapferry/providers/providertest"
)

// cloud is versitygw, and what it does in its own way.
func cloud() providertest.Cloud {
	return providertest.Cloud{
		Start: func(t testing.TB) providertest.Server {
			s := testenv.S3(t)
			s.Setenv(t)
			return providertest.Server{
				Address: strings.TrimPrefix(s.Endpoint, "http://"), MakeBucket: s.MakeBucket, URL: s.URL,
				Behind: func(t testing.TB, bucket, address string) string {
					t.Setenv("AWS_ENDPOINT_URL_S3", "http://"+address)
					return "s3://" + bucket
				},
			}
		},
		Open: openURL,
		Peer: func(t testing.TB, address string) string {
			t.Setenv("AWS_ACCESS_KEY_ID", "id")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			return "s3://vault?disable_https=true&endpoint=" + address
		},
		Upload: providertest.Upload{
			Method: http.MethodPut,
			Answer: func(w http.ResponseWriter, _ []byte) { w.Header().Set("ETag", `"x"`) },
		},
		Says: map[faults.Kind]string{
			faults.ServerError: "InternalError", faults.SlowDown: "SlowDown", faults.Conflict: "ConditionalRequestConflict",
		},
		Harness: providertest.Harness{VerifiesSHA256: true, NoNesting: true},
		Stall:   600 * time.Millisecond,
		Heal:    3,
		Large:   20 << 20,
	}
}

func TestFaults(t *testing.T) { providertest.RunFaults(t, cloud()) }

func TestNetwork(t *testing.T) { providertest.RunNetwork(t, cloud()) }

func BenchmarkTransfer(b *testing.B) { providertest.RunBench(b, cloud()) }
