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
	Workers   int    // goroutines that compress or decompress; default: one a core
	Transfers int    // uploads or downloads in flight; default 8
	MaxMemory int64  // bytes for the whole process; default DefaultMemory
	Level     string // compression: fastest, default, better, best, stored
	Segment   int64  // raw bytes of a segment of a new backup
	Chunk     int64  // raw bytes of a chunk of a new backup

	Tries        int           // how often one request is tried; 1: no retry
	StallTimeout time.Duration // a transfer that moves no byte for so long is tried again; negative: never
	UploadRate   int64         // bytes a second of all uploads together; 0: no limit
	DownloadRate int64         // the same of downloads
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
	s.shown = providers.Redact(v.URL)
	bucket, prefix, err := s.Registry.Open(ctx, v.URL, providers.Options{
		Log: s.Log, Connections: s.transfers() + listConnections, UserAgent: s.Program, Transport: s.Transport})
	if err != nil {
		return err
	}
	s.prefix = prefix
	if local, ok := bucket.(interface{ Folder() string }); ok {
		s.folder = local.Folder()
	}
	s.bucket = providers.Decorate(bucket, providers.Policy{Log: s.Log, Metrics: s.metrics, Tries: s.Tuning.Tries,
		StallTimeout: s.Tuning.StallTimeout, UploadRate: s.Tuning.UploadRate, DownloadRate: s.Tuning.DownloadRate})
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

func (s *session) transfers() int {
	if s.Tuning.Transfers > 0 {
		return s.Tuning.Transfers
	}
	return defaultTransfers
}

const defaultTransfers = 8

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
