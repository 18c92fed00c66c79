package azure_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers/faults"
	"github.com/snapferry/snapferry/providers/providertest"
)

// cloud is Azurite, and what it does in its own way.
func cloud() providertest.Cloud {
	return providertest.Cloud{
		Start: func(t testing.TB) providertest.Server {
			s := testenv.Azure(t)
			s.Setenv(t)
			address, _, _ := strings.Cut(strings.TrimPrefix(s.Endpoint, "http://"), "/")
			return providertest.Server{
				Address: address, MakeBucket: s.MakeBucket, URL: s.URL,
				Behind: func(_ testing.TB, bucket, address string) string {
					return fmt.Sprintf("azblob://%s?storage_account=%s&endpoint=http://%s/%s", bucket, s.Account, address, s.Account)
				},
			}
		},
		Open: openURL,
		Peer: func(t testing.TB, address string) string {
			t.Setenv("AZURE_STORAGE_KEY", "a2V5")
			return "azblob://vault?storage_account=acme&endpoint=http://" + address
		},
		Upload: providertest.Upload{
			Method: http.MethodPut,
			Reads:  1, // for its checksum
			Answer: func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusCreated) },
		},
		Says: map[faults.Kind]string{
			faults.ServerError: "InternalError", faults.SlowDown: "the store asks to slow down", faults.Conflict: "ConditionalRequestConflict",
		},
		// Long enough for the emulator to compute its checksums on a busy
		// machine, which moves no byte; so there are fewer silences, and less
		// to compute one for.
		Stall: 1500 * time.Millisecond,
		Heal:  2,
		Large: 14 << 20,
	}
}

func TestFaults(t *testing.T) { providertest.RunFaults(t, cloud()) }

func TestNetwork(t *testing.T) { providertest.RunNetwork(t, cloud()) }

// BenchmarkTransfer measures the emulator, which computes its checksums in
// JavaScript, more than anything else.
func BenchmarkTransfer(b *testing.B) { providertest.RunBench(b, cloud()) }
