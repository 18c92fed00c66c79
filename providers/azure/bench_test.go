package azure_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

// BenchmarkTransfer moves 33 MiB objects to and from an emulator on loopback,
// four at a time. It measures the emulator, which computes its checksums in
// JavaScript, more than anything else.
func BenchmarkTransfer(b *testing.B) {
	server := testenv.Azure(b)
	for _, pair := range server.Env() {
		name, value, _ := strings.Cut(pair, "=")
		b.Setenv(name, value)
	}
	server.MakeBucket("bench")
	bucket, _, err := all.Registry().Open(b.Context(), server.URL("bench", ""), providers.Options{Connections: 4})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = bucket.Close() }() // nothing is kept in it
	body := providers.Bytes(pattern(33 << 20))
	n := 0
	b.Run("put", func(b *testing.B) {
		b.SetBytes(4 * body.Size())
		b.ReportAllocs()
		for b.Loop() {
			n++
			four(b, func(i int) error { return bucket.Put(b.Context(), fmt.Sprintf("%d/%d", n, i), body) })
			b.StopTimer()
			four(b, func(i int) error { return bucket.Delete(b.Context(), fmt.Sprintf("%d/%d", n, i)) })
			b.StartTimer()
		}
	})
	four(b, func(i int) error { return bucket.Put(b.Context(), fmt.Sprint(i), body) })
	b.Run("get", func(b *testing.B) {
		b.SetBytes(4 * body.Size())
		b.ReportAllocs()
		for b.Loop() {
			four(b, func(i int) error {
				r, err := bucket.Get(b.Context(), fmt.Sprint(i), 0, -1)
				if err != nil {
					return err
				}
				defer func() { _ = r.Close() }() // read to its end
				_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 1<<20))
				return err
			})
		}
	})
}

func four(b *testing.B, do func(i int) error) {
	b.Helper()
	errs := make(chan error, 4)
	for i := range 4 {
		go func() { errs <- do(i) }()
	}
	for range 4 {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}
