package job

import (
	"maps"
	"slices"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

// Backup is what is known of one backup, complete or not. It is the object
// that list prints, and the beginning of what backup and show print.
type Backup struct {
	ID     string    `json:"id"`
	Series string    `json:"series"`
	Tier   string    `json:"tier"`
	Name   string    `json:"name"`  // TIER/SERIES/ID
	Vault  string    `json:"vault"` // URL without credentials
	Kind   string    `json:"kind"`
	Time   time.Time `json:"time"` // the instant of the id, UTC

	Complete    bool              `json:"complete"`            // it has a manifest and can be restored
	Begun       *time.Time        `json:"begun,omitempty"`     // creation of its capture, by the store's clock
	Completed   *time.Time        `json:"completed,omitempty"` // creation of its manifest, by the writer's clock
	Checked     bool              `json:"checked"`             // the source was found unchanged after reading
	RawBytes    int64             `json:"raw_bytes"`
	StoredBytes int64             `json:"stored_bytes"`
	Source      *Source           `json:"source,omitempty"`
	Facts       map[string]string `json:"facts,omitempty"`
	Program     string            `json:"program,omitempty"`
	Images      []Image           `json:"images,omitempty"`
	Problem     string            `json:"problem,omitempty"` // why it cannot be read
	Encryption  *Encryption       `json:"encryption,omitempty"`
	Signature   *Signature        `json:"signature,omitempty"`

	// Builds are the IDs of the backups that a differential builds on, the full
	// one first; Missing is how the fingerprint of one begins that is gone.
	Builds  []string `json:"builds_on,omitempty"`
	Missing string   `json:"missing,omitempty"`

	// Stands are the kinds of periods it stands for, PromisedUntil the end of
	// the longest of them; RestorableUntil is when rules may begin to remove
	// what it needs. Instants are UTC.
	Stands          []string   `json:"stands,omitempty"`
	PromisedUntil   *time.Time `json:"promised_until,omitempty"`
	RestorableUntil *time.Time `json:"restorable_until,omitempty"`

	// Drilled is its newest drill that went well, DrillFailed one that did not
	// and is newer.
	Drilled     *time.Time `json:"drilled,omitempty"`
	DrillFailed *time.Time `json:"drill_failed,omitempty"`
}

// Encryption says who may read an encrypted backup.
type Encryption struct {
	// Recipients are the public keys that it was encrypted to; "scrypt" is a
	// passphrase. Those who were let in later are not known.
	Recipients []string `json:"recipients"`
}

// Signature says who signed a backup.
type Signature struct {
	Key     string `json:"key"`     // fingerprint, SHA256:…
	Trusted bool   `json:"trusted"` // it is one of the keys that the vault demands
}

// Source says what was backed up.
type Source struct {
	Type string `json:"type"` // file, directory, device, stream, neo4j
	Host string `json:"host,omitempty"`
	Path string `json:"path,omitempty"`
	ID   string `json:"id,omitempty"`
}

// Image is one image of a backup.
type Image struct {
	Name        string `json:"name"`  // as in object keys
	Title       string `json:"title"` // as the user knows it
	Form        string `json:"form"`  // raw, tar, stream
	Size        int64  `json:"size"`
	DataBytes   int64  `json:"data_bytes"` // of Size, what is not holes
	StoredBytes int64  `json:"stored_bytes"`
	Segments    int64  `json:"segments"`
}

// Run is what a run took.
type Run struct {
	Duration float64  `json:"duration_seconds"`
	Requests int64    `json:"requests"` // sent to the store, retries included
	Retries  int64    `json:"retries"`
	Warnings []string `json:"warnings,omitempty"`
}

// BackupReport is the result of Runner.Backup. With several vaults it tells of
// the first that has the backup, and what became of each stands in Vaults; with
// several sources, of the first that was backed up, and each stands in Members.
type BackupReport struct {
	Backup
	Resumed     bool  `json:"resumed"`      // an earlier run had begun it
	ReusedBytes int64 `json:"reused_bytes"` // raw bytes that were stored before
	// Levels says how many chunks were stored at each level of compression.
	Levels map[string]int64 `json:"levels,omitempty"`
	Vaults []VaultReport    `json:"vaults,omitempty"` // in their order, if there are several
	// Members are the sources, if the source is several.
	Members []MemberReport `json:"members,omitempty"`
	Run
}

// MemberReport is what became of one of several sources of a run.
type MemberReport struct {
	Member string        `json:"member"` // its own name: a database
	OK     bool          `json:"ok"`     // it is backed up in every vault
	Error  string        `json:"error,omitempty"`
	Hint   string        `json:"hint,omitempty"`
	Report *BackupReport `json:"report,omitempty"` // if it was backed up anywhere
}

// VaultReport is what became of a backup in one of several vaults.
type VaultReport struct {
	Backup
	Configured  string           `json:"configured,omitempty"` // the vault's name in the configuration
	OK          bool             `json:"ok"`                   // the backup is complete there
	Error       string           `json:"error,omitempty"`
	Hint        string           `json:"hint,omitempty"`
	Resumed     bool             `json:"resumed"`
	ReusedBytes int64            `json:"reused_bytes"`
	Levels      map[string]int64 `json:"levels,omitempty"`
}

// CopyReport is the result of Runner.Copy.
type CopyReport struct {
	Backup               // that was copied, in the vault it came from
	Copies []VaultReport `json:"copies"` // one for each vault, in their order
	Run
}

// ListReport is the result of Runner.List.
type ListReport struct {
	Backups []Backup `json:"backups"` // oldest first
	// Ignored counts the objects of the catalog that belong to no backup.
	Ignored int `json:"ignored_objects"`
	// Expiring counts the backups left out since rules may have removed some of
	// them.
	Expiring int      `json:"expiring,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// ShowReport is the result of Runner.Show.
type ShowReport struct {
	Backup
	SegmentBytes int64 `json:"segment_bytes"` // raw bytes of a segment
	ChunkBytes   int64 `json:"chunk_bytes"`   // raw bytes of a chunk
	Lock         *Lock `json:"lock,omitempty"`
	Held         bool  `json:"held"` // by a hold of the store, until it is released
}

// Lock keeps a backup from being removed.
type Lock struct {
	Mode  string    `json:"mode"`  // "governance" or "compliance"
	Until time.Time `json:"until"` // of the manifest, by the store
}

// VerifyReport is the result of Runner.Verify.
type VerifyReport struct {
	Name      string  `json:"name"`
	Vault     string  `json:"vault"`
	OK        bool    `json:"ok"`
	Sample    float64 `json:"sample"`     // part of the segments that was to be read, 0 to 1
	Objects   int64   `json:"objects"`    // looked at
	Read      int64   `json:"read"`       // segments read, hashed and decoded
	ReadBytes int64   `json:"read_bytes"` // stored bytes of those
	Damaged   int64   `json:"damaged"`    // problems found
	// Damage names the first thousand problems.
	Damage []Damage    `json:"damage,omitempty"`
	Thaw   *ThawReport `json:"thaw,omitempty"` // where something was archived
	Run
}

// Damage is one object that is not what it should be.
type Damage struct {
	Key     string `json:"key"`
	Problem string `json:"problem"`
}

// RestoreReport is the result of Runner.Restore.
type RestoreReport struct {
	Name     string      `json:"name"`
	Vault    string      `json:"vault"`
	Target   string      `json:"target"`
	RawBytes int64       `json:"raw_bytes"`
	Images   []Image     `json:"images"`
	Thaw     *ThawReport `json:"thaw,omitempty"` // where something was archived
	Seed     *Seed       `json:"seed,omitempty"` // of what was staged
	Run
}

// FinishReport is the result of Runner.Finish.
type FinishReport struct {
	Backup
	Run
}

// RewrapReport is the result of Runner.Rewrap.
type RewrapReport struct {
	Vault   string      `json:"vault"`
	Backups []Rewrapped `json:"backups"` // oldest first
	Run
}

// Rewrapped is what became of one backup.
type Rewrapped struct {
	Name    string `json:"name"`
	Key     string `json:"key,omitempty"`     // the object that was added to its catalog entry
	Problem string `json:"problem,omitempty"` // why none was
}

// run tells what the run took, with the requests of these vaults: those of
// the session's own if none is named.
func (s *session) run(vaults ...*opened) Run {
	if len(vaults) == 0 {
		vaults = []*opened{&s.opened}
	}
	run := Run{Duration: s.Now().Sub(s.began).Seconds(), Warnings: s.warnings.list()}
	for _, o := range vaults {
		m := o.metrics.Snapshot()
		run.Requests += m.Puts + m.Gets + m.Lists + m.Deletes
		run.Retries += m.Retries
	}
	return run
}

// named is what the name of a backup says of it.
func (o *opened) named(n format.Name) Backup {
	return Backup{ID: n.ID.String(), Series: n.Series, Tier: string(n.Tier), Name: n.String(), Vault: o.shown,
		Kind: n.ID.Kind, Time: n.ID.Time}
}

// built adds what a differential builds on.
func (b *Backup) built(e archive.Entry) {
	for _, m := range e.Base {
		b.Builds = append(b.Builds, m.Name.ID.String())
	}
	b.Missing = e.Missing
}

// complete adds what a manifest says.
func (b *Backup) complete(m *format.Manifest) {
	source := Source(m.Source)
	completed := m.Completed
	b.Complete, b.Completed, b.Checked = true, &completed, m.Checked
	b.RawBytes, b.StoredBytes, b.Source, b.Program = m.RawBytes, m.StoredBytes, &source, m.Program
	b.Facts = maps.Clone(m.Facts)
	b.Images = images(m.Images)
}

// opened adds what is known once the backup was opened.
func (b *Backup) opened(o *archive.Backup) {
	b.complete(o.Manifest)
	b.protected(o.Capture, o.Signature)
}

// protected adds how the backup is encrypted and signed.
func (b *Backup) protected(c *format.Capture, by *archive.Signature) {
	if c.Encryption != nil {
		b.Encryption = &Encryption{Recipients: slices.Clone(c.Encryption.Recipients)}
	}
	if by != nil {
		b.Signature = &Signature{Key: by.By.Fingerprint(), Trusted: by.Trusted}
	}
}

// promised adds what the backup stands for; nil: nothing.
func (b *Backup) promised(p *lifecycle.Promise) {
	if p == nil {
		return
	}
	b.Stands = kindNames(p.Stands)
	if !p.Until.IsZero() {
		until := p.Until.UTC()
		b.PromisedUntil = &until
	}
}

// floor adds until when rules leave the backup whole.
func (b *Backup) floor(f lifecycle.Floor) {
	if !f.Never() {
		until := f.At.UTC()
		b.RestorableUntil = &until
	}
}

func images(all []format.ManifestImage) []Image {
	out := make([]Image, len(all))
	for i, im := range all {
		out[i] = Image{Name: im.Name, Title: im.Title, Form: im.Form, Size: im.Size, DataBytes: im.Data,
			StoredBytes: im.StoredBytes, Segments: im.Segments}
	}
	return out
}
