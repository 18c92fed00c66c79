package job

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/snapferry/snapferry/internal/mix"
	"github.com/snapferry/snapferry/providers"
)

// BenchRequest says what is measured.
type BenchRequest struct {
	Size   int64  // bytes of the data; at least one chunk
	Rounds int    // of which medians are taken; at least 1
	Dir    string // folder for the data and a vault; empty: that of the system
	Vault  string // another vault to measure; empty: none
}

// BenchReport is the result of Runner.Bench.
type BenchReport struct {
	Bytes  int64         `json:"bytes"`
	Ratio  float64       `json:"ratio"` // raw to compressed, of the limit
	Cores  int           `json:"cores"`
	Rounds int           `json:"rounds"`
	Rows   []Measurement `json:"measurements"`
}

// Measurement is one thing that was timed in every round.
type Measurement struct {
	Name    string    `json:"name"`
	Seconds float64   `json:"seconds"` // median
	Rate    float64   `json:"bytes_per_second"`
	Limit   float64   `json:"of_limit"` // speed as a part of that of the limit
	Samples []float64 `json:"samples"`  // seconds of each round
}

// benchSeed makes the data of every bench the same.
const benchSeed = 42

// Bench measures how fast this machine compresses in memory, which is the
// limit of everything, and how close to it whole backups and restores come.
// What is measured takes turns, round by round, so that whatever else the
// machine does meets all alike.
func (r *Runner) Bench(ctx context.Context, req BenchRequest) (_ *BenchReport, err error) {
	if req.Size < benchChunk || req.Rounds < 1 {
		return nil, usage("bench", errors.New("there is too little to measure"), "give --size of at least 4MiB and --rounds of at least 1")
	}
	b := &bench{r: r, req: req, now: time.Now, report: &BenchReport{Bytes: req.Size, Cores: runtime.GOMAXPROCS(0), Rounds: req.Rounds}}
	if b.dir, err = os.MkdirTemp(req.Dir, "snapferry-bench-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.file = filepath.Join(b.dir, "data")
	if err := WriteMix(ctx, b.file, "mix", req.Size); err != nil {
		return nil, err
	}
	if r.Now != nil {
		b.now = r.Now
	}
	for round := range req.Rounds {
		if err := b.round(ctx, round); err != nil {
			return nil, err
		}
	}
	b.summarize()
	return b.report, nil
}

// WriteMix creates a file of generated data of one of the kinds mix, text,
// noise and zero, of size bytes.
func WriteMix(ctx context.Context, path, kind string, size int64) error {
	r, err := mix.New(kind, benchSeed)
	if err != nil {
		return usage("--kind "+kind, err, Suggest(kind, mix.Kinds()))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write data: %w", err)
	}
	w := bufio.NewWriterSize(f, benchChunk)
	for left := size; left > 0 && err == nil; left -= min(left, benchChunk) {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(w, r, min(left, benchChunk))
		}
	}
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		_ = os.Remove(path) // the error is told
		return fmt.Errorf("write data: %w", err)
	}
	return nil
}

type bench struct {
	r      *Runner
	req    BenchRequest
	dir    string
	file   string
	now    func() time.Time
	report *BenchReport
}

func (b *bench) round(ctx context.Context, round int) error {
	raw, err := os.ReadFile(b.file)
	if err != nil {
		return fmt.Errorf("read data: %w", err)
	}
	// The limit is measured without a limit of memory, which all the data would
	// be far above.
	memory := debug.SetMemoryLimit(math.MaxInt64)
	err = b.time("limit: compress in memory", func() error { return b.limit(ctx, raw) })
	debug.SetMemoryLimit(memory)
	if err != nil {
		return err
	}
	// The rest runs as it would by itself: without the data on the heap.
	raw = nil
	debug.FreeOSMemory()
	discard := *b.r
	discard.Registry = discardRegistry()
	if err := b.backup(ctx, "backup, vault that discards", &discard, "discard://bench", round); err != nil {
		return err
	}
	folder := filepath.Join(b.dir, "vault")
	if err := b.backup(ctx, "backup, local folder", b.r, folder, round); err != nil {
		return err
	}
	if err := b.restore(ctx, "restore, local folder", folder, round); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("remove vault: %w", err)
	}
	if b.req.Vault == "" {
		return nil
	}
	if err := b.backup(ctx, "backup, "+b.shown(), b.r, b.req.Vault, round); err != nil {
		return err
	}
	if err := b.restore(ctx, "restore, "+b.shown(), b.req.Vault, round); err != nil {
		return err
	}
	return b.r.dropSeries(ctx, b.req.Vault, b.series(round))
}

func (b *bench) shown() string { return providers.Redact(b.req.Vault) }

// series is one that nobody else has: its backups are removed again.
func (b *bench) series(round int) string { return fmt.Sprintf("%s-%d", filepath.Base(b.dir), round) }

func (b *bench) backup(ctx context.Context, name string, r *Runner, vault string, round int) error {
	one := *r
	one.Progress = nil
	return b.time(name, func() error {
		_, err := one.Backup(ctx, BackupRequest{Source: b.file, Vaults: []Vault{{URL: vault}}, Job: b.series(round)})
		return err
	})
}

func (b *bench) restore(ctx context.Context, name, vault string, round int) error {
	one := *b.r
	one.Progress = nil
	target := filepath.Join(b.dir, "restored")
	err := b.time(name, func() error {
		_, err := one.Restore(ctx, RestoreRequest{Backup: vault + "#" + b.series(round) + "/latest", Target: target})
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Remove(target); err != nil {
		return fmt.Errorf("remove what was restored: %w", err)
	}
	return nil
}

// time runs do and adds a sample to the row of that name.
func (b *bench) time(name string, do func() error) error {
	began := b.now()
	if err := do(); err != nil {
		return err
	}
	seconds := b.now().Sub(began).Seconds()
	i := slices.IndexFunc(b.report.Rows, func(m Measurement) bool { return m.Name == name })
	if i < 0 {
		i = len(b.report.Rows)
		b.report.Rows = append(b.report.Rows, Measurement{Name: name})
	}
	b.report.Rows[i].Samples = append(b.report.Rows[i].Samples, seconds)
	return nil
}

// benchChunk is what is compressed at once: a chunk of the archive.
const benchChunk = 4 << 20

// limit compresses the data chunk by chunk with one encoder a core, and throws
// the result away.
func (b *bench) limit(ctx context.Context, raw []byte) error {
	chunks := make(chan []byte)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(chunks)
		for chunk := range slices.Chunk(raw, benchChunk) {
			select {
			case chunks <- chunk:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	var mu sync.Mutex
	var stored int64
	for range b.report.Cores {
		g.Go(func() error {
			enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			if err != nil {
				return fmt.Errorf("make encoder: %w", err)
			}
			var out []byte
			n := int64(0)
			for chunk := range chunks {
				out = enc.EncodeAll(chunk, out[:0])
				n += int64(len(out))
			}
			mu.Lock()
			defer mu.Unlock()
			stored += n
			return enc.Close()
		})
	}
	err := g.Wait()
	b.report.Ratio = float64(len(raw)) / float64(max(stored, 1))
	return err
}

func (b *bench) summarize() {
	for i := range b.report.Rows {
		row := &b.report.Rows[i]
		row.Seconds = median(row.Samples)
		row.Rate = float64(b.req.Size) / row.Seconds
		row.Limit = row.Rate / b.report.Rows[0].Rate
	}
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
