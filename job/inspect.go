package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
)

// InspectRequest says which artifacts of Neo4j are looked at.
type InspectRequest struct {
	// Place is a file, a folder of artifacts, or VAULT#REFERENCE.
	Place string
	Access
	// LatestChain leaves of the backups in a folder those of the latest chain of
	// each database.
	LatestChain bool
	// Verify decodes files to their end. A backup in a vault has verify for that.
	Verify bool
}

// InspectReport is what artifacts of Neo4j say of themselves.
type InspectReport struct {
	Artifacts []Artifact `json:"artifacts"`
	// Chains are the latest of each database, of a folder with backups.
	Chains []ArtifactChain `json:"chains,omitempty"`
}

// Artifact is one dump or .backup file.
type Artifact struct {
	Name   string `json:"name"`   // path, or image of a backup
	Format string `json:"format"` // DZV1, BZV2, …
	Kind   string `json:"kind"`   // dump, full, differential
	// Files and Bytes are those of the store, uncompressed; absent: nothing says
	// so.
	Files    int64 `json:"files,omitempty"`
	Bytes    int64 `json:"bytes,omitempty"`
	Verified bool  `json:"verified"` // it was decoded to its end, and is whole
	// Problem is why it is damaged; what else is known of it is from its header.
	Problem string `json:"problem,omitempty"`

	// Of backups alone.
	Database    string     `json:"database,omitempty"`
	DatabaseID  string     `json:"database_id,omitempty"`
	Time        *time.Time `json:"time,omitempty"`
	Lowest      int64      `json:"lowest_transaction,omitempty"`
	Highest     int64      `json:"highest_transaction,omitempty"`
	Recovered   bool       `json:"recovered,omitempty"`
	StoreFormat string     `json:"store_format,omitempty"`
	ScriptBytes int        `json:"metadata_script_bytes,omitempty"` // users and roles
}

// ArtifactChain is a full backup and the differentials that follow it.
type ArtifactChain struct {
	Database   string   `json:"database"`
	DatabaseID string   `json:"database_id"`
	Artifacts  []string `json:"artifacts"` // in their order
	Gap        string   `json:"gap,omitempty"`
}

// Inspect reads the headers of Neo4j's dumps and backups, without a JVM. Of a
// backup in a vault it reads the beginning of each image by a range. What is none
// is of the class Usage; files that are damaged, of the class Damaged, and a
// chain with a gap is ErrPartial, both with the report.
func (r *Runner) Inspect(ctx context.Context, req InspectRequest) (*InspectReport, error) {
	var members []artifact.Member
	var verdicts []verdict
	var err error
	switch {
	case req.Place == "":
		return nil, usage(`""`, errors.New("nothing is named"), "give a file, a folder, or VAULT#REFERENCE")
	case req.isReference():
		if req.Verify {
			return nil, usage("--verify", errors.New("it is for files"), "snapferry verify --deep checks a backup in a vault")
		}
		members, err = r.inspectBackup(ctx, req)
	default:
		members, verdicts, err = inspectFiles(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	report := &InspectReport{Artifacts: []Artifact{}}
	if info, err := os.Stat(req.Place); err == nil && info.IsDir() || err != nil && len(members) > 1 { // a folder, or a chain in a vault
		report.chains(members)
	}
	for i, m := range members {
		chained := slices.ContainsFunc(report.Chains, func(c ArtifactChain) bool { return slices.Contains(c.Artifacts, m.Name) })
		if len(report.Chains) > 0 && m.Header.Backup != nil && req.LatestChain && !chained {
			continue
		}
		a := describeArtifact(m)
		if verdicts != nil {
			a.judged(verdicts[i])
		}
		report.Artifacts = append(report.Artifacts, a)
	}
	for _, v := range verdicts {
		if v.damage != nil {
			return report, v.damage
		}
	}
	return report, report.gap()
}

// gap is the error of a chain that has one.
func (report *InspectReport) gap() error {
	for _, c := range report.Chains {
		if c.Gap != "" {
			return &Error{Op: "inspect", Name: c.Database, Err: fmt.Errorf("%w: its chain has a gap: %s", ErrPartial, c.Gap),
				Hint: "bring the missing backup to the others, or take a full one"}
		}
	}
	return nil
}

func (report *InspectReport) chains(members []artifact.Member) {
	for _, c := range artifact.LatestChains(members) {
		x := ArtifactChain{Database: c.Database, DatabaseID: c.DatabaseID, Gap: c.Gap, Artifacts: []string{}}
		for _, m := range c.Members {
			x.Artifacts = append(x.Artifacts, m.Name)
		}
		report.Chains = append(report.Chains, x)
	}
}

// isReference reports whether a backup in a vault is named, and not a file whose
// name has a # in it.
func (req *InspectRequest) isReference() bool {
	_, err := os.Stat(req.Place)
	return strings.Contains(req.Place, "#") && err != nil
}

// verdict is what looking at a file to its end came to.
type verdict struct {
	whole  bool
	damage error
}

func (a *Artifact) judged(v verdict) {
	a.Verified = v.whole
	if v.damage != nil {
		a.Problem = v.damage.Error()
	}
}

func describeArtifact(m artifact.Member) Artifact {
	h := m.Header
	a := Artifact{Name: m.Name, Format: h.Format, Kind: string(h.Kind), Files: h.Files, Bytes: h.Bytes}
	if b := h.Backup; b != nil {
		at := b.Time
		a.Database, a.DatabaseID, a.Time, a.Lowest, a.Highest, a.Recovered = b.Database, b.DatabaseID, &at, b.Lowest, b.Highest, b.Recovered
		a.StoreFormat, a.ScriptBytes = fmt.Sprintf("%s-%s-%d.%d", b.Store.Engine, b.Store.Format, b.Store.Major, b.Store.Minor), len(b.Script)
	}
	return a
}

// inspectHead is how much of an image is read: a block of zstd has up to 128 KiB,
// and a script of users up to 1 MiB.
const inspectHead = 2 << 20

func (r *Runner) inspectBackup(ctx context.Context, req InspectRequest) (members []artifact.Member, err error) {
	s := r.newSession()
	e, err := s.openEntry(ctx, req.Place, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	for _, m := range e.Chain() {
		some, err := s.inspectOne(ctx, m)
		if err != nil {
			return nil, err
		}
		members = append(members, some...)
	}
	return members, nil
}

func (s *session) inspectOne(ctx context.Context, e archive.Entry) (members []artifact.Member, err error) {
	b, err := s.vault.Open(ctx, e.Name)
	if err != nil {
		return nil, err
	}
	for i, im := range b.Manifest.Images {
		head, err := b.Head(ctx, i, inspectHead)
		if err != nil {
			return nil, err
		}
		h, err := artifact.ReadHeader(bytes.NewReader(head))
		if err != nil {
			return nil, explainArtifact(b.Name.String()+", image "+im.Title, err)
		}
		members = append(members, artifact.Member{Name: im.Title, Header: h})
	}
	return members, nil
}

// inspectFiles reads a file, or those of a folder that are artifacts. A damaged
// one does not keep it from the others.
func inspectFiles(ctx context.Context, req InspectRequest) (members []artifact.Member, verdicts []verdict, err error) {
	info, err := os.Stat(req.Place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &Error{Op: "inspect", Name: req.Place, Err: snapshot.ErrNotFound, Hint: "give a file, a folder, or VAULT#REFERENCE"}
	}
	if err != nil {
		return nil, nil, err
	}
	paths := []string{req.Place}
	if info.IsDir() {
		entries, err := os.ReadDir(req.Place)
		if err != nil {
			return nil, nil, err
		}
		paths = paths[:0]
		for _, e := range entries {
			if e.Type().IsRegular() {
				paths = append(paths, filepath.Join(req.Place, e.Name()))
			}
		}
	}
	for _, path := range paths {
		h, whole, err := inspectFile(ctx, path, req.Verify)
		if info.IsDir() && (errors.Is(err, artifact.ErrUnknown) || errors.Is(err, artifact.ErrSplit)) {
			continue
		}
		v := verdict{whole: whole}
		if Classify(err) == Damaged {
			v.damage, err = err, nil
		}
		if err != nil {
			return nil, nil, err
		}
		members, verdicts = append(members, artifact.Member{Name: path, Header: h}), append(verdicts, v)
	}
	if len(members) == 0 {
		return nil, nil, explainArtifact(req.Place, fmt.Errorf("%w is in it", artifact.ErrUnknown))
	}
	return members, verdicts, nil
}

func inspectFile(ctx context.Context, path string, verify bool) (h artifact.Header, whole bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if h, err = artifact.ReadHeader(f); err != nil || !verify {
		return h, false, explainArtifact(path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return h, false, err
	}
	info, err := artifact.Verify(&endingReader{ctx, f})
	if ctx.Err() != nil {
		return h, false, ctx.Err()
	}
	return info.Header, err == nil, explainArtifact(path, err)
}

// endingReader ends a long read with its context.
type endingReader struct {
	ctx context.Context //nolint:containedctx // that of the call
	r   io.Reader
}

func (r *endingReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// explainArtifact gives the errors of artifacts their class.
func explainArtifact(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, artifact.ErrUnknown):
		return usage(name, err, "inspect reads dumps and .backup files of Neo4j; snapferry show tells what any backup holds")
	case errors.Is(err, artifact.ErrSplit):
		return usage(name, err, "neo4j-admin can put it together")
	case errors.Is(err, artifact.ErrBad):
		return &Error{Op: "inspect", Name: name, Err: fmt.Errorf("%w: %w", archive.ErrDamaged, err), Hint: "take another backup; what is cut off cannot be loaded"}
	}
	return err
}
