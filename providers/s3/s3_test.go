package s3_test

import (
	"fmt"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
	"github.com/snapferry/snapferry/providers/providertest"
)

func openURL(t *testing.T, raw string, o providers.Options) providers.Bucket {
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
	hidesNested    bool // an object hides those below its name from listings
}

func stores() []store {
	return []store{
		{name: "versitygw", start: testenv.S3, verifiesSHA256: true, noNesting: true},
		{name: "MinIO", start: testenv.MinIO, verifiesSHA256: true, hidesNested: true},
		{name: "moto", start: testenv.Moto},
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
				}
			})
		})
	}
}
