package azure_test

import (
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

func TestContract(t *testing.T) {
	server := testenv.Azure(t)
	server.Setenv(t)
	n := 0
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		n++
		name := "contract-" + string(rune('a'+n))
		server.MakeBucket(name)
		b := openURL(t, server.URL(name, ""), providers.Options{})
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		return providertest.Harness{
			Bucket: b,
			Reopen: func(t *testing.T) providers.Bucket { return openURL(t, server.URL(name, ""), providers.Options{}) },
		}
	})
}
