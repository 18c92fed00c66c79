package job

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/providers"
)

// How rates are measured: with objects that do not compress, as large as they
// may be without costing much, for a time that makes a single round trip not
// count.
const (
	speedBytes   = 4 << 20
	speedTime    = 2 * time.Second
	speedObjects = 64
	speedStreams = 4
	// speedLeft is how many objects are stored where they, or their versions,
	// cannot be removed.
	speedLeft = 2
)

// measure uploads and downloads for a while.
func (x *examination) measure(ctx context.Context) {
	noise := make([]byte, speedBytes)
	_, _ = rand.Read(noise) // never fails
	body := providers.Bytes(noise)
	most := int64(speedObjects)
	if !x.removable || x.inspection.Versioning.State == providers.On {
		most = speedLeft
	}
	var keys []string
	for i := range most {
		keys = append(keys, fmt.Sprintf("%s/speed-%02d", x.dir, i))
	}
	x.made = append(x.made, keys...)
	up, err := x.rate(ctx, most, func(ctx context.Context, i int64) error {
		return x.s.bucket.Put(ctx, keys[i], body)
	})
	x.made = x.made[:len(x.made)-len(keys)+int(up.begun)]
	x.health.UploadRate = x.tellRate("upload", up, err)
	if err != nil || up.done == 0 {
		return
	}
	down, err := x.rate(ctx, speedObjects, func(ctx context.Context, i int64) error {
		r, err := x.s.bucket.Get(ctx, keys[i%up.done], 0, -1)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r)
		if cerr := r.Close(); err == nil {
			err = cerr
		}
		if err == nil && n != speedBytes {
			err = fmt.Errorf("%w: %d bytes of %d", io.ErrUnexpectedEOF, n, speedBytes)
		}
		return err
	})
	x.health.DownloadRate = x.tellRate("download", down, err)
}

// measured is what moved.
type measured struct {
	begun, done int64 // objects
	took        time.Duration
}

// rate does transfers, numbered from 0, until the time or the objects are
// over. The first goes alone: on a slow line it is all there is.
func (x *examination) rate(ctx context.Context, most int64, transfer func(context.Context, int64) error) (measured, error) {
	began := x.s.Now()
	if err := transfer(ctx, 0); err != nil {
		return measured{begun: 1, took: x.s.Now().Sub(began)}, err
	}
	streams := speedStreams
	if x.s.Now().Sub(began) > speedTime/4 {
		streams = 1 // it fills the line already
	}
	var next, done atomic.Int64
	next.Store(1)
	done.Store(1)
	g, ctx := errgroup.WithContext(ctx)
	for range streams {
		g.Go(func() error {
			for x.s.Now().Sub(began) < speedTime {
				i := next.Add(1) - 1
				if i >= most {
					break
				}
				if err := transfer(ctx, i); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	return measured{begun: min(next.Load(), most), done: done.Load(), took: x.s.Now().Sub(began)}, err
}

// tellRate makes a check of what was measured, and returns bytes a second.
func (x *examination) tellRate(name string, m measured, err error) float64 {
	if err != nil {
		x.fail(name, err)
		return 0
	}
	rate := float64(m.done*speedBytes) / max(m.took.Seconds(), 1e-6)
	detail := fmt.Sprintf("%.1f MiB/s, measured with %d objects of %d MiB", rate/(1<<20), m.done, speedBytes>>20)
	if !x.s.policy.Bandwidth.IsZero() {
		detail += ", with --bandwidth"
	}
	x.good(name, detail)
	return rate
}
