package neo4j

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// chainFolder is our folder of one database of a server: the artifacts that
// neo4j-admin has made and needs, what is known of them, and a lock.
type chainFolder struct {
	*scratch
	files string // folder of the artifacts, and of nothing else
}

// artifactMark says of an artifact that it was verified and is to be shipped.
type artifactMark struct {
	fileMark
	Version int               `json:"version"`
	File    string            `json:"file"`
	Parent  string            `json:"parent,omitempty"`
	Problem string            `json:"problem,omitempty"`
	Facts   map[string]string `json:"facts"`
}

// member is an artifact that a vault has, as long as the file is this one.
type member struct {
	fileMark
	Fingerprint string `json:"fingerprint"` // of its capture
}

const (
	pendingName = "to-be-shipped.json"
	membersName = "members.json"
	suffix      = ".backup"
)

func (s *onlineSource) openChain() (*chainFolder, error) {
	name := s.online.chainDir
	if name == "" {
		name = s.scratch
	}
	parent, err := install.RealFolder(name)
	if err != nil {
		return nil, &snapshot.Error{Op: "back up", Name: name, Err: fmt.Errorf("%w: open folder: %w", snapshot.ErrUsage, err),
			Hint: "scratch and chain_dir must be existing folders, with room for a whole backup."}
	}
	folder, err := openScratch(parent, s.identity(), s.admin.owner)
	if err != nil {
		return nil, err
	}
	f := &chainFolder{scratch: folder, files: filepath.Join(folder.dir, "backups")}
	err = os.Mkdir(f.files, 0o700)
	if err == nil {
		err = s.admin.owner.Give(f.files)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(s.admin.fail("back up", err), folder.release())
	}
	return f, nil
}

// give gives the folder up. It goes away if there is no artifact in it.
func (f *chainFolder) give() error {
	if err := os.Remove(f.files); err == nil || errors.Is(err, fs.ErrNotExist) { // it was empty
		_ = os.Remove(filepath.Join(f.dir, membersName)) // there may be none
	}
	return f.release()
}

func (f *chainFolder) path(name string) string { return filepath.Join(f.files, name) }

// artifacts are the names of the artifacts, sorted.
func (f *chainFolder) artifacts() ([]string, error) {
	entries, err := os.ReadDir(f.files)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (f *chainFolder) remove(names ...string) (err error) {
	for _, name := range names {
		if rmErr := os.Remove(f.path(name)); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	return err
}

// mark notes an artifact as one to be shipped.
func (f *chainFolder) mark(m *artifactMark) error {
	return writeNote(filepath.Join(f.dir, pendingName), m)
}

// pending is the artifact of an earlier run that was not shipped and is fresh;
// nil: there is none, and an old one is gone.
func (f *chainFolder) pending(now time.Time) (*artifactMark, error) {
	at := filepath.Join(f.dir, pendingName)
	raw, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none, and no error
	}
	if err != nil {
		return nil, err
	}
	m, err := parseArtifactMark(raw)
	if err == nil {
		info, statErr := os.Lstat(f.path(m.File))
		taken := time.Unix(0, m.Modified)
		if statErr == nil && m.describes(info) && !taken.After(now) && now.Sub(taken) < freshFor {
			return m, nil
		}
	}
	// No vault has it, or it is not the one that was marked.
	return nil, os.Remove(at)
}

// forget removes an artifact that is not to be shipped.
func (f *chainFolder) forget(m *artifactMark) error {
	return errors.Join(os.Remove(filepath.Join(f.dir, pendingName)), f.remove(m.File))
}

func parseArtifactMark(raw []byte) (*artifactMark, error) {
	var m artifactMark
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("parse mark: %w", err)
	}
	if m.Version != markerVersion || m.Size <= 0 || len(m.SHA256) != 64 || !isArtifactName(m.File) || m.Facts == nil ||
		len(m.Parent) != 0 && len(m.Parent) != 16 {
		return nil, errors.New("parse mark: it is not one of this version")
	}
	return &m, nil
}

// isArtifactName accepts the name of a file in our folder: some come from vaults.
func isArtifactName(name string) bool {
	return strings.HasSuffix(name, suffix) && filepath.IsLocal(name) && !strings.ContainsAny(name, `/\`) && !strings.HasPrefix(name, ".")
}

// shipped remembers an artifact that the vaults have, or removes it if nothing
// builds on it here.
func (f *chainFolder) shipped(m *artifactMark, fingerprint [32]byte, keep bool) error {
	if keep {
		known := f.members()
		if m.Parent == "" {
			clear(known)
		}
		known[m.File] = member{m.fileMark, hex.EncodeToString(fingerprint[:])}
		if err := writeNote(filepath.Join(f.dir, membersName), known); err != nil {
			return err
		}
		if m.Parent == "" {
			all, err := f.artifacts()
			if err != nil {
				return err
			}
			if err := f.remove(slices.DeleteFunc(all, func(name string) bool { return name == m.File })...); err != nil {
				return err
			}
		}
		return os.Remove(filepath.Join(f.dir, pendingName))
	}
	return errors.Join(os.RemoveAll(f.files), os.Remove(filepath.Join(f.dir, pendingName)))
}

// members are the artifacts whose capture is known. What cannot be read is not:
// then the files are hashed again.
func (f *chainFolder) members() map[string]member {
	known := map[string]member{}
	raw, err := os.ReadFile(filepath.Join(f.dir, membersName))
	if err != nil || json.Unmarshal(raw, &known) != nil {
		return map[string]member{}
	}
	return known
}

// localChain makes our folder hold the chain that the vaults end with, and
// nothing else, and returns it. What is missing is fetched. Where that cannot be
// done, the folder and the chain are empty, and the next backup is full.
func (s *onlineSource) localChain(ctx context.Context, f *chainFolder) ([]artifact.Member, error) {
	if s.online.aggregate {
		if err := s.ownChain(f); err != nil {
			return nil, err
		}
	}
	names, err := f.find(ctx, s.identity(), s.chain)
	if err != nil {
		return nil, err
	}
	for i, link := range s.chain {
		if names[i] != "" {
			continue
		}
		if names[i], err = s.rebuild(ctx, f, i); err == nil {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.options.Log.Warn("the chain is not there and was not fetched; the backup will be full", "database", s.database, "file", link.Title, "error", err)
		s.chain, names = nil, nil
		break
	}
	all, err := f.artifacts()
	if err != nil {
		return nil, err
	}
	if err := f.remove(slices.DeleteFunc(all, func(name string) bool { return slices.Contains(names, name) })...); err != nil {
		return nil, err
	}
	chain := make([]artifact.Member, len(names))
	for i, name := range names {
		if chain[i], err = readMember(f.path(name)); err != nil {
			s.options.Log.Warn("the chain here cannot be read; the backup will be full", "database", s.database, "error", err)
			s.chain = nil
			return nil, f.remove(names...)
		}
	}
	return chain, nil
}

// ownChain takes the full backup that was shipped last as the chain, if it is
// here: what is made of it is full, so that no vault needs to have it.
func (s *onlineSource) ownChain(f *chainFolder) error {
	all, err := f.artifacts()
	if err != nil {
		return err
	}
	for name, m := range f.members() {
		if slices.Contains(all, name) && len(m.Fingerprint) == 64 {
			s.chain = []snapshot.Link{{Fingerprint: m.Fingerprint[:16], Title: name}}
			s.fetch = func(context.Context, int, io.Writer) error { return errors.New("it is not here any more") }
		}
	}
	return nil
}

func readMember(path string) (m artifact.Member, err error) {
	file, err := os.Open(path)
	if err != nil {
		return m, err
	}
	m.Name = filepath.Base(path)
	if m.Header, err = artifact.ReadHeader(file); err == nil && m.Header.Backup == nil {
		err = fmt.Errorf("%w: it is no backup", artifact.ErrBad)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return m, fmt.Errorf("read %s: %w", m.Name, err)
	}
	return m, nil
}

// find finds the artifacts of a chain by the fingerprints of their captures:
// their names, empty where there is none.
func (f *chainFolder) find(ctx context.Context, id snapshot.Identity, chain []snapshot.Link) ([]string, error) {
	names := make([]string, len(chain))
	if len(chain) == 0 {
		return names, nil
	}
	all, err := f.artifacts()
	if err != nil {
		return nil, err
	}
	known := f.members()
	for _, name := range all {
		fingerprint, err := f.fingerprint(ctx, id, name, known)
		if err != nil {
			return nil, err
		}
		for i, link := range chain {
			if strings.HasPrefix(fingerprint, link.Fingerprint) {
				names[i] = name
			}
		}
	}
	return names, writeNote(filepath.Join(f.dir, membersName), known)
}

// fingerprint is that of an artifact's capture; one that is not known is hashed.
func (f *chainFolder) fingerprint(ctx context.Context, id snapshot.Identity, name string, known map[string]member) (string, error) {
	info, err := os.Lstat(f.path(name))
	if err != nil {
		return "", err
	}
	if m, ok := known[name]; ok && m.describes(info) {
		return m.Fingerprint, nil
	}
	sum, err := hashFile(ctx, f.path(name))
	if err != nil {
		return "", err
	}
	fingerprint := fingerprintOf(id, sum)
	known[name] = member{markOf(info, sum), hex.EncodeToString(fingerprint[:])}
	return known[name].Fingerprint, nil
}

// rebuild fetches an artifact of the chain from a vault, and proves that it is
// the one.
func (s *onlineSource) rebuild(ctx context.Context, f *chainFolder, i int) (name string, err error) {
	link := s.chain[i]
	if !isArtifactName(link.Title) {
		return "", fmt.Errorf("%q is not the name of a backup", link.Title)
	}
	s.options.Log.Info("fetching what a differential builds on", "database", s.database, "file", link.Title)
	temporary := filepath.Join(f.dir, "fetched")
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary))
		}
	}()
	err = s.fetch(ctx, i, file)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", err
	}
	sum, err := hashFile(ctx, temporary)
	if err != nil {
		return "", err
	}
	if got := fingerprintOf(s.identity(), sum); !strings.HasPrefix(hex.EncodeToString(got[:]), link.Fingerprint) {
		return "", errors.New("it is of another source")
	}
	if err := s.admin.owner.Give(temporary); err != nil {
		return "", err
	}
	return link.Title, os.Rename(temporary, f.path(link.Title))
}
