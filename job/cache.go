package job

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
)

// cache remembers the manifests of one vault on this machine, so that a
// listing need not fetch them again: they never change. It decides nothing:
// what a listing does not show is not taken from here, and whoever restores or
// verifies reads the vault itself. Whatever fails here is logged and ignored.
//
// The file has one line a manifest: the first sumDigits of the line's SHA-256,
// a space, and a record as JSON. Lines that are not what their sum says are
// passed over.
type cache struct {
	path string // empty: nothing is remembered
	log  *slog.Logger

	mu    sync.Mutex
	lines map[string][]byte // JSON of the record, by its key
	used  map[string]bool
	fresh bool // something is to be saved
}

// record is one remembered manifest.
type record struct {
	Name     string           `json:"name"`
	Created  time.Time        `json:"created"` // of manifest.json; with its size it tells one manifest from another
	Bytes    int64            `json:"bytes"`
	Manifest *format.Manifest `json:"manifest"`
	// Opened: the two below were looked at, too.
	Opened     bool        `json:"opened"`
	Encryption *Encryption `json:"encryption,omitempty"`
	Signature  *Signature  `json:"signature,omitempty"`
	// Promised: the two below were looked at, too.
	Promised bool       `json:"promised"`
	Stands   []string   `json:"stands,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
}

const (
	sumDigits    = 16
	maxCacheLine = 1 << 20
)

// openCache reads what is remembered of a vault. An empty dir remembers
// nothing.
func openCache(dir, vault string, log *slog.Logger) *cache {
	c := &cache{log: log, lines: map[string][]byte{}, used: map[string]bool{}}
	if dir == "" {
		return c
	}
	sum := sha256.Sum256([]byte(vault))
	c.path = filepath.Join(dir, "manifests", hex.EncodeToString(sum[:16])+".jsonl")
	f, err := os.Open(c.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Debug("cache not read", "path", c.path, "error", err)
		}
		return c
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxCacheLine)
	for lines.Scan() {
		sum, text, ok := bytes.Cut(lines.Bytes(), []byte(" "))
		var r record
		if !ok || string(sum) != lineSum(text) || json.Unmarshal(text, &r) != nil || r.Manifest == nil {
			continue
		}
		c.lines[cacheKey(r.Name, r.Created, r.Bytes)] = bytes.Clone(text)
	}
	if err := lines.Err(); err != nil {
		log.Debug("cache read in part", "path", c.path, "error", err)
	}
	return c
}

func lineSum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:sumDigits]
}

func cacheKey(name string, created time.Time, size int64) string {
	return fmt.Sprintf("%s %s %d", name, created.UTC().Format(time.RFC3339Nano), size)
}

// get adds to b what is known of a backup that the vault lists. Where
// signatures are demanded, demanded holds the fingerprints of the keys that
// count, and what was not signed by one of them is not known.
func (c *cache) get(e archive.Entry, demanded []string, b *Backup) bool {
	key := cacheKey(e.Name.String(), e.ManifestCreated, e.ManifestBytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	text, ok := c.lines[key]
	var r record
	if !ok || json.Unmarshal(text, &r) != nil || !r.Opened || !r.Promised {
		return false
	}
	if r.Signature != nil {
		r.Signature.Trusted = slices.Contains(demanded, r.Signature.Key)
	}
	if len(demanded) > 0 && (r.Signature == nil || !r.Signature.Trusted) {
		return false
	}
	c.used[key] = true
	b.complete(r.Manifest)
	b.Encryption, b.Signature = r.Encryption, r.Signature
	b.Stands, b.PromisedUntil = r.Stands, r.Until
	return true
}

// put remembers a manifest, and what else b says.
func (c *cache) put(e archive.Entry, m *format.Manifest, b *Backup) {
	r := record{Name: e.Name.String(), Created: e.ManifestCreated.UTC(), Bytes: e.ManifestBytes, Manifest: m,
		Opened: true, Encryption: b.Encryption, Signature: b.Signature,
		Promised: true, Stands: b.Stands, Until: b.PromisedUntil}
	text, err := json.Marshal(r)
	if err != nil || c.path == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey(r.Name, r.Created, r.Bytes)
	c.lines[key], c.used[key], c.fresh = text, true, true
}

// save writes the file anew if there is something new. After a listing of the
// whole vault, what it did not show is forgotten.
func (c *cache) save(whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path == "" || !c.fresh && (!whole || len(c.used) == len(c.lines)) {
		return
	}
	if err := c.write(whole); err != nil {
		c.log.Debug("cache not written", "path", c.path, "error", err)
	}
}

// write replaces the file as a whole, so that two processes at once leave one
// of two good files.
func (c *cache) write(whole bool) (err error) {
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(c.path), "new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it was not to stay in any case
		}
	}()
	w := bufio.NewWriter(f)
	for key, text := range c.lines {
		if whole && !c.used[key] {
			continue
		}
		_, _ = w.WriteString(lineSum(text) + " ") // Flush tells
		_, _ = w.Write(append(text, '\n'))
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.path)
}
