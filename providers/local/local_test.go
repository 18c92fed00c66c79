package local_test

import (
	"testing"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/local"
	"github.com/snapferry/snapferry/providers/providertest"
)

func open(t *testing.T, dir string) *local.Bucket {
	t.Helper()
	b, err := local.New(dir, providers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		dir := t.TempDir() + "/new/vault"
		b := open(t, dir)
		t.Cleanup(func() { _ = b.Close() }) // nothing was written through it
		return providertest.Harness{
			Bucket:    b,
			Reopen:    func(t *testing.T) providers.Bucket { return open(t, dir) },
			NoNesting: true,
		}
	})
}
