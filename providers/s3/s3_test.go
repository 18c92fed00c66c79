package s3_test

import (
	"fmt"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
	"github.com/snapferry/snapferry/providers/providertest"
)

func openURL(t testing.TB, raw string, o providers.Options) providers.Bucket {
	t.Helper()
	b, _, err := all.Registry().Open(t.Context(), raw, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// store is one of the S3 servers under test, and what it does differently.
// docs/vaults.md has these facts as a table.
type store struct {
	name  string
	start func(testing.TB) *testenv.S3Server

	verifiesSHA256 bool // a body with another hash is refused
	noNesting      bool // an object cannot have objects below its name
	races          bool // two creators at the same moment may both win
	hidesNested    bool // an object hides those below its name from listings
	keepsMarkers   bool // an object behind a delete marker still counts as existing
	takesPolicy    bool // a bucket policy may demand s3:if-none-match
	public         bool // it answers requests that are not signed
	encryption     providers.State
	// attributes are parameters of a URL, and what becomes of a small and of
	// a bulky object: encryption and storage class, or that it is refused.
	attributes map[string]string
}

func stores() []store {
	return []store{
		{name: "versitygw", start: testenv.S3, verifiesSHA256: true, noNesting: true, keepsMarkers: true, encryption: providers.Unknown, attributes: map[string]string{
			"ssetype=AES256": "refused refused", "ssetype=aws:kms": "refused refused", "ssetype=aws:kms:dsse": "refused refused",
			"storage_class=STANDARD_IA": "", "storage_class=OTHER": "", "requester_pays=true": "",
		}},
		{name: "MinIO", start: testenv.MinIO, verifiesSHA256: true, hidesNested: true, encryption: providers.Off, attributes: map[string]string{
			"ssetype=AES256": "refused refused", "ssetype=aws:kms": "refused refused", "ssetype=aws:kms:dsse": "refused refused",
			"storage_class=STANDARD_IA": "refused", "storage_class=REDUCED_REDUNDANCY": "REDUCED_REDUNDANCY",
			"storage_class=OTHER": "refused", "requester_pays=true": "",
		}},
		{name: "moto", start: testenv.Moto, races: true, takesPolicy: true, public: true, encryption: providers.Off, attributes: map[string]string{
			"ssetype=AES256": "AES256 AES256", "ssetype=aws:kms": "aws:kms aws:kms", "kmskeyid=alias/x&bucket_key=true&kms_context=a=b": "aws:kms aws:kms",
			"ssetype=aws:kms:dsse": "aws:kms:dsse aws:kms:dsse", "storage_class=STANDARD_IA": "_IA", "storage_class=GLACIER_IR": "GLACIER_IR",
			"storage_class=OTHER": "refused", "requester_pays=true": "",
		}},
	}
}

func TestContract(t *testing.T) {
	for _, store := range stores() {
		t.Run(store.name, func(t *testing.T) {
			server := store.start(t)
			server.Setenv(t)
			n := 0
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				n++
				name := fmt.Sprintf("contract-%d", n)
				server.MakeBucket(name)
				b := openURL(t, server.URL(name, ""), providers.Options{})
				t.Cleanup(func() {
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				})
				return providertest.Harness{
					Bucket:         b,
					Reopen:         func(t *testing.T) providers.Bucket { return openURL(t, server.URL(name, ""), providers.Options{}) },
					VerifiesSHA256: store.verifiesSHA256,
					NoNesting:      store.noNesting,
					HidesNested:    store.hidesNested,
					Races:          store.races,
				}
			})
		})
	}
}
