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
	"github.com/snapferry/snapferry/lifecycle"
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
	// Terminal lets age plugins ask at the terminal.
	Terminal bool
	// Guardian is the command line of a process that calls Guard: it watches over
	// a server that a run has stopped. Without it no run stops one.
	Guardian []string
	// Unfreezer is the command line of a process that calls Unfreeze; without it no
	// file system is frozen.
	Unfreezer []string
	// PollEvery is the time between two looks at what is being thawed; 0: a
	// minute.
	PollEvery time.Duration
	// Tuning says how much of the machine is used.
	Tuning Tuning
}

// Tuning says how much of the machine and the network a run may use. Zero
// means the default everywhere.
type Tuning struct {
	Workers int // goroutines that compress or decompress; default: one a core
	// Transfers are the uploads or downloads in flight at most, of each vault. 0
	// begins with 8 and goes up to 32 while throughput grows. There are fewer
	// while the store asks to slow down, and never more than memory allows.
	Transfers int
	MaxMemory int64  // bytes for the whole process; default DefaultMemory
	Level     string // compression: auto, fastest, default, better, best, stored; default auto
	Segment   int64  // raw bytes of a segment of a new backup
	Chunk     int64  // raw bytes of a chunk of a new backup

	Tries        int           // how often one request is tried; 1: no retry
	StallTimeout time.Duration // a transfer that moves no byte for so long is tried again; negative: never
	// Bandwidth limits the bytes a second of all transfers of one vault
	// together, as providers.ParseTimetable reads it: 20MB, 10MB:off for up and
	// down, or by the local time 08:00,512kB 23:00,off. Empty: no limit.
	Bandwidth string
}

// DefaultMemory is the memory limit of the process, in bytes, where none is
// given.
const DefaultMemory = archive.DefaultMemory

// session is one call of a Runner's method, with the vault it works on.
type session struct {
	Runner
	opened   // where a method works on one vault
	began    time.Time
	warnings *warnings
	together string // id that the backups of several sources share; empty: there is one
}

// opened is a vault in use.
type opened struct {
	called  string // as the configuration calls it; may be empty
	shown   string // its URL without credentials
	vault   *archive.Vault
	bucket  providers.Bucket
	prefix  string // of the vault's keys; empty, or without a slash at its end
	folder  string // absolute path of a vault that is a folder
	locks   map[string]LockPolicy
	asked   lifecycle.Policy // what the request says that it keeps
	metrics *providers.Metrics
	policy  providers.Policy // by which its store is used
}

func (r *Runner) newSession() *session {
	s := &session{Runner: *r, warnings: &warnings{}}
	if s.Program == "" {
		s.Program = "snapferry"
	}
	if s.Host == "" {
		// Where the system has none, sources of files say so.
		s.Host, _ = os.Hostname()
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

// open opens the vault that the session works on. The caller closes it.
func (s *session) open(ctx context.Context, v Vault) error {
	o, err := s.openVault(ctx, v)
	if err == nil {
		s.opened = *o
	}
	return err
}

// openVault opens a vault. The caller closes it.
func (s *session) openVault(ctx context.Context, v Vault) (*opened, error) {
	level, err := parseLevel(s.Tuning.Level)
	if err != nil {
		return nil, err
	}
	rates, err := parseBandwidth(s.Tuning.Bandwidth)
	if err != nil {
		return nil, err
	}
	keys, err := s.keys(&v.Access)
	if err != nil {
		return nil, err
	}
	if err := v.CheckLocks(); err != nil {
		return nil, err
	}
	o := &opened{called: v.Name, shown: providers.Redact(v.URL), locks: v.Locks, metrics: &providers.Metrics{}}
	bucket, prefix, err := s.Registry.Open(ctx, v.URL, providers.Options{
		Log: s.Log, Connections: s.transfers() + listConnections, UserAgent: s.Program, Transport: s.Transport,
		Attributes: func(key string) providers.Attributes { return s.attributes(o, key) }})
	if err != nil {
		return nil, err
	}
	o.prefix = prefix
	if local, ok := bucket.(interface{ Folder() string }); ok {
		o.folder = local.Folder()
	}
	o.policy = s.policyFor(rates)
	o.policy.Metrics = o.metrics
	o.bucket = providers.Decorate(bucket, o.policy)
	history, err := o.history(&v.Access)
	if err != nil {
		_ = o.bucket.Close() // nothing was done with it
		return nil, err
	}
	o.vault, err = archive.NewVault(o.bucket, prefix, archive.Options{Workers: s.Tuning.Workers, Transfers: s.transfers(),
		MaxMemory: s.Tuning.MaxMemory, Level: level, Segment: s.Tuning.Segment, Chunk: s.Tuning.Chunk,
		Program: s.Program, Log: s.Log, Now: s.Now, Progress: &s.Progress.data, Keys: keys, History: history})
	if err != nil {
		_ = o.bucket.Close() // nothing was done with it
		return nil, err
	}
	o.asked = v.Retention
	return o, nil
}

// listConnections are those beyond the transfers: listings and small objects.
const listConnections = 2

// policyFor says how the store of a vault is used.
func (s *session) policyFor(rates providers.Timetable) providers.Policy {
	inFlight := providers.Concurrency{Max: s.transfers()}
	if s.Tuning.Transfers <= 0 {
		inFlight.Start = startTransfers
	}
	return providers.Policy{Log: s.Log, Tries: s.Tuning.Tries, StallTimeout: s.Tuning.StallTimeout,
		Bandwidth: rates, Uploads: inFlight, Downloads: inFlight, Now: s.Now}
}

// CheckBandwidth refuses what is no Tuning.Bandwidth.
func CheckBandwidth(text string) error {
	_, err := parseBandwidth(text)
	return err
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

// close releases the vault that the session works on. By then all that counts
// is durable, or has failed.
func (s *session) close() { s.closeVault(&s.opened) }

func (s *session) closeVault(o *opened) {
	if err := o.bucket.Close(); err != nil {
		s.Log.Debug("vault not closed", "vault", o.shown, "error", err)
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

// Levels are the names of the levels of compression, auto first.
func Levels() []string {
	names := make([]string, 0, len(frame.Levels()))
	for _, l := range frame.Levels() {
		names = append(names, string(l))
	}
	return names
}

func parseLevel(s string) (frame.Level, error) {
	if s == "" {
		return frame.Auto, nil
	}
	for _, l := range frame.Levels() {
		if string(l) == s {
			return l, nil
		}
	}
	return "", usage("level "+s, fmt.Errorf("no such level"), Suggest(s, Levels()))
}
