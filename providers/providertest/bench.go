package providertest

import (
	"fmt"
	"io"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// RunBench moves 33 MiB objects to and from a server of a cloud on loopback,
// four at a time.
func RunBench(b *testing.B, c Cloud) {
	server := c.Start(b)
	server.MakeBucket("bench")
	bucket := c.Open(b, server.URL("bench", ""), providers.Options{Connections: 4})
	defer func() { _ = bucket.Close() }() // nothing is kept in it
	body := providers.Bytes(Noise(33 << 20))
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
