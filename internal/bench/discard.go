package main

import (
	"context"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
	"github.com/snapferry/snapferry/providers/local"
)

// discard is a store that reads what it is given and keeps nothing of the
// data: what is left is the speed of everything before it.
type discard struct{ providers.Bucket }

func (d discard) Put(ctx context.Context, key string, body providers.Body) error {
	if !strings.Contains(key, "/data/") {
		return d.Bucket.Put(ctx, key, body)
	}
	r := body.Open()
	_, err := io.Copy(io.Discard, struct{ io.Reader }{r})
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}

// inProcess runs jobs in this process. Vaults named discard:///FOLDER keep
// their catalog in the folder and discard the data.
func inProcess() *job.Runner {
	registry := all.Registry()
	registry["discard"] = func(ctx context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
		b, prefix, err := local.Open(ctx, &url.URL{Scheme: providers.SchemeFile, Path: u.Path}, o)
		return discard{b}, prefix, err
	}
	return &job.Runner{Program: "bench", Registry: registry}
}

// timed runs do and tells how long it took.
func timed(do func() error) (sample, error) {
	start := time.Now()
	err := do()
	return sample{wall: time.Since(start)}, err
}

// fresh makes an empty folder and returns a function that removes it.
func fresh(dir, name string) (path string, remove func() error, err error) {
	path, err = os.MkdirTemp(dir, name+"-")
	return path, func() error { return os.RemoveAll(path) }, err
}
