// Package job is one run of snapferry: it takes a source, a vault and a few
// choices, and brings the parts together. The command line is a thin shell
// over it, and so will be whatever runs backups elsewhere.
//
// Every method of Runner takes a request, returns a report that is also its
// JSON form (docs/json.md), and leaves nothing running. What an error means to
// the outside is told by Classify, what to do about it by Hint.
package job

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/frame"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

// Runner runs jobs. Its zero value is usable; a Runner is not changed by its
// methods, which may be called at the same time.
type Runner struct {
	// Program is name and version, as manifests tell them; empty means
	// "snapferry".
	Program string
	// Host is this machine in the identity of a source; empty asks the system.
	Host string
	// Registry opens vaults; nil means every provider there is.
	Registry providers.Registry
	// Log takes what is worth telling; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Getenv reads the environment; nil means os.Getenv.
	Getenv func(string) string
	// Stdin is the source "-" and Stdout the target "-"; nil means those of
	// the process.
	Stdin  io.Reader
	Stdout io.Writer
	// TempDir holds temporary files; empty means that of the system.
	TempDir string
	// CacheDir holds what listings remember of manifests; empty remembers
	// nothing.
	CacheDir string
	// Progress is told how far a run is; nil tells nobody.
	Progress *Progress
	// Transport, if set, wraps the HTTP transport of a store. Tests inject
	// faults with it.
	Transport func(http.RoundTripper) http.RoundTripper
	// Tuning says how much of the machine is used.
	Tuning Tuning
}

// Tuning says how much of the machine and the network a run may use. Zero
// means the default everywhere.
type Tuning struct {
	Workers int // goroutines that compress or decompress; default: one a core
	// Transfers are the uploads or downloads in flight at most. 0 begins with 8
	// and goes up to 32 while throughput grows. There are fewer while the store
	// asks to slow down, and never more than memory allows.
	Transfers int
	MaxMemory int64  // bytes for the whole process; default DefaultMemory
	Level     string // compression: fastest, default, better, best, stored
	Segment   int64  // raw bytes of a segment of a new backup
	Chunk     int64  // raw bytes of a chunk of a new backup

	Tries        int           // how often one request is tried; 1: no retry
	StallTimeout time.Duration // a transfer that moves no byte for so long is tried again; negative: never
	// Bandwidth limits the bytes a second of all transfers together, as
	// providers.ParseTimetable reads it: 20MB, 10MB:off for up and down, or by
	// the local time 08:00,512kB 23:00,off. Empty: no limit.
	Bandwidth string
}

// DefaultMemory is the memory limit of the process, in bytes, where none is
// given.
const DefaultMemory = archive.DefaultMemory

// session is one call of a Runner's method, with the vault it works on.
type session struct {
	Runner
	began    time.Time
	shown    string // the vault's URL without credentials
	vault    *archive.Vault
	bucket   providers.Bucket
	prefix   string // of the vault's keys; empty, or without a slash at its end
	folder   string // absolute path of a vault that is a folder
	locks    map[string]LockPolicy
	rates    providers.Timetable
	metrics  *providers.Metrics
	warnings *warnings
}

func (r *Runner) newSession() *session {
	s := &session{Runner: *r, metrics: &providers.Metrics{}, warnings: &warnings{}}
	if s.Program == "" {
		s.Program = "snapferry"
	}
	if s.Registry == nil {
		s.Registry = all.Registry()
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Log = slog.New(&collector{next: s.Log.Handler(), into: s.warnings})
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Getenv == nil {
		s.Getenv = os.Getenv
	}
	if s.Stdin == nil {
		s.Stdin = os.Stdin
	}
	if s.Stdout == nil {
		s.Stdout = os.Stdout
	}
	if s.Progress == nil {
		s.Progress = &Progress{}
	}
	s.began = s.Now()
	return s
}

// open opens the vault. The caller closes it.
func (s *session) open(ctx context.Context, v Vault) error {
	level, err := parseLevel(s.Tuning.Level)
	if err != nil {
		return err
	}
	if err := v.checkLocks(); err != nil {
		return err
	}
	s.locks = v.Locks
	if s.rates, err = parseBandwidth(s.Tuning.Bandwidth); err != nil {
		return err
	}
	s.shown = providers.Redact(v.URL)
	bucket, prefix, err := s.Registry.Open(ctx, v.URL, providers.Options{
		Log: s.Log, Connections: s.transfers() + listConnections, UserAgent: s.Program, Transport: s.Transport,
		Attributes: s.attributes})
	if err != nil {
		return err
	}
	s.prefix = prefix
	if local, ok := bucket.(interface{ Folder() string }); ok {
		s.folder = local.Folder()
	}
	s.bucket = providers.Decorate(bucket, s.policy())
	s.vault, err = archive.NewVault(s.bucket, prefix, archive.Options{Workers: s.Tuning.Workers, Transfers: s.transfers(),
		MaxMemory: s.Tuning.MaxMemory, Level: level, Segment: s.Tuning.Segment, Chunk: s.Tuning.Chunk,
		Program: s.Program, Log: s.Log, Now: s.Now, Progress: &s.Progress.data})
	if err != nil {
		_ = s.bucket.Close() // nothing was done with it
		return err
	}
	return nil
}

// listConnections are those beyond the transfers: listings and small objects.
const listConnections = 2

// policy says how the store is used.
func (s *session) policy() providers.Policy {
	inFlight := providers.Concurrency{Max: s.transfers()}
	if s.Tuning.Transfers <= 0 {
		inFlight.Start = startTransfers
	}
	return providers.Policy{Log: s.Log, Metrics: s.metrics, Tries: s.Tuning.Tries, StallTimeout: s.Tuning.StallTimeout,
		Bandwidth: s.rates, Uploads: inFlight, Downloads: inFlight, Now: s.Now}
}

func parseBandwidth(text string) (providers.Timetable, error) {
	if text == "" {
		return providers.Timetable{}, nil
	}
	rates, err := providers.ParseTimetable(text)
	if err != nil {
		return rates, usage("bandwidth "+strconv.Quote(text), err, "write 20MB, 10MB:off for up and down, or 08:00,512kB 12:00,10MB 23:00,off")
	}
	return rates, nil
}

// transfers is how many may be in flight at most.
func (s *session) transfers() int {
	if s.Tuning.Transfers > 0 {
		return s.Tuning.Transfers
	}
	return maxTransfers
}

// Transfers in flight where nobody says how many: at first, and at most.
const (
	startTransfers = 8
	maxTransfers   = 32
)

// ParseBytes reads a number of bytes such as 256MiB or 1.5GB.
func ParseBytes(s string) (int64, error) { return providers.ParseBytes(s) }

// close releases the vault. By then all that counts is durable, or has failed.
func (s *session) close() {
	if err := s.bucket.Close(); err != nil {
		s.Log.Debug("vault not closed", "error", err)
	}
}

// find returns the backup that ref names. One that is not complete is found
// where no other is, so that the error can say what is wrong with it.
func (s *session) find(ctx context.Context, ref string) (archive.Entry, error) {
	e, err := s.vault.Find(ctx, ref, false)
	if Classify(err) == NotFound && ref != archive.Latest {
		if other, oerr := s.vault.Find(ctx, ref, true); oerr == nil {
			return other, nil
		}
	}
	return e, err
}

func parseLevel(s string) (frame.Level, error) {
	if s == "" {
		return frame.Fastest, nil
	}
	names := make([]string, 0, len(frame.Levels()))
	for _, l := range frame.Levels() {
		if string(l) == s {
			return l, nil
		}
		names = append(names, string(l))
	}
	return "", usage("level "+s, fmt.Errorf("no such level"), Suggest(s, names))
}
